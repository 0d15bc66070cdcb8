package lister_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/giturl"
	"gitmirror/internal/refusal"
	"gitmirror/source"
	"gitmirror/source/index"
	"gitmirror/source/lister"
)

// world is a table with the source "s", whose index is files in memory, on the nodes a and b.
type world struct {
	t       rapid.TB
	state   *fsm.State
	index   uint64
	now     time.Time
	files   map[string]string
	shown   uint64 // generation of files
	fails   error  // of what reads the index
	ids     int
	modules map[string]string // what .gitmodules has, by the upstream's key
	reads   int               // of the index
	asked   int               // how often upstreams were
	strange bool              // upstreams show something else than what is published
	slow    chan struct{}     // upstreams answer when it is closed; nil: at once
	comes   func()            // is done when they are asked the next time
	mu      sync.Mutex        // of what proposes
	left    int               // proposals until the process dies that makes them; below 0: it does not
	batches int
	on      lister.Proposer // in its place; nil for itself
}

func (w *world) log() lister.Proposer {
	if w.on != nil {
		return w.on
	}
	return w
}

func newWorld(t rapid.TB) *world {
	w := &world{t: t, state: fsm.New(), now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), files: map[string]string{}, modules: map[string]string{}, left: -1}
	w.do(&command.FoundCluster{ClusterId: "c", Format: fsm.Format})
	for _, id := range []string{"a", "b"} {
		w.do(&command.PutNode{Node: &command.Node{Id: id, Name: id, Format: fsm.Format}})
	}
	w.do(w.aSource())
	return w
}

// aSource is the one there is.
func (w *world) aSource() *command.PutSource {
	return &command.PutSource{Source: &command.NewSource{Id: "s", Name: "s", Namespace: "ns", Index: &command.NewRepo{
		Id: "index", Name: "h/index", Urls: []string{"https://h/index"}, UrlKeys: []string{"h/index"}, Copies: []string{"a", "b"}, Owner: "a"}}}
}

