package coordinator

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/internal/refusal"
)

// elsewhere has an address answer for another cluster.
type elsewhere struct {
	*world
	addr string // empty: none does
}

func (e *elsewhere) Clock(ctx context.Context, addr string) (time.Time, error) {
	if addr == e.addr {
		return time.Time{}, refusal.New(refusal.OtherCluster, "this node is of cluster %q, the call is meant for %q", "theirs", "ours")
	}
	return e.world.Clock(ctx, addr)
}

// Of two incarnations that both go on each says so, until the other is gone; a cluster that was
// never recovered has no other.
func TestAnotherIncarnationIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.settle()
		at := &elsewhere{w, "h2:1"}
		w.c.cfg.Nodes = at
		named := func() bool {
			for range 2 {
				w.c.readClocks(t.Context())
				_ = w.c.reconcile(t.Context())
				time.Sleep(troubleAfter)
			}
			for _, trouble := range w.c.Trouble() {
				if trouble.Step == "incarnations" && trouble.Subject == "n2" && strings.Contains(trouble.Message, `of cluster "theirs"`) {
					return true
				}
			}
			return false
		}
		if named() {
			t.Error("a cluster that was not recovered has another incarnation")
		}
		w.c.cfg.Former = []string{"before"}
		if !named() {
			t.Errorf("it is not said: %+v", w.c.Trouble())
		}
		at.addr = ""
		if named() {
			t.Error("it is said still, and the other is gone")
		}
		at.addr = "h2:1"
		if !named() {
			t.Error("it is not said again")
		}
		w.c.term.Load().others.note("n9", refusal.OtherCluster)
		_ = w.c.reconcile(t.Context())
		time.Sleep(troubleAfter)
		for _, trouble := range w.c.Trouble() {
			if trouble.Subject == "n9" {
				t.Error("it is said of a node that is no member")
			}
		}
	})
}
