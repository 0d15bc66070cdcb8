package maintain

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/internal/clock"
	"gitmirror/internal/testlog"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/space"
	"gitmirror/mirror/store"
)

// ward is a node whose copies have no objects to speak of, in a bubble.
type ward struct {
	*Maintainer
	t       *testing.T
	packs   map[string]int // that each copy has
	verdict Verdict
	busy    atomic.Bool
	took    time.Duration // by each job

	mu   sync.Mutex
	done []string // job and copy
}

func newWard(t *testing.T, copies int) *ward {
	t.Helper()
	w := &ward{t: t, packs: map[string]int{}, verdict: Whole, took: time.Minute}
	s, err := store.Open(store.Config{Dir: t.TempDir(), StartID: "run", Log: testlog.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	w.Maintainer = New(Config{
		Clock: clock.System, Store: s, Objects: light{w}, Copies: w, Space: space.New(nil, t.TempDir(), 0, nil), Busy: w.busy.Load, Meter: new(failing),
		Random: func() float64 { return 0 }, Log: testlog.New(t),
	})
	for i := range copies {
		w.copy(i)
	}
	return w
}

// copy makes another copy.
func (w *ward) copy(i int) {
	w.t.Helper()
	r, err := w.cfg.Store.Ensure(fmt.Sprintf("REPO%d", i), fmt.Sprintf("r%d", i))
	if err != nil {
		w.t.Fatal(err)
	}
	table := &refs.Table{Generation: 1, Candidate: "c", Refs: []refs.Ref{{Name: "refs/heads/main", OID: strings.Repeat("a", 40)}}}
	if err := r.Prepare(table, nil); err != nil {
		w.t.Fatal(err)
	}
	if ok, err := r.Activate(1, table.Digest()); !ok || err != nil {
		w.t.Fatal(ok, err)
	}
}

func (w *ward) note(ctx context.Context, job Job, dir string) {
	if clock.Sleep(ctx, clock.System, w.took) != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = append(w.done, string(job)+" "+strings.TrimSuffix(filepath.Base(dir), ".git"))
}

// times counts what was done.
func (w *ward) times(what string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.done {
		if d == what {
			n++
		}
	}
	return n
}

func (w *ward) Read(ctx context.Context, r *store.Repo) Verdict {
	w.note(ctx, Read, r.Dir())
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.verdict
}

func (w *ward) Check(ctx context.Context, r *store.Repo) Verdict {
	w.note(ctx, Check, r.Dir())
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.verdict
}

func (w *ward) Suspect(*store.Repo, error) {}

// light are objects of which nothing is known.
type light struct{ *ward }

func (light) Count(string, string) (int, error)                               { return 1, nil }
func (light) Mapped(string) ([]string, error)                                 { return nil, nil }
func (light) Map(context.Context, string, string, Map) error                  { return nil }
func (light) Used(context.Context, string, []string) (int64, error)           { return 0, nil }
func (light) Connected(context.Context, string, []string, []string) error     { return nil }
func (l light) Gather(_ context.Context, st *store.Staging, _ []string) error { return nil }
func (l light) Join(ctx context.Context, st *store.Staging, dir string, _, _ []string) error {
	l.note(ctx, Join, dir)
	return nil
}

// Every copy that was here at the start is read then, and each once a day: one that
// is made later was read when it was made.
func TestEveryCopyIsReadOnceADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newWard(t, 3)
		go w.Run(ctx)
		counts := func(want ...int) {
			t.Helper()
			for i, n := range want {
				if got := w.times(fmt.Sprintf("read REPO%d", i)); got != n {
					t.Errorf("copy %d was read %d times, want %d", i, got, n)
				}
			}
		}
		time.Sleep(4*time.Minute + time.Second) // two are read, and after each there was a rest
		if w.times("read REPO0")+w.times("read REPO1")+w.times("read REPO2") != 2 {
			t.Errorf("done within four minutes: %v, want two to be read", w.done)
		}
		time.Sleep(6 * time.Minute)
		w.copy(3)
		counts(1, 1, 1, 0)
		time.Sleep(23 * time.Hour)
		counts(1, 1, 1, 0)
		time.Sleep(2 * time.Hour)
		counts(2, 2, 2, 1)
		cancel()
		synctest.Wait()
	})
}