func (w *world) do(msg proto.Message) *command.Outcome {
	w.t.Helper()
	w.index++
	w.now = w.now.Add(time.Second)
	data, err := fsm.Encode(msg, "", w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	r := w.state.Apply(w.index, data)
	if r.Err != nil {
		w.t.Fatal(r.Err)
	}
	return r.Outcome
}

// sure is do, and that it is done.
func (w *world) sure(msg proto.Message) {
	w.t.Helper()
	if err := fsm.AsError(w.do(msg)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) row() *fsm.Repo { return w.state.View().Repo("index") }

// publish has the files be the index's next generation.
func (w *world) publish() {
	w.shown = w.row().Generation + 1
	w.publishes("index")
}

// publishes has a row's owner publish its next generation.
func (w *world) publishes(id string) {
	w.t.Helper()
	row := w.state.View().Repo(id)
	next := row.Generation + 1
	digest := make([]byte, 20)
	digest[0] = byte(next)
	w.sure(&command.Publish{Repo: id, Node: w.state.View().Node(row.Owner).ID, Epoch: row.Epoch, FromGeneration: row.Generation, Generation: next,
		Candidate: fmt.Sprint(next), Digest: digest, RefsDigest: digest, Baseline: row.Generation == 0})
}

var errDied = errors.New("the process has died")

// Propose implements lister.Proposer.
func (w *world) Propose(_ context.Context, msg proto.Message, _ string) (*command.Outcome, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left == 0 {
		return nil, errDied
	}
	w.left--
	w.batches++
	return w.do(msg), nil
}

// Index implements lister.Indexes.
func (w *world) Index(repo string, generation uint64, _ string) (index.Tree, func(), error) {
	w.reads++
	if w.fails != nil {
		return nil, nil, w.fails
	}
	if repo != "index" || generation != w.shown {
		w.t.Errorf("generation %d of %s is read, %d is there", generation, repo, w.shown)
	}
	return files(w.files), func() {}, nil
}

// File implements lister.Indexes.
func (w *world) File(repo string, generation uint64, name string, most int64) (string, []byte, error) {
	row := w.state.View().Repo(repo)
	if row == nil || row.Generation != generation || name != ".gitmodules" {
		w.t.Errorf("%s of generation %d of %s is read", name, generation, repo)
	}
	u, err := giturl.Parse(row.URLs()[0])
	if err != nil {
		w.t.Fatal(err)
	}
	w.reads++
	data := w.modules[u.Key()]
	switch {
	case w.fails != nil:
		return "", nil, w.fails
	case data == "":
		return "", nil, nil
	case int64(len(data)) > most:
		return data[:10], nil, nil
	}
	return data, []byte(data), nil
}

// Sync implements lister.Indexes.
func (w *world) Sync(_ context.Context, repo string) (well bool, err error) {
	if w.slow != nil {
		<-w.slow
	}
	if w.asked++; w.comes != nil {
		w.comes()
		w.comes = nil
	}
	return !w.strange, nil
}

type files map[string]string

func (f files) Files() iter.Seq2[index.File, error] {
	return func(yield func(index.File, error) bool) {
		for path, data := range f {
			if !yield(index.File{Path: path, ID: data, Size: int64(len(data))}, nil) {
				return
			}
		}
	}
}

func (f files) Read(file index.File) ([]byte, error) { return []byte(f[file.Path]), nil }

func (w *world) lister(self string) *lister.Lister {
	return lister.New(lister.Config{Self: self, State: w.state, Proposer: w, Indexes: w, Log: slog.New(slog.DiscardHandler), NewID: func() string { w.ids++; return fmt.Sprintf("id%06d", w.ids) }})
}

// denied is a lister on whose network nothing bad is asked.
func (w *world) denied(self string) *lister.Lister {
	return lister.New(lister.Config{Self: self, State: w.state, Proposer: w, Indexes: w, Log: slog.New(slog.DiscardHandler), NewID: func() string { w.ids++; return fmt.Sprintf("id%06d", w.ids) },
		Deny: func(url string) error {
			if strings.Contains(url, "bad") {
				return refusal.New(refusal.AddressDenied, "it is ours")
			}
			return nil
		}})
}

// claims are the first urls of what the source claims, by path.
func (w *world) claims() map[string]string {
	view, out := w.state.View(), map[string]string{}
	view.Claims(view.SourceByID("s").Num, "\x00", func(c *fsm.Claim) bool {
		out[c.Path] = c.URLs[0]
		row := view.Repo(c.Repo)
		if row == nil || row.Removed || row.URLs()[0] != c.URLs[0] || view.RepoByName("ns/"+c.Path) != row || row.Policy.Replicas != max(c.Asks.Replicas, 2) {
			w.t.Errorf("%s is claimed by %+v", c.Repo, c)
		}
		return true
	})
	return out
}

// Whatever is done to an index, and whoever dies while it is read: in the end the claims are what its
// files say, computed anew each time by this test; but what was held back, and what a file had that
// cannot be understood.
func TestClaimsFollowTheIndex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		var paths []string
		for i := range 30 {
			paths = append(paths, fmt.Sprintf("d%d/r%02d", i%3, i))
		}
		url := func() string { return fmt.Sprintf("https://h/u%d", rapid.IntRange(0, 25).Draw(t, "url")) }
		want := map[string]string{} // the claims, by path
		from := map[string]string{} // the file that has them
		self := "a"
		l := w.lister(self)
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			for range rapid.IntRange(1, 12).Draw(t, "edits") {
				path := rapid.SampledFrom(paths).Draw(t, "path")
				switch rapid.SampledFrom([]string{"set", "set", "set", "drop", "bad", "move", "list", "empty"}).Draw(t, "edit") {
				case "set":
					w.files[path] = "url: " + url()
				case "drop":
					delete(w.files, path)
				case "bad":
					w.files[path] = "url: ["
				case "move":
					if data, there := w.files[path]; there {
						delete(w.files, path)
						w.files[rapid.SampledFrom(paths).Draw(t, "to")] = data
					}
				case "list":
					w.files["many.txt"] = url() + "\n" + url() + "\n"
				case "empty":
					if rapid.IntRange(0, 3).Draw(t, "really") == 0 {
						clear(w.files)
					}
				}
			}
			w.publish()
			// The one that owns it may die after any proposal, and another goes on.
			for range 20 {
				w.left = rapid.SampledFrom([]int{-1, -1, 0, 1, 2}).Draw(t, "left")
				l.Look(t.Context())
				view := w.state.View()
				if !view.SourceByID("s").Wants(w.row()) {
					break
				}
				self = map[string]string{"a": "b", "b": "a"}[self]
				w.sure(&command.AssignOwners{Rows: []*command.Ownership{{Repo: "index", Epoch: w.row().Epoch, Owner: self}}})
				l = w.lister(self)
			}
			w.left = -1
			l.Look(t.Context())
			src := w.state.View().SourceByID("s")
			if src.Wants(w.row()) {
				t.Fatalf("it still wants to be read: %+v", src)
			}
			if src.Hold != nil && rapid.Bool().Draw(t, "approve") {
				w.sure(&command.ApproveSource{Id: "s", Digest: src.Hold.Digest})
				l.Look(t.Context())
				if src = w.state.View().SourceByID("s"); src.Hold != nil || src.Wants(w.row()) {
					t.Fatalf("what was approved is held: %+v", src)
				}
			}
			// The model.
			listed, file, bad := map[string]string{}, map[string]string{}, map[string]bool{}

			for _, f := range slices.Sorted(maps.Keys(w.files)) {
				switch u, single := strings.CutPrefix(w.files[f], "url: "); {
				case u == "[":
					bad[f] = true
				case single:
					listed[f], file[f] = u, f
				default:
					for u := range strings.Lines(w.files[f]) {
						u = strings.TrimSpace(u)
						listed[u[8:]], file[u[8:]] = u, f
					}
				}
			}
			got := w.claims()
			again := map[string]bool{} // what is there under another path than before
			for path, u := range listed {
				if want[path] != u {
					again[u] = true
				}
			}
			for path := range want {
				if _, there := listed[path]; !there && src.Hold != nil && again[want[path]] && got[path] == "" {
					continue // that is no loss, and not held
				}
				if u, there := listed[path]; there && src.Hold != nil && u != want[path] && got[path] == want[path] {
					listed[path] = want[path] // it, or another, would leave its row to nobody
				}
				if _, there := listed[path]; !there && (bad[from[path]] || src.Hold != nil) {
					listed[path], file[path] = want[path], from[path]
				}
			}
			want, from = listed, file
			if !maps.Equal(got, want) {
				t.Fatalf("claimed are %v, want %v; flaws %v, hold %v", got, want, src.Listed.GetFlaws(), src.Hold)
			}
			if rapid.IntRange(0, 3).Draw(t, "wait") == 0 {
				w.now = w.now.Add(25 * time.Hour)
			}
		}
	})
}

