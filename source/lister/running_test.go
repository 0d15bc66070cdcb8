package lister_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/forgereplay"
	"gitmirror/source/forge/client"
	"gitmirror/source/lister"
)

// says has the table hear something while listers run.
func (w *world) says(msg proto.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sure(msg)
}

// later has the log's time go on.
func (w *world) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// runs has a node list forges until the test ends.
func (w *world) runs(t *testing.T, self string, forges lister.Forges) {
	l := w.node(self, forges)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = l.RunForges(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

// slow is a forge that takes its time, and counts who asks it at once.
type slow struct {
	*asked
	takes  time.Duration
	frozen bool // who asks is not told that it is to stop

	mu     sync.Mutex
	inside int
	most   int
	two    time.Duration // how long there were two
	since  time.Time
	asks   int
}

func (s *slow) List(ctx context.Context, source string, ask client.Config) (*client.Result, error) {
	takes, frozen := s.move(+1)
	defer s.move(-1)
	if frozen { // it has its answer, and comes to use it late
		found, err := s.asked.List(context.WithoutCancel(ctx), source, ask)
		time.Sleep(takes)
		return found, err
	}
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return s.asked.List(ctx, source, ask)
}

func (s *slow) move(by int) (takes time.Duration, frozen bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inside > 1 {
		s.two += time.Since(s.since)
	}
	s.inside += by
	s.most = max(s.most, s.inside)
	s.since = time.Now()
	s.asks += max(by, 0)
	return s.takes, s.frozen
}

// However often a forge is wanted: it is listed once at a time, also where a listing takes longer than it is until the
// next; and another node that is to list it does not do so beside the one before for longer than that takes to hear of it.
func TestOneListingAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, a := newForgeWorld(t, "github", nil)
		a.Organisation("acme", repo(1, "one"), repo(2, "two"))
		s := &slow{asked: a, takes: 3 * time.Hour} // it is to be listed each hour
		w.runs(t, "a", s)
		w.runs(t, "b", s)
		for range 40 {
			time.Sleep(20 * time.Minute)
			w.later(20 * time.Minute)
			w.says(&command.SetSource{Id: "f", Again: w.forge().Again + 1})
		}
		if most, asks, _, _ := s.seen(); most != 1 || asks < 4 || asks > 6 {
			t.Errorf("%d at once, listed %d times in 13 hours", most, asks)
		}
		for i := range 6 {
			owner := []string{"b", "a"}[i%2]
			w.says(&command.OwnSource{Id: "f", Epoch: w.forge().Epoch, Owner: owner})
			time.Sleep(time.Minute)
		}
		if _, _, two, inside := s.seen(); two > 6*time.Second || inside != 1 {
			t.Errorf("there were two for %s, %d at last", two, inside)
		}
		// One that hears of nothing, and comes to an end after another has listed it: nothing of it counts.
		s.set(true, time.Hour)
		w.says(&command.OwnSource{Id: "f", Epoch: w.forge().Epoch, Owner: "b"})
		time.Sleep(time.Minute)
		s.set(false, time.Minute)
		w.says(&command.OwnSource{Id: "f", Epoch: w.forge().Epoch, Owner: "a"})
		time.Sleep(5 * time.Minute)
		before := w.forge().Listed.GetGeneration()
		time.Sleep(2 * time.Hour)
		if urls, _ := w.forged(); len(urls) != 2 || w.forge().Listed.GetGeneration() != before {
			t.Errorf("what came late counts: %v, listing %d, was %d", urls, w.forge().Listed.GetGeneration(), before)
		}
		// It is its own again by then, in another epoch: what it saw in the one before does not count either.
		s.set(true, time.Hour)
		w.says(&command.SetSource{Id: "f", Again: w.forge().Again + 1})
		time.Sleep(time.Minute)
		s.set(false, time.Hour)
		a.Organisation("acme", repo(1, "one"), repo(2, "two"), repo(3, "three"))
		for _, owner := range []string{"b", "a"} {
			w.says(&command.OwnSource{Id: "f", Epoch: w.forge().Epoch, Owner: owner})
			time.Sleep(time.Minute)
		}
		time.Sleep(time.Hour)
		if got := w.forge().Listed.GetGeneration(); got != before {
			t.Errorf("listing %d counts, was %d", got, before)
		}
		time.Sleep(2 * time.Hour)
		if urls, _ := w.forged(); len(urls) != 3 {
			t.Errorf("it is not listed any more: %v", urls)
		}
	})
}

