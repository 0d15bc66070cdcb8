package sync

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"gitmirror/internal/clock"
	"gitmirror/internal/policy"
	"gitmirror/internal/testlog"
	"gitmirror/mirror/detect"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/fetch"
	"gitmirror/mirror/past"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/remote"
	"gitmirror/mirror/space"
	"gitmirror/mirror/store"
	"gitmirror/mirror/wire"
	"gitmirror/mirror/work"
)

// simulated is an upstream whose branches only appear, a fetch engine without a network and
// without git, and a log that takes everything.
type simulated struct {
	refs      []wire.AdvertRef
	failing   *failure.Error  // what fetches end with
	dead      string          // a url of it at which nobody answers
	moved     string          // where it says that it is from now on
	until     int             // was asked so often; 0 for always
	have      map[string]bool // objects that have come
	fetched   []string
	forgotten []string
	asked     int
	ways      int // that are not closed
	published []Candidate
	see       func(what string) // is told what a run is at; may be nil
}

func (s *simulated) at(what string) {
	if s.see != nil {
		s.see(what)
	}
}

func (s *simulated) Check(ctx context.Context, url string, _ []string, last detect.Fingerprint) (detect.Result, error) {
	s.asked++
	if url == s.dead {
		return detect.Result{}, failure.New(failure.Network, "dead", nil)
	}
	if ctx.Err() != nil {
		return detect.Result{}, context.Cause(ctx)
	}
	now := detect.Fingerprint(len(s.refs) + 1)
	if now == last {
		return detect.Result{Fingerprint: now, Unchanged: true, Remote: s}, nil
	}
	return detect.Result{Fingerprint: now, Advert: &wire.Advert{HeadRef: "refs/heads/0", Refs: slices.Clone(s.refs)}, Remote: s}, nil
}

func (s *simulated) Forget(url string) { s.forgotten = append(s.forgotten, url) }

func (s *simulated) LsRefs(context.Context, []string) (*remote.Answer, error) {
	panic("a check was made without Check")
}

func (s *simulated) Moved() string { return s.moved }

func (s *simulated) Fetch() (remote.Way, error) { s.ways++; return &simulatedWay{of: s}, nil }

type simulatedWay struct {
	remote.Way
	of *simulated
}

func (w *simulatedWay) Close() { w.of.ways-- }

// objects are those of a copy that fetches from the simulated upstream alone.
type objects struct{ *simulated }

func (o objects) Missing(_ context.Context, _ string, oids, _ []string) ([]string, error) {
	o.at("missing")
	return slices.DeleteFunc(slices.Clone(oids), func(oid string) bool { return o.have[oid] }), nil
}

func (o objects) Fetch(_ context.Context, _ *store.Staging, src fetch.Source, oids []string) error {
	if w, ok := src.Way.(*simulatedWay); !ok || w.of != o.simulated || o.ways != 1 {
		panic("it is not fetched by the way of what was asked")
	}
	o.at("fetch")
	if o.failing != nil && (o.until == 0 || o.asked <= o.until) {
		return o.failing
	}
	for _, oid := range oids {
		o.have[oid] = true
	}
	o.fetched = append(o.fetched, oids...)
	return nil
}

func (o objects) Peel(context.Context, string, []refs.Ref) error     { return nil }
func (o objects) Judge(context.Context, string, []refs.Change) error { return nil }
func (o objects) Unreachable(context.Context, string, []string, []refs.Ref) (map[string]bool, error) {
	return nil, nil
}
func (o objects) Reached(context.Context, string, []string, []refs.Ref, []refs.Ref) (map[string]bool, error) {
	return nil, nil
}
func (o objects) Unrelated(_ context.Context, _ string, pairs [][2]string) ([]bool, error) {
	return make([]bool, len(pairs)), nil
}
func (o objects) Left(_ context.Context, _ string, old, _ []string) ([]int, error) {
	return make([]int, len(old)), nil
}
func (o objects) IsAncestor(context.Context, string, string, string) bool { return true }

func (s *simulated) Publish(_ context.Context, c Candidate) (CommitStatus, error) {
	s.at("publish")
	s.published = append(s.published, c)
	return Committed, nil
}

type alone struct{}

func (alone) For(string) Holders                      { return Holders{} }
func (alone) Logged(string) ([]refs.Change, bool)     { return nil, false }
func (alone) Suspect(*store.Repo, error)              {}
func (alone) Broke(string, string, error) (sick bool) { return false }
func (alone) Forget(string)                           {}