func TestTooMuchAtOnceIsHeld(t *testing.T) {
	w := newWorld(t)
	for i := range 40 {
		w.files[fmt.Sprint("r", i)] = fmt.Sprint("url: https://h/", i)
	}
	w.publish()
	l := w.lister("a")
	l.Look(t.Context())
	clear(w.files)
	w.publish()
	l.Look(t.Context())
	src := w.state.View().SourceByID("s")
	if src.Hold.GetLost() != 40 || len(src.Hold.GetFirst()) != 40 || len(w.claims()) != 40 {
		t.Fatalf("%+v, %d claims", src, len(w.claims()))
	}
	// It is said once, however often it is read.
	events := len(w.state.View().Events(0))
	w.sure(&command.SetSource{Id: "s", Again: 1})
	l.Look(t.Context())
	if got := len(w.state.View().Events(0)); got != events {
		t.Errorf("%d events more", got-events)
	}
}

func TestAFailureIsSaidOnce(t *testing.T) {
	w := newWorld(t)
	w.files["r"] = "url: https://h/r"
	w.publish()
	w.fails = errors.New("no such ref: refs/heads/none")
	l := w.lister("a")
	next := l.Look(t.Context())
	src := w.state.View().SourceByID("s")
	if src.Error != w.fails.Error() || next <= 0 || w.batches != 1 {
		t.Errorf("%q, again in %s, %d proposals", src.Error, next, w.batches)
	}
	w.reads = 0
	l.Look(t.Context()) // it rests
	if w.batches != 1 || w.reads != 0 {
		t.Errorf("%d proposals", w.batches)
	}
	again := w.lister("a")
	again.Look(t.Context()) // it has been said
	if w.batches != 1 {
		t.Errorf("%d proposals", w.batches)
	}
	// What is so in a moment is not said.
	w.fails = lister.ErrNotYet
	w.lister("a").Look(t.Context())
	w.fails = nil
	w.lister("b").Look(t.Context()) // it is not for b to read
	if src := w.state.View().SourceByID("s"); w.batches != 1 || src.Error == "" {
		t.Errorf("%d proposals, %+v", w.batches, src)
	}
	w.lister("a").Look(t.Context())
	if src := w.state.View().SourceByID("s"); src.Error != "" || len(w.claims()) != 1 {
		t.Errorf("%+v", src)
	}
}

