package mirror

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/internal/clock"
	"gitmirror/internal/testlog"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
)

// ward is copies that are looked after.
type ward struct {
	*prover
	copies []*store.Repo
	told   int // times its condition changed
}

func newWard(t *testing.T, ctx context.Context, copies int) *ward {
	t.Helper()
	s, err := store.Open(store.Config{Dir: t.TempDir(), StartID: "run", Log: testlog.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	w := &ward{}
	cfg := Config{Clock: clock.System, ConditionChanged: func() { w.told++ }, Log: testlog.New(t)}
	w.prover = newProver(cfg, s, nil, &workers{}, func(string) bool { return true })
	w.workers.begin(ctx)
	for i := range copies {
		w.copy(t, i)
	}
	return w
}

// copy makes another copy.
func (w *ward) copy(t *testing.T, i int) {
	t.Helper()
	r, err := w.store.Ensure(fmt.Sprintf("REPO%d", i), fmt.Sprintf("r%d", i))
	if err != nil {
		t.Fatal(err)
	}
	table := &refs.Table{Generation: 1, Candidate: "c", Refs: []refs.Ref{{Name: "refs/heads/main", OID: strings.Repeat("a", 40)}}}
	if err := r.Prepare(table, nil); err != nil {
		t.Fatal(err)
	}
	if ok, err := r.Activate(1, table.Digest()); !ok || err != nil {
		t.Fatal(ok, err)
	}
	w.copies = append(w.copies, r)
}

var errUnreadable = errors.New("bit rot")

// failing fails the first n tests.
func failing(n int) func(context.Context, string, []string) error {
	return func(context.Context, string, []string) error {
		if n--; n >= 0 {
			return errUnreadable
		}
		return nil
	}
}

func (w *ward) served(t *testing.T, i int) bool {
	t.Helper()
	_, err := w.copies[i].Table()
	return err == nil && w.fit(w.copies[i].ID()) == nil
}

func TestOneFailedTestIsNoBrokenCopy(t *testing.T) {
	for failures, broken := range map[int]bool{0: false, 1: false, 2: true} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			w := newWard(t, ctx, 1)
			w.prove(ctx, w.copies[0], failing(failures))
			if w.served(t, 0) == broken {
				t.Errorf("after %d failures it is served: %v", failures, !broken)
			}
			time.Sleep(brokenWait + time.Second)
			synctest.Wait()
			if damaged := w.copies[0].Damaged() != nil; damaged != broken {
				t.Errorf("after %d failures it is given up: %v", failures, damaged)
			}
			cancel()
			w.workers.Wait()
		})
	}
}

func TestManyBrokenCopiesAreOneSickNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newWard(t, ctx, 6)
		for i := range brokenLimit + 1 {
			w.takeOut(w.copies[i], errUnreadable)
		}
		if w.sickness() == "" || w.told != 1 {
			t.Fatalf("sick %q, told %d times", w.sickness(), w.told)
		}
		time.Sleep(2 * brokenWait)
		synctest.Wait()
		for i, r := range w.copies {
			if r.Damaged() != nil {
				t.Errorf("copy %d of a sick node was given up", i)
			}
			if w.served(t, i) {
				t.Errorf("copy %d of a sick node is served", i)
			}
		}
		cancel()
		w.workers.Wait()
	})
}

// It is no matter of time: large copies take long to read. Those that were given up
// meanwhile count.
func TestCopiesThatBreakOneAfterTheOtherAreASickNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newWard(t, ctx, 6)
		for _, r := range w.copies[:brokenLimit+1] {
			w.takeOut(r, errUnreadable)
			time.Sleep(time.Hour)
			synctest.Wait()
		}
		if w.sickness() == "" {
			t.Error("the last four copies that were tested broke, and the node is well")
		}
		if w.copies[brokenLimit].Damaged() != nil {
			t.Error("the copy that made the node sick was given up")
		}
		cancel()
		w.workers.Wait()
	})
}

// Between broken copies there are whole ones: it is the copies, and not the node, even
// when the start finds them all within a minute.
func TestAFewBrokenCopiesAmongManyAreNoSickNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newWard(t, ctx, 40)
		for i, r := range w.copies {
			failures := 0
			if i%5 == 0 {
				failures = 2
			}
			w.prove(ctx, r, failing(failures))
		}
		time.Sleep(2 * brokenWait)
		synctest.Wait()
		for i, r := range w.copies {
			if broken := r.Damaged() != nil; broken != (i%5 == 0) {
				t.Errorf("copy %d was given up: %v", i, broken)
			}
		}
		if sick := w.sickness(); sick != "" {
			t.Errorf("sick: %s", sick)
		}
		cancel()
		w.workers.Wait()
	})
}

// What has nothing to test, and a copy that is tested again and again, hide no sick node.
func TestEmptyAndRepeatedTestsHideNoSickNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newWard(t, ctx, 5)
		whole := func() {
			for i := range 4 {
				r, err := w.store.Ensure(fmt.Sprintf("EMPTY%d", i), fmt.Sprintf("e%d", i))
				if err != nil {
					t.Fatal(err)
				}
				w.prove(ctx, r, failing(0))
				w.prove(ctx, w.copies[4], failing(0))
			}
		}
		for _, r := range w.copies[:brokenLimit+1] {
			w.prove(ctx, r, failing(2))
			whole()
		}
		if w.sickness() == "" {
			t.Error("four of the five copies there are broke, and the node is well")
		}
		cancel()
		w.workers.Wait()
	})
}

// A node whose disk was away gets well when it is back.
func TestASickNodeGetsWellWhenItsCopiesAreBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := newWard(t, ctx, brokenLimit+1)
		w.verify = func(_ context.Context, dir string, _ []string) error {
			_, err := os.Stat(dir)
			return err
		}
		repos := filepath.Dir(filepath.Dir(w.copies[0].Dir()))
		away := repos + ".away"
		if err := os.Rename(repos, away); err != nil {
			t.Fatal(err)
		}
		for _, r := range w.copies {
			_, err := r.Table()
			if err == nil {
				t.Fatal("a table that is away can be read")
			}
			w.Broke(r.ID(), r.Name(), err)
		}
		if w.sickness() == "" {
			t.Fatal("the node is well without its copies")
		}
		time.Sleep(3 * sickRetry)
		synctest.Wait()
		if w.sickness() == "" {
			t.Fatal("well again without its copies")
		}
		if err := os.Rename(away, repos); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * sickRetry)
		synctest.Wait()
		for i := range w.copies {
			if !w.served(t, i) {
				t.Errorf("copy %d is back, and not served", i)
			}
		}
		cancel()
		w.workers.Wait()
	})
}