// Each copy is checked within thirty days, and not all of them in one.
func TestEveryCopyIsCheckedOnceAMonth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newWard(t, 0)
		next := 0.0
		w.cfg.Random = func() float64 { next += 0.1; return next - float64(int(next)) }
		for i := range 5 {
			w.copy(i)
		}
		go w.Run(ctx)
		all := func() (n int) {
			for i := range 5 {
				n += w.times(fmt.Sprintf("check REPO%d", i))
			}
			return n
		}
		most := 0
		for range 31 {
			before := all()
			time.Sleep(24 * time.Hour)
			most = max(most, all()-before)
		}
		for i := range 5 {
			if n := w.times(fmt.Sprintf("check REPO%d", i)); n < 1 || n > 3 {
				t.Errorf("copy %d was checked %d times in a month", i, n)
			}
		}
		if most > 2 {
			t.Errorf("%d of five copies were checked in one day", most)
		}
		cancel()
		synctest.Wait()
	})
}

// A test that came to nothing is made again soon, later and later, and nothing is found whole
// by it.
func TestATestThatCameToNothingIsMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newWard(t, 1)
		w.verdict = Unknown
		go w.Run(ctx)
		time.Sleep(45 * time.Minute)
		synctest.Wait()
		if n := w.times("read REPO0"); n != 3 {
			t.Errorf("%d tests in three quarters of an hour, want three: %v", n, w.done)
		}
		if read := w.Status("REPO0").Read; !read.IsZero() {
			t.Errorf("it was found whole at %s", read)
		}
		w.mu.Lock()
		w.verdict = Whole
		w.mu.Unlock()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if n := w.times("read REPO0"); n != 4 || w.Status("REPO0").Read.IsZero() {
			t.Errorf("%d tests, %+v", n, w.Status("REPO0"))
		}
		cancel()
		synctest.Wait()
	})
}

// Nothing is begun while clients wait, and nothing that makes files while the disk is nearly
// full.
func TestOthersComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newWard(t, 1)
		w.took = 0
		w.busy.Store(true)
		full := space.New(nil, t.TempDir(), 100, nil)
		w.cfg.Space = full
		go func() { _ = full.Run(ctx) }()
		go w.Run(ctx)
		time.Sleep(time.Hour)
		if full.Now().State == space.Well {
			t.Fatal("the disk is well")
		}
		if w.Ask("REPO0", Gather); len(w.done) > 0 {
			t.Errorf("done while clients wait: %v", w.done)
		}
		w.busy.Store(false)
		time.Sleep(time.Hour)
		synctest.Wait()
		slices.Sort(w.done)
		if !slices.Equal(w.done, []string{"check REPO0", "read REPO0"}) || !slices.Equal(w.Status("REPO0").Wanted, []Job{Gather}) {
			t.Errorf("done on a full disk: %v; wanted %v", w.done, w.Status("REPO0").Wanted)
		}
		cancel()
		synctest.Wait()
	})
}

// What somebody asks for comes at once, and before what is due.
func TestWhatIsAskedForComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newWard(t, 3)
		go w.Run(ctx)
		time.Sleep(time.Second)
		if !w.Ask("REPO2", Check, Read) || w.Ask("NONE", Read) {
			t.Error("it is not known what is here")
		}
		if s := w.Status("REPO2"); !slices.Equal(s.Wanted, []Job{Check, Read}) {
			t.Errorf("%+v", s)
		}
		time.Sleep(3*time.Minute + time.Second)
		synctest.Wait()
		if len(w.done) < 3 || w.done[1] != "check REPO2" || w.done[2] != "read REPO2" {
			t.Errorf("done: %v", w.done)
		}
		if s := w.Status("REPO2"); len(s.Wanted) > 0 || s.Checked.IsZero() || s.Read.IsZero() {
			t.Errorf("%+v", s)
		}
		cancel()
		synctest.Wait()
	})
}

// A copy at which nobody can be waited for, because a run fetches for hours, keeps no other from
// its turn; what was asked for comes when the run has ended.
func TestAWishThatHasToWaitKeepsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newWard(t, 3)
		release, err := w.cfg.Store.Repo("REPO0").Build()
		if err != nil {
			t.Fatal(err)
		}
		go w.Run(ctx)
		time.Sleep(time.Second)
		w.Ask("REPO0", Gather)
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		for i := range 3 {
			if n := w.times(fmt.Sprint("read REPO", i)); n != 1 {
				t.Errorf("copy %d was read %d times", i, n)
			}
		}
		if s := w.Status("REPO0"); !slices.Equal(s.Wanted, []Job{Gather}) || s.Failure != "" || s.Waits != ForRun {
			t.Errorf("while a run is under way: %+v", s)
		}
		release()
		time.Sleep(2*lookEvery + lookSpread)
		synctest.Wait()
		if s := w.Status("REPO0"); len(s.Wanted) > 0 || s.Waits != ForNothing {
			t.Errorf("after the run: %+v", s)
		}
		cancel()
		synctest.Wait()
	})
}