// Whoever mends what could not be read, or looks elsewhere, does not wait for the next try; and what is wrong by then
// is said.
func TestWhatIsMendedIsReadAtOnce(t *testing.T) {
	w := newWorld(t)
	w.publish()
	l := w.lister("a")
	broken := func(why string) {
		t.Helper()
		w.fails, w.reads = errors.New(why), 0
		l.Look(t.Context())
		if src := w.state.View().SourceByID("s"); w.reads != 1 || src.Error != why {
			t.Fatalf("read %d times: %q, want %q", w.reads, src.Error, why)
		}
		if l.Look(t.Context()); w.reads != 1 {
			t.Errorf("%s: it does not rest", why)
		}
	}
	ref, path := "main", "l"
	broken("it is deep")
	w.publish()
	broken("the next generation")
	w.sure(&command.SetSource{Id: "s", Ref: &ref})
	broken("another ref")
	w.sure(&command.SetSource{Id: "s", Path: &path})
	broken("another folder")
	w.sure(&command.SetSource{Id: "s", Again: 1})
	broken("somebody asks")
	if w.asked != 1 { // though it was never listed
		t.Errorf("its upstream was asked %d times", w.asked)
	}
	w.files["l/r"], w.fails = "url: https://h/r", nil
	w.publish()
	l.Look(t.Context())
	if src := w.state.View().SourceByID("s"); src.Error != "" || src.Wants(w.row()) {
		t.Errorf("%+v", src)
	}
}

func TestWhatTheTableRefusesIsAFlaw(t *testing.T) {
	w := newWorld(t)
	w.sure(&command.AddRepos{Repos: []*command.NewRepo{{Id: "x", Name: "ns/taken", Urls: []string{"https://other/x"}, UrlKeys: []string{"other/x"}}}})
	w.files["taken"], w.files["good"] = "url: https://h/taken", "url: https://h/good"
	w.publish()
	w.lister("a").Look(t.Context())
	src := w.state.View().SourceByID("s")
	if flaws := src.Listed.GetFlaws(); len(flaws) != 1 || flaws[0].GetFile() != "taken" || !strings.Contains(flaws[0].GetWhy(), "there is a repo ns/taken already") || src.Listed.GetAdded() != 1 {
		t.Errorf("%+v", src.Listed)
	}
	if got := w.claims(); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

// A rename whose new name is refused takes nothing away, and is made when the name is free.
func TestARenameThatIsRefused(t *testing.T) {
	w := newWorld(t)
	for i := range 8 {
		w.files[fmt.Sprint("r", i)] = fmt.Sprint("url: https://h/", i)
		w.sure(&command.AddRepos{Repos: []*command.NewRepo{{Id: fmt.Sprint("x", i), Name: fmt.Sprint("ns/new", i), Urls: []string{fmt.Sprint("https://other/", i)}, UrlKeys: []string{fmt.Sprint("other/", i)}}}})
	}
	w.publish()
	l := w.lister("a")
	l.Look(t.Context())
	clear(w.files)
	for i := range 8 {
		w.files[fmt.Sprint("new", i)] = fmt.Sprint("url: https://h/", i)
	}
	w.publish()
	l.Look(t.Context())
	src := w.state.View().SourceByID("s")
	if src.Hold != nil || len(w.claims()) != 8 || src.Listed.GetKept() != 8 || src.Listed.GetFlawsTotal() != 8 || src.Wants(w.row()) {
		t.Fatalf("%+v", src)
	}
	was := w.rowAt("r3").ID
	for i := range 8 {
		w.sure(&command.RemoveRepos{Ids: []string{fmt.Sprint("x", i)}})
	}
	l.Look(t.Context())
	if src := w.state.View().SourceByID("s"); src.Hold != nil || len(w.claims()) != 8 || src.Listed.GetFlawsTotal() != 0 || w.rowAt("new3").ID != was {
		t.Errorf("%+v, %v", src, w.claims())
	}
}

func TestAddressesThatAreDeniedAreFlaws(t *testing.T) {
	w := newWorld(t)
	w.files["bad"], w.files["good"] = "url: [https://h/a, https://bad/a]", "url: https://h/b"
	w.publish()
	l := w.denied("a")
	l.Look(t.Context())
	src := w.state.View().SourceByID("s")
	if flaws := src.Listed.GetFlaws(); len(flaws) != 1 || flaws[0].GetFile() != "bad" || len(w.claims()) != 1 {
		t.Errorf("%+v, %v", src.Listed, w.claims())
	}
	// What is denied by now stays as it was, also in another file, and with it whatever its file had and has no more.
	w.files["a.yaml"], w.files["p"], w.files["zz"] = "[{url: https://h/c, name: c}, {url: https://h/d, name: d}]", "url: https://h/p", "url: https://h/zz"
	w.publish()
	l.Look(t.Context())
	had := w.claims()
	delete(w.files, "p")
	w.files["a.yaml"], w.files["q.yaml"], w.files["zz"] = "[{url: https://bad/c, name: c}]", "[{url: https://bad/p, name: p}]", "url: ["
	w.publish()
	l.Look(t.Context())
	if src = w.state.View().SourceByID("s"); len(had) != 5 || !maps.Equal(had, w.claims()) || src.Listed.GetFlawsTotal() != 4 {
		t.Errorf("%v, were %v, %+v", w.claims(), had, src.Listed)
	}
}

// large is an index of 100,000 entries in 100 files.
func large() map[string]string {
	all := map[string]string{}
	for f := range 100 {
		var b strings.Builder
		for i := range 1000 {
			fmt.Fprintf(&b, "- url: https://github.com/acme%02d/repo%04d\n  name: acme%02d/repo%04d\n", f, i, f, i)
		}
		all[fmt.Sprintf("f%02d.yaml", f)] = b.String()
	}
	return all
}

func BenchmarkFirstLoad(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		w := newWorld(b)
		w.files = large()
		w.publish()
		l := w.lister("a")
		b.StartTimer()
		l.Look(b.Context())
		if n := w.state.View().ClaimsLen(1); n != 100_000 {
			b.Fatalf("%d claims", n)
		}
	}
}