func (s *slow) seen() (most, asks int, two time.Duration, inside int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most, s.asks, s.two, s.inside
}

func (s *slow) set(frozen bool, takes time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen, s.takes = frozen, takes
}

// late is a log to which the news of how far a listing has come take a while.
type late struct{ *world }

func (l late) Propose(ctx context.Context, msg proto.Message, id string) (*command.Outcome, error) {
	if list, is := msg.(*command.Listing); is && list.GetCourse() != nil {
		time.Sleep(time.Minute)
	}
	return l.world.Propose(ctx, msg, id)
}

// News of a listing that come late do not come after its end.
func TestAListingThatIsOverIsNotUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, a := newForgeWorld(t, "gitea", nil)
		a.Organisation("acme", repo(1, "one"))
		w.on = late{w}
		w.runs(t, "a", &slow{asked: a, takes: 10 * time.Second})
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if u := w.state.View().Underway(w.forge()); u != nil || w.forge().Listed.GetGeneration() != 1 {
			t.Errorf("%+v, %+v", u, w.forge().Listed)
		}
	})
}

// That a forge is asked in vain is told at once, with why, until it answers.
func TestWhatIsAskedInVainIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, a := newForgeWorld(t, "github", nil)
		a.Organisation("acme", repo(1, "one"))
		a.Fault(func(n int, _ *http.Request) http.HandlerFunc {
			if n == 1 {
				return forgereplay.Answer(502, "oh")
			}
			return nil
		})
		began := time.Now()
		w.runs(t, "a", a)
		until := func(is func(*fsm.Underway) bool) {
			for changed := w.state.Changed(); !is(w.state.View().Underway(w.forge())); changed = w.state.Changed() {
				select {
				case <-changed:
				case <-time.After(time.Minute):
					t.Fatalf("it is not told: %+v", w.forge())
				}
			}
		}
		until(func(u *fsm.Underway) bool { return u != nil && strings.Contains(u.Trouble, "answers 502") })
		if took := time.Since(began); took > time.Second {
			t.Errorf("it was told after %s", took)
		}
		until(func(u *fsm.Underway) bool { return u == nil && w.forge().Listed != nil })
		if urls, _ := w.forged(); len(urls) != 1 {
			t.Errorf("%q", urls)
		}
	})
}

// A forge whose limit is smaller than its listing is listed, and how far that has come is told.
func TestALimitThatIsSmallerThanTheListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, a := newForgeWorld(t, "github", nil)
		var all []forgereplay.Repo
		for i := range 75 {
			all = append(all, repo(int64(i+1), fmt.Sprintf("r%02d", i)))
		}
		a.Page = 10
		a.Organisation("acme", all...)
		a.Limit(3, 30*time.Minute)
		w.runs(t, "a", a)
		is := func() *fsm.Underway { synctest.Wait(); return w.state.View().Underway(w.forge()) }
		time.Sleep(time.Second) // that it waits is told at once
		if u := is(); u == nil || u.Pages != 3 || u.Found != 30 || u.By.ID != "a" || u.Until.Sub(w.forge().CourseAt).Round(time.Minute) != 30*time.Minute || w.forge().Failed != nil {
			t.Fatalf("%+v, %+v", u, w.forge())
		}
		for range 20 { // it is not told again while nothing is new
			w.later(time.Second)
			time.Sleep(20 * time.Second)
		}
		if w.batches > 2 {
			t.Errorf("%d entries of the log", w.batches)
		}
		// It is paused, and begins anew.
		w.says(&command.SetSource{Id: "f", Paused: proto.Bool(true)})
		time.Sleep(time.Minute)
		if is() != nil {
			t.Errorf("%+v", is())
		}
		w.says(&command.SetSource{Id: "f", Paused: proto.Bool(false)})
		time.Sleep(30 * time.Minute)
		w.later(30 * time.Minute)
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if urls, _ := w.forged(); len(urls) != 75 || is() != nil || w.forge().Error != "" {
			t.Errorf("%d claims, %+v, %q", len(urls), is(), w.forge().Error)
		}
		// What has gone is looked for once more, with the same limit.
		a.Organisation("acme", all[3:]...)
		w.later(time.Minute)
		w.says(&command.SetSource{Id: "f", Again: w.forge().Again + 1})
		for range 30 {
			time.Sleep(20 * time.Minute)
			w.later(20 * time.Minute)
		}
		synctest.Wait()
		if urls, _ := w.forged(); len(urls) != 72 {
			t.Errorf("%d claims, %q", len(urls), w.forge().Error)
		}
	})
}