// What cannot be begun for want of room says so, and what needs none is done.
func TestAWishWithoutRoomSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newWard(t, 1)
		w.cfg.Space = space.New(nil, t.TempDir(), 200, nil) // more than there is
		go w.cfg.Space.Run(ctx)
		go w.Run(ctx)
		time.Sleep(10 * time.Minute)
		w.Ask("REPO0", Gather)
		time.Sleep(time.Second)
		synctest.Wait()
		if s := w.Status("REPO0"); s.Waits != ForRoom || !slices.Equal(s.Wanted, []Job{Gather}) {
			t.Errorf("%+v", s)
		}
		if n := w.times("read REPO0"); n != 1 {
			t.Errorf("it was read %d times", n)
		}
		cancel()
		synctest.Wait()
	})
}

// What has failed is tried again at once when somebody asks for it.
func TestWhoAsksDoesNotWaitForWhatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newWard(t, 1)
		w.verdict = Unknown
		go w.Run(ctx)
		time.Sleep(2 * time.Minute)
		w.Ask("REPO0", Read)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if n := w.times("read REPO0"); n != 2 || len(w.Status("REPO0").Wanted) > 0 {
			t.Errorf("it was read %d times: %+v", n, w.Status("REPO0"))
		}
		cancel()
		synctest.Wait()
	})
}

// What is asked for of a copy that has just come is done at once, though nobody looks for copies that
// often.
func TestAWishForACopyThatHasJustCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newWard(t, 1)
		w.took = time.Second
		go w.Run(ctx)
		time.Sleep(3 * time.Second)
		w.copy(1)
		w.Ask("REPO1", Check)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if w.times("check REPO1") != 1 {
			t.Errorf("done: %v", w.done)
		}
		cancel()
		synctest.Wait()
	})
}

// Who asks while just that is being done is answered by what begins afterwards: what is under way may have
// noted already how the copy was.
func TestWhatIsUnderWayIsNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newWard(t, 1)
		go w.Run(ctx)
		time.Sleep(w.took / 2) // it is read, as each is at the start
		asked := time.Now()
		w.Ask("REPO0", Read)
		for _, want := range []struct {
			wanted []Job
			times  int
		}{{[]Job{Read}, 1}, {nil, 2}} {
			time.Sleep(w.took)
			synctest.Wait()
			if s := w.Status("REPO0"); !slices.Equal(s.Wanted, want.wanted) || w.times("read REPO0") != want.times {
				t.Errorf("after %d: %+v", want.times, s)
			}
		}
		if s := w.Status("REPO0"); s.Read.Before(asked.Add(w.took)) {
			t.Errorf("asked for at %s, and read at %s", asked, s.Read)
		}
		// What else is asked for meanwhile has nothing done twice, and takes nothing of it back.
		for _, again := range []bool{false, true} {
			before := w.times("read REPO0")
			want := before + 1
			w.Ask("REPO0", Read)
			synctest.Wait()
			time.Sleep(w.took / 2)
			if again {
				w.Ask("REPO0", Read)
				want++
			}
			w.Ask("REPO0", Check)
			time.Sleep(10 * w.took)
			synctest.Wait()
			if s := w.Status("REPO0"); len(s.Wanted) != 0 || w.times("read REPO0") != want {
				t.Errorf("again %v: read %d times, want %d, %+v", again, w.times("read REPO0")-before, want-before, s)
			}
		}
		// What fails has its answer, however often it was asked for.
		w.mu.Lock()
		w.verdict = Unknown
		w.mu.Unlock()
		for range 2 {
			w.Ask("REPO0", Read)
			synctest.Wait()
			time.Sleep(w.took / 2)
		}
		time.Sleep(w.took)
		synctest.Wait()
		if s := w.Status("REPO0"); len(s.Wanted) != 0 || s.Failure == "" {
			t.Errorf("%+v", s)
		}
		cancel()
		synctest.Wait()
	})
}

// Of a copy that nobody has looked at yet nothing is said before it is verified because somebody asks: that
// it was read by who made it is no answer to that.
func TestACopyThatIsAskedForCountsAsReadWhenItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newWard(t, 1)
		w.took = time.Second
		go w.Run(ctx)
		time.Sleep(3 * time.Second)
		w.copy(1)
		w.Ask("REPO1", Read, Check)
		for _, want := range []struct {
			after         time.Duration
			wanted        []Job
			read, checked bool
		}{{0, []Job{Read, Check}, false, false}, {time.Second / 2, []Job{Read, Check}, false, false}, {time.Second, []Job{Check}, true, false}, {time.Second, nil, true, true}} {
			time.Sleep(want.after)
			synctest.Wait()
			if s := w.Status("REPO1"); s.Read.IsZero() == want.read || s.Checked.IsZero() == want.checked || !slices.Equal(s.Wanted, want.wanted) {
				t.Errorf("after %s: %+v", want.after, s)
			}
		}
		cancel()
		synctest.Wait()
	})
}