func BenchmarkOneLine(b *testing.B) {
	w := newWorld(b)
	w.files = large()
	w.publish()
	l := w.lister("a")
	l.Look(b.Context())
	n := 0
	for b.Loop() {
		b.StopTimer()
		n++
		w.files["f50.yaml"] = strings.Replace(large()["f50.yaml"], "acme50/repo0500\n", fmt.Sprintf("acme50/other%d\n", n), 1)
		w.publish()
		b.StartTimer()
		l.Look(b.Context())
		if src := w.state.View().SourceByID("s"); src.Listed.GetChanged()+src.Listed.GetAdded() == 0 {
			b.Fatalf("%+v", src.Listed)
		}
	}
}

// What changes for all entries, and what changes for none though all files are read again.
func BenchmarkDefaults(b *testing.B) {
	for _, key := range []string{"replicas: 3\n#", "x"} {
		b.Run(key[:1], func(b *testing.B) {
			w := newWorld(b)
			w.files = large()
			w.publish()
			l := w.lister("a")
			l.Look(b.Context())
			n := 0
			for b.Loop() {
				b.StopTimer()
				n++
				w.files["DEFAULTS"] = fmt.Sprintf("%s%d: a\n", key, n)
				if n%2 == 0 && key != "x" {
					w.files["DEFAULTS"] = "replicas: 2"
				}
				w.publish()
				b.StartTimer()
				l.Look(b.Context())
			}
		})
	}
}

// A name, or an address, that another row gives up goes to who was refused it, though nothing of the
// index has changed.
func TestWhatWasRefusedIsTriedWhenItIsFree(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"name", "url"} {
		w.sure(&command.AddRepos{Repos: []*command.NewRepo{{Id: "x" + name, Name: "ns/" + name, Urls: []string{"https://other/" + name, "https://h/" + name + "2"}, UrlKeys: []string{"other/" + name, "h/" + name + "2"}}}})
	}
	w.files["name"], w.files["other"] = "url: https://h/n", "url: [https://h/o, https://h/url2]"
	w.publish()
	l := w.lister("a")
	l.Look(t.Context())
	src := w.state.View().SourceByID("s")
	if got := w.claims(); len(got) != 0 || src.Listed.GetFlawsTotal() != 2 || src.Listed.GetFlaws()[0].GetTry() != "rename the file, or give the entry another name" {
		t.Fatalf("%v, %+v", got, src.Listed)
	}
	quiet := func() {
		t.Helper()
		before := w.batches
		if l.Look(t.Context()); w.batches != before {
			t.Errorf("%d proposals though nothing is free", w.batches-before)
		}
	}
	quiet()
	w.sure(&command.RemoveRepos{Ids: []string{"xname"}})
	l.Look(t.Context())
	if got := w.claims(); !maps.Equal(got, map[string]string{"name": "https://h/n"}) {
		t.Errorf("%v", got)
	}
	quiet()
	// Of what another source gives up the name is free at once, though it is served for a while.
	w.sure(&command.PutSource{Source: &command.NewSource{Id: "o", Name: "o", Namespace: "ns", Index: &command.NewRepo{Id: "o-index", Name: "h/o-index", Urls: []string{"https://h/o-index"}, UrlKeys: []string{"h/o-index"}, Copies: []string{"a"}, Owner: "a"}}})
	o := &command.Listing{Source: "o", Node: "a", Epoch: w.state.View().Repo("o-index").Epoch}
	o.Put = []*command.Entry{{Path: "late", Hash: make([]byte, 16), Repo: &command.NewRepo{Id: "late", Name: "ns/late", Urls: []string{"https://h/l1"}, UrlKeys: []string{"h/l1"}}}}
	w.sure(o)
	w.files["late"] = "url: https://h/l2"
	w.publish()
	l.Look(t.Context())
	quiet()
	o.Put, o.Take = nil, []string{"late"}
	w.sure(o)
	l.Look(t.Context())
	if got := w.claims(); got["late"] != "https://h/l2" {
		t.Errorf("%v", got)
	}
	delete(w.files, "late")
	w.publish()
	l.Look(t.Context())
	quiet()
	l = w.lister("a") // one that has not seen what was in the way
	l.Look(t.Context())
	quiet()
	w.sure(&command.RemoveRepos{Ids: []string{"xurl"}})
	l.Look(t.Context())
	if got := w.claims(); len(got) != 2 {
		t.Errorf("%v", got)
	}
	if src := w.state.View().SourceByID("s"); src.Listed.GetFlawsTotal() != 0 {
		t.Errorf("%+v", src.Listed)
	}
	quiet()
}