// What is wanted of a forge is what is wanted when its listing ends.
func TestASelectionThatChangesWhileItIsListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, a := newForgeWorld(t, "gitea", nil)
		a.Organisation("acme", repo(1, "one"), repo(2, "two"))
		w.runs(t, "a", &slow{asked: a, takes: time.Hour})
		time.Sleep(time.Minute)
		w.says(&command.SetSource{Id: "f", Selection: &command.Selection{Match: "two"}})
		time.Sleep(90 * time.Minute)
		synctest.Wait()
		if urls, _ := w.forged(); len(urls) != 1 || urls["2"] == "" {
			t.Errorf("%v", urls)
		}
	})
}

// What moved to another account keeps its mirror also where that is listed later, and it was retired meanwhile.
func TestWhatIsInAnotherAccountThatIsListedLater(t *testing.T) {
	w, a := newForgeWorld(t, "github", nil)
	w.sure(&command.PutSource{Source: &command.NewSource{Id: "g", Name: "g", Owner: "a", Forge: &command.Forge{Kind: "github", Base: "https://h", Account: "tools"}}})
	a.Organisation("tools")
	var all, there []forgereplay.Repo
	for i := range 12 {
		if all = append(all, repo(int64(i+1), fmt.Sprintf("r%02d", i))); i < 4 {
			moved := all[i]
			moved.Owner, moved.Clone = "tools", strings.Replace(moved.Clone, "acme", "tools", 1)
			there = append(there, moved)
		}
	}
	a.Organisation("acme", all...)
	list := w.lists("a", a)
	list()
	_, rows := w.forged()
	before := w.state.View().Len()
	a.Organisation("acme", all[4:]...)
	w.sync()
	list()
	if urls, _ := w.forged(); len(urls) != 8 || w.state.View().Repo(rows["1"]).Sourced.RetiredAt().IsZero() {
		t.Fatalf("%v", urls)
	}
	there[3].Name, there[3].Clone = "renamed", "https://h/tools/renamed.git" // by whom it was given to
	a.Organisation("tools", there...)
	w.sure(&command.SetSource{Id: "g", Again: 1})
	list()
	v := w.state.View()
	for _, r := range there {
		row := v.RepoByName("h/tools/" + r.Name)
		if row == nil {
			row = v.RepoByURLKey(strings.TrimSuffix(strings.TrimPrefix(r.Clone, "https://"), ".git"))
		}
		if row == nil || row.ID != rows[strconv.FormatInt(r.ID, 10)] || !row.Sourced.RetiredAt().IsZero() || row.URLs()[0] != r.Clone {
			t.Errorf("%s is on %+v", r.Clone, row)
		}
	}
	if n := v.Len(); n != before {
		t.Errorf("there are %d rows, were %d", n, before)
	}
}