// simulate is a worker without network and git, and a repository that it has nothing of.
func simulate(t *testing.T) (*simulated, *Worker, work.Assignment) {
	t.Helper()
	st, err := store.Open(store.Config{Dir: t.TempDir(), StartID: "run", Log: testlog.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	up := &simulated{have: map[string]bool{}}
	w := New(Config{
		Clock: clock.System, Store: st, Upstream: up, Objects: objects{up}, Space: space.New(nil, t.TempDir(), 0, func() {}), Past: new(past.Shared), Copies: alone{},
		Publisher: up, Locator: alone{}, LogTime: func() refs.LogTime { return refs.LogTime{Now: time.Now(), DatesHold: true} },
		Changed: func(string) {}, Log: testlog.New(t), CopiesPerPeer: 1, Fetches: 1,
	})
	return up, w, work.Assignment{ID: "REPO0", Name: "r0", URLs: []string{"http://up/r0.git"}, Role: work.Owner, Policy: policy.Policy{RefPrefixes: []string{"refs/heads/"}}}
}

// What a run does needs neither a network nor git: an upstream and a fetch engine that are
// made up take their places.
func TestARunAgainstASimulatedUpstream(t *testing.T) {
	up, w, a := simulate(t)
	run := func() work.Result {
		out := w.Run(t.Context(), work.Task{Assignment: a, Step: work.CheckUpstream, Ask: true})
		if up.ways != 0 {
			t.Errorf("%d ways are not closed", up.ways)
		}
		if out.Changed {
			c := up.published[len(up.published)-1]
			a.Generation, a.Digest, a.PublicDigest, a.Refs, a.Head, a.Base = c.Generation, c.Digest, c.PublicDigest, c.Refs, c.Head, c.Base
		}
		return out
	}
	for i := range 3 {
		oid := strings.Repeat(string(rune('a'+i)), 40)
		up.refs = append(up.refs, wire.AdvertRef{Name: "refs/heads/" + string(rune('0'+i)), OID: oid})
		up.failing, up.fetched = failure.New(failure.Network, "cut", nil), nil
		if out := run(); out.Failure != up.failing || out.Generation != uint64(i) || len(up.published) != i {
			t.Errorf("a fetch that fails: %+v", out)
		}
		up.failing = nil
		if out := run(); out.Failure != nil || !out.Changed || out.Generation != uint64(i+1) {
			t.Errorf("a push: %+v, %v", out, out.Failure)
		}
		if !slices.Equal(up.fetched, []string{oid}) {
			t.Errorf("fetched %v, want %s alone", up.fetched, oid)
		}
		if out := run(); out.Failure != nil || out.Changed || !out.Judged || len(up.published) != i+1 {
			t.Errorf("nothing new: %+v", out)
		}
	}
	if len(up.forgotten) > 0 {
		t.Errorf("asked anew, and nobody wanted to know: %v", up.forgotten)
	}
	w.Run(t.Context(), work.Task{Assignment: a, Step: work.CheckUpstream, Ask: true, Wanted: true})
	if !slices.Equal(up.forgotten, a.URLs) {
		t.Errorf("where somebody wants to know, %v are asked anew", up.forgotten)
	}
}

// From before it asks what is missing until its table is published, nothing goes from a copy
// that a run may build on.
func TestARunBuildsOnWhatStays(t *testing.T) {
	up, w, a := simulate(t)
	stays := map[string]bool{}
	up.see = func(what string) {
		at, cancel := context.WithCancel(t.Context())
		cancel()
		still, err := w.store.Repo(a.ID).Still(at, func() error { return nil })
		if err != nil {
			t.Error(err)
		}
		stays[what] = !still
	}
	up.refs = []wire.AdvertRef{{Name: "refs/heads/0", OID: strings.Repeat("a", 40)}}
	if out := w.Run(t.Context(), work.Task{Assignment: a, Step: work.CheckUpstream, Ask: true}); !out.Changed {
		t.Fatalf("%+v", out)
	}
	for _, what := range []string{"missing", "fetch", "publish"} {
		if !stays[what] {
			t.Errorf("at %s something may go", what)
		}
	}
	up.see("the end")
	if stays["the end"] {
		t.Error("it holds up others after its end")
	}
}

// A run that has asked does not wait to fetch: it ends, and gives back what it holds. The
// one that waits has not asked.
func TestWhoWaitsToFetchHoldsNothing(t *testing.T) {
	up, w, a := simulate(t)
	up.refs = []wire.AdvertRef{{Name: "refs/heads/0", OID: strings.Repeat("a", 40)}}
	task := work.Task{Assignment: a, Ask: true}
	noSlot := func(how string, out work.Result) {
		t.Helper()
		if !out.Rerun || !out.Fetch || out.Next != task.Step || out.Checked || out.Failure != nil || len(up.fetched)+up.ways > 0 {
			t.Errorf("%s: %+v, %d ways are open", how, out, up.ways)
		}
	}
	for _, task.Step = range []work.Step{work.CheckUpstream, work.AskUpstream} {
		task.ToFetch = func() bool { return false }
		noSlot("no place", w.check(t.Context(), task))
	}
	other := w.fetches.try(t.Context(), task.Host(), true, func(bool) {})
	task.ToFetch = func() bool { t.Error("it gave up its place"); return true }
	noSlot("no slot", w.check(t.Context(), task))

	up.asked = 0
	task.Fetch, task.ToFetch = true, nil
	done := make(chan work.Result)
	go func() { done <- w.check(t.Context(), task) }()
	waits := func() bool {
		w.fetches.mu.Lock()
		defer w.fetches.mu.Unlock()
		return len(w.fetches.waiting) == 1
	}
	for !waits() {
		runtime.Gosched()
	}
	if up.asked > 0 {
		t.Error("it has asked, and waits")
	}
	other.release()
	if out := <-done; !out.Changed || up.asked != 1 || len(w.fetches.taken) > 0 {
		t.Errorf("%+v, asked %d times, %d slots are taken", out, up.asked, len(w.fetches.taken))
	}
}

// A second upstream is tried where the objects of the first do not come.
func TestAFetchThatFailsIsTriedElsewhere(t *testing.T) {
	up, w, a := simulate(t)
	up.refs = []wire.AdvertRef{{Name: "refs/heads/0", OID: strings.Repeat("a", 40)}}
	a.URLs = append(a.URLs, "http://second/r0.git")
	up.failing, up.until = failure.New(failure.Network, "cut", nil), 1
	if out := w.check(t.Context(), work.Task{Assignment: a, Ask: true, Fetch: true}); !out.Changed || len(w.fetches.taken) > 0 {
		t.Errorf("%+v, %v", out, out.Failure)
	}
}

// A run asks the urls that it is to ask, and says of each what it came to. What is only tried is
// not what is said of the repository.
func TestARunAsksTheURLsOfItsTask(t *testing.T) {
	up, w, a := simulate(t)
	a.URLs = append(a.URLs, "http://second/r0.git", "http://third/r0.git")
	up.dead = a.URLs[1]
	for _, is := range []struct {
		order  []int
		probe  bool
		asked  []int // the last has answered, or none
		failed bool
	}{
		{asked: []int{0}},
		{order: []int{1}, asked: []int{1}, failed: true},
		{order: []int{1, 2}, probe: true, asked: []int{1, 2}},
		{order: []int{1, 2}, asked: []int{1, 2}}, // and nothing is new
		{order: []int{7, 2}, asked: []int{2}},
		{order: []int{7}, asked: []int{0}}, // there were more
	} {
		out := w.check(t.Context(), work.Task{Assignment: a, Ask: true, Order: is.order, Probe: is.probe})
		var asked []int
		failed := false
		for _, at := range out.Asked {
			asked, failed = append(asked, at.URL), at.Failure != nil
		}
		if !slices.Equal(asked, is.asked) || failed != is.failed || (out.Failure != nil) != is.failed {
			t.Errorf("%+v: %+v", is, out)
		}
	}
	task := work.Task{Assignment: a, Order: []int{0, 2}, Probe: true}
	if task.Host() != "third" {
		t.Errorf("a probe takes the share of %s", task.Host())
	}
}

// An upstream that answers says where it is; one that does not takes nothing back.
func TestWhereAnUpstreamIsIsKnown(t *testing.T) {
	up, w, a := simulate(t)
	check := func(ctx context.Context, moved string) *work.Moved {
		up.moved = moved
		w.check(ctx, work.Task{Assignment: a, Step: work.CheckUpstream, Ask: true})
		return w.Findings(a.ID).Moved
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	want := work.Moved{From: a.URLs[0], To: "https://new/r0"}
	if m := check(t.Context(), want.To); m == nil || *m != want {
		t.Errorf("moved: %+v", m)
	}
	if m := check(gone, ""); m == nil || *m != want {
		t.Errorf("after a check without an answer: %+v", m)
	}
	if m := check(t.Context(), ""); m != nil {
		t.Errorf("it is where it was: %+v", m)
	}
}
