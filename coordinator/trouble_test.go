package coordinator

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/fsm"
)

// A node that raft does not take in is the trouble of that node alone.
func TestWhatFailsForOneNodeHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.settle()
		w.add(12)
		w.settle()
		w.refuses = map[string]bool{id(4): true}
		w.join(4)
		w.join(5)
		w.alive[id(2)] = false
		dead := w.state.View().NodeByID(id(2))
		for range 12 {
			if err := w.c.reconcile(context.Background()); err == nil {
				t.Fatal("a look that could not add a node says nothing of it")
			}
			w.work()
			time.Sleep(time.Second)
		}
		for _, r := range w.rows() {
			if r.Owner == dead.Num || r.Owner == 0 {
				t.Errorf("%s still has the dead owner", r.Name)
			}
		}
		if w.server(id(5)) == nil {
			t.Error("the node that came after the refused one was not added")
		}
		if n := w.state.View().NodeByID(id(2)); n.State != fsm.NodeDown {
			t.Errorf("the dead node is %s", n.State)
		}
		got := w.c.Trouble()
		if len(got) != 1 || got[0].Subject != "n4" || got[0].Step != "voters" || !strings.Contains(got[0].Message, "refused by decree") {
			t.Errorf("trouble %+v, want that of n4 alone", got)
		}
		w.refuses = nil
		w.settle()
		if got := w.c.Trouble(); len(got) != 0 {
			t.Errorf("trouble %+v after it has ended", got)
		}
	})
}

func TestEachPartIsAttemptedWhateverTheOthersDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		var tried []string
		began := time.Now()
		for _, part := range []string{"a", "b", "c"} {
			_ = w.c.attempt(context.Background(), "step", part, func(ctx context.Context) error {
				tried = append(tried, part)
				if part == "a" {
					<-ctx.Done() // what waits for ever is given up after a while
					return ctx.Err()
				}
				return errors.New("no")
			})
		}
		if len(tried) != 3 || time.Since(began) > attemptTimeout {
			t.Errorf("tried %v within %s", tried, time.Since(began))
		}
		if got := w.c.Trouble(); len(got) != 1 {
			t.Errorf("%d troubles shown after ten seconds of the first alone: %+v", len(got), got)
		}
	})
}

func TestATroubleThatHasNoSubjectAnyMoreIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.c.term.Load().troubles.swept()
		_ = w.c.attempt(context.Background(), "step", "gone", func(context.Context) error { return errors.New("no") })
		w.c.term.Load().troubles.swept()
		w.c.term.Load().troubles.swept()
		time.Sleep(time.Minute)
		if got := w.c.Trouble(); len(got) != 0 {
			t.Errorf("trouble %+v of what is not attempted any more", got)
		}
	})
}