// What moved to another account that is followed is not lost here, also where nothing else is left.
func TestWhatIsInAnotherAccountIsNotHeld(t *testing.T) {
	w, a := newForgeWorld(t, "github", nil)
	w.sure(&command.PutSource{Source: &command.NewSource{Id: "g", Name: "g", Owner: "a", Forge: &command.Forge{Kind: "github", Base: "https://h", Account: "tools"}}})
	a.Organisation("tools")
	var all, there []forgereplay.Repo
	for i := range 12 {
		all = append(all, repo(int64(i+1), fmt.Sprintf("r%02d", i)))
		moved := all[i]
		moved.Owner, moved.Clone = "tools", strings.Replace(moved.Clone, "acme", "tools", 1)
		there = append(there, moved)
	}
	a.Organisation("acme", all...)
	list := w.lists("a", a)
	list()
	_, rows := w.forged()
	a.Organisation("acme")
	a.Organisation("tools", there...)
	w.sure(&command.SetSource{Id: "g", Again: 1})
	list()
	w.sync()
	list()
	if urls, _ := w.forged(); len(urls) != 0 || w.forge().Hold != nil || w.forge().Lost(w.now) != 0 {
		t.Errorf("%v, %+v", urls, w.forge())
	}
	v := w.state.View()
	v.Claims(v.SourceByID("g").Num, "", func(c *fsm.Claim) bool {
		if row := v.Repo(c.Repo); c.Repo != rows[number(c.Path)] || row.URLs()[0] != strings.Replace(c.URLs[0], "acme", "tools", 1) {
			t.Errorf("%s is on %s, was on %s", c.Path, c.Repo, rows[number(c.Path)])
		}
		return true
	})
	// And back, while one of them is really gone.
	a.Organisation("acme", all[1:]...)
	a.Organisation("tools")
	w.sync()
	list()
	w.sure(&command.SetSource{Id: "g", Again: 2})
	list()
	if g := w.state.View().SourceByID("g"); g.Hold.GetLost() != 1 || !slices.Equal(g.Hold.GetFirst(), []string{"tools/r00"}) {
		t.Errorf("%+v", g.Hold)
	}
}

// A credential that a node was given and cannot use is told, and another that has it lists the forge.
func TestACredentialThatCannotBeUsed(t *testing.T) {
	w, a := newForgeWorld(t, "github", nil)
	a.Organisation("acme", repo(1, "one"))
	a.cannot = []*command.Unusable{{Source: "f", Why: "it is empty"}}
	w.lists("a", a)()
	if why := w.state.View().NodeByID("a").CannotUse("f"); why != "it is empty" {
		t.Errorf("%q", why)
	}
	batches := w.batches
	list := w.lists("a", a)
	list()
	list()
	if len(a.Requests()) > 0 || w.batches != batches {
		t.Errorf("%d requests, told %d times more", len(a.Requests()), w.batches-batches)
	}
	a.has, a.cannot = []string{"f"}, nil
	list = w.lists("a", a)
	list()
	list()
	if len(a.Requests()) != 1 || w.state.View().NodeByID("a").CannotUse("f") != "" {
		t.Errorf("%d requests", len(a.Requests()))
	}
	// It goes while it is to be used: nobody is to blame but the file, and the table says so at the next look.
	broken := &unreadable{asked: a}
	w.sync()
	list = w.lists("a", broken)
	list()
	if src := w.forge(); src.Error != "" || src.Failed != nil {
		t.Errorf("%+v", src)
	}
}

type unreadable struct{ *asked }

func (*unreadable) List(context.Context, string, client.Config) (*client.Result, error) {
	return nil, errors.New("the token of f cannot be used: no such file")
}