// That an index is to be asked is not forgotten, whoever owns it when it is.
func TestWhoIsToAskIsWhoOwns(t *testing.T) {
	w := newWorld(t)
	w.files["r"] = "url: https://h/r"
	w.publish()
	w.lister("a").Look(t.Context())
	w.sure(&command.SetSource{Id: "s", Again: 1})
	w.sure(&command.AssignOwners{Rows: []*command.Ownership{{Repo: "index", Epoch: w.row().Epoch, Owner: "b"}}})
	w.lister("a").Look(t.Context())
	if w.asked != 0 {
		t.Error("who does not own it asks")
	}
	w.comes = func() {
		w.files["new"] = "url: https://h/new"
		w.publish()
	}
	l := w.lister("b")
	w.slow = make(chan struct{})
	before := w.batches
	if l.LookOnce(t.Context()); w.batches != before {
		t.Error("it is listed before its upstream has answered")
	}
	close(w.slow)
	l.Look(t.Context())
	l.Look(t.Context())
	if got := w.claims(); w.asked != 1 || len(got) != 2 {
		t.Errorf("asked %d times: %v", w.asked, got)
	}
	w.sure(&command.SetSource{Id: "s", Again: 2})
	if l.Look(t.Context()); w.asked != 2 {
		t.Errorf("asked %d times", w.asked)
	}
}

// Entries that say much go in batches that the log takes.
func TestABatchFitsIntoTheLog(t *testing.T) {
	w := newWorld(t)
	for i := range 300 {
		w.files[fmt.Sprintf("r%03d", i)] = fmt.Sprintf("url: https://h/r%d\nnote: %s\n", i, strings.Repeat("x", 3000))
	}
	w.publish()
	w.lister("a").Look(t.Context())
	if got := w.claims(); len(got) != 300 {
		t.Errorf("%d claims of 300; %+v", len(got), w.state.View().SourceByID("s"))
	}
}

// An entry that is larger than a batch is a flaw of its own, and holds up no other. No index can say so much by now.
func TestAnEntryThatNoBatchTakes(t *testing.T) {
	w := newWorld(t)
	w.publish()
	entry := func(path, label string) source.Entry {
		return source.Entry{Path: path, File: path, URLs: []string{"https://h/" + path}, Keys: []string{"h/" + path}, Asks: source.Asks{Labels: map[string]string{"team": label}}}
	}
	if err := w.lister("a").Bring(t.Context(), "s", &source.Listing{Entries: []source.Entry{entry("large", strings.Repeat("x", 300<<10)), entry("small", "x")}}); err != nil {
		t.Fatal(err)
	}
	src := w.state.View().SourceByID("s")
	if src.Error != "" || src.Listed.GetAdded() != 1 || src.Listed.GetFlawsTotal() != 1 || !strings.Contains(src.Listed.GetFlaws()[0].GetWhy(), "bytes, more than") {
		t.Errorf("%q, %v", src.Error, src.Listed)
	}
}