// Submodules that may not go unasked go when a person says so: those that were shown.
func TestHeldSubmodulesGoWhenTheyAreApproved(t *testing.T) {
	w := newWorld(t)
	var many []string
	for i := range 12 {
		many = append(many, fmt.Sprint("h/m", i))
	}
	w.files["r"], w.modules["h/r"] = "url: https://h/r\nsubmodules: true", modules(many...)
	w.publish()
	on := func() string { return "a" }
	w.settle(t, on)
	w.modules["h/r"] = modules("h/m0")
	w.publishes(w.rowOf("h/r").ID)
	w.settle(t, on)
	is := func() *fsm.SourceHold { v := w.state.View(); return v.Hold(v.SourceByID("s")) }
	if h := is(); h == nil || h.Lost != 11 || len(h.First) != 11 || h.First[0] != "r > h/m1" || h.Approved || len(w.paths()) != 13 {
		t.Fatalf("%+v, %q", h, w.paths())
	}
	l := w.lister("a")
	l.LookBelow(t.Context())
	before := w.index
	l.LookBelow(t.Context())
	if w.index != before {
		t.Error("what is held is told again")
	}
	shown := is().Digest
	// Before somebody says so it is something else.
	w.modules["h/r"] = modules("h/m0", "h/m1")
	w.publishes(w.rowOf("h/r").ID)
	w.settle(t, on)
	w.do(&command.ApproveSource{Id: "s", Digest: shown})
	l.LookBelow(t.Context())
	if h := is(); h == nil || h.Lost != 10 || len(w.paths()) != 13 {
		t.Fatalf("%+v, %q", h, w.paths())
	}
	// It goes at once then, though it was looked at just now.
	l.LookSoon(t.Context())
	w.sure(&command.ApproveSource{Id: "s", Digest: is().Digest})
	l.LookSoon(t.Context())
	if got := w.paths(); is() != nil || !slices.Equal(got, []string{"r", "r > h/m0", "r > h/m1"}) || len(w.flawsBelow()) > 0 {
		t.Fatalf("%q, %+v, %v", got, is(), w.flawsBelow())
	}
	// As many others are others.
	var some []string
	for i := range 30 {
		some = append(some, fmt.Sprintf("h/n%02d", i))
	}
	w.modules["h/r"] = modules(append(some, "h/m0", "h/m1")...)
	w.publishes(w.rowOf("h/r").ID)
	w.settle(t, on)
	var digests []string
	for _, gone := range []int{11, 12} {
		w.modules["h/r"] = modules(slices.Concat(some[11:gone], some[gone+1:], []string{"h/m0", "h/m1"})...)
		w.publishes(w.rowOf("h/r").ID)
		w.settle(t, on)
		digests = append(digests, string(is().Digest))
	}
	if digests[0] == digests[1] {
		t.Error("what is held is told by its number alone")
	}
	w.modules["h/r"] = modules("h/m0", "h/m1")
	w.publishes(w.rowOf("h/r").ID)
	w.settle(t, on)
	w.sure(&command.ApproveSource{Id: "s", Digest: is().Digest})
	w.settle(t, on)
	// What is named again is not held any more.
	w.modules["h/r"] = modules(many...)
	w.publishes(w.rowOf("h/r").ID)
	w.settle(t, on)
	w.modules["h/r"] = ""
	w.publishes(w.rowOf("h/r").ID)
	w.settle(t, on)
	if is() == nil {
		t.Fatal("nothing is held")
	}
	w.modules["h/r"] = modules(many...)
	w.publishes(w.rowOf("h/r").ID)
	w.settle(t, on)
	if is() != nil || len(w.paths()) != 13 {
		t.Errorf("%+v, %q", is(), w.paths())
	}
}

// A forge that was set up anew gives one account the numbers of another: nothing went from one to the other.
func TestAccountsOfAForgeThatWasSetUpAnew(t *testing.T) {
	w, a := newForgeWorld(t, "gitlab", nil)
	w.sure(&command.PutSource{Source: &command.NewSource{Id: "g", Name: "g", Owner: "a", Forge: &command.Forge{Kind: "gitlab", Base: "https://h", Account: "tools"}}})
	has := func(account string, first int64, at time.Time) {
		var all []forgereplay.Repo
		for i, name := range []string{"docs", "www", "x"} {
			all = append(all, forgereplay.Repo{ID: first + int64(i), Made: at, Owner: account, Name: name, Clone: "https://h/" + account + "/" + name + ".git"})
		}
		a.Organisation(account, all...)
	}
	has("acme", 6001, forgereplay.SetUp)
	a.Organisation("tools")
	list := w.lists("a", a)
	list()
	_, rows := w.forged()
	has("tools", 6001, forgereplay.SetUp.Add(time.Hour))
	has("acme", 6004, forgereplay.SetUp.Add(time.Hour))
	w.sure(&command.SetSource{Id: "g", Again: 1})
	list()
	w.sync()
	list()
	v := w.state.View()
	for i, name := range []string{"docs", "www", "x"} {
		ours, theirs := v.RepoByName("h/acme/"+name), v.RepoByName("h/tools/"+name)
		if ours.ID != rows[fmt.Sprint(6001+i)] || theirs == nil || theirs.ID == ours.ID || theirs.URLs()[0] != "https://h/tools/"+name+".git" || ours.URLs()[0] != "https://h/acme/"+name+".git" {
			t.Errorf("%s: %+v, %+v", name, ours, theirs)
		}
	}
	if src := w.forge(); src.Hold != nil || src.Listed.GetFlawsTotal() != 0 || src.Lost(w.now) != 0 {
		t.Errorf("%+v", src)
	}
}
