package mirror_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"gitmirror/internal/testlog"
	"gitmirror/mirror"
)

// What is not assigned any more is left alone: what runs for it ends, nothing else
// begins, and whoever asks for a check hears that it is not here.
func TestWhatIsUnassignedIsLeftAlone(t *testing.T) {
	var calls atomic.Int64
	n := startNode(t, newBook(), t.TempDir(), func(c *mirror.Config) {
		c.Locator = locatorOf(func(string) []mirror.Holder { return []mirror.Holder{frozen{"frozen", &calls}} })
		c.CopiesPerPeer = 1
	})
	n.assign(published("repox", mirror.Replica, 7))
	testlog.Eventually(t, "the run to wait", func() bool { return calls.Load() == 1 })
	n.unassign("repox")
	n.unassign("nobody")
	n.assign(published("repoy", mirror.Replica, 7))
	testlog.Eventually(t, "its place to be another's", func() bool { return calls.Load() == 2 })
	if err := n.engine.Request("repox"); !errors.Is(err, mirror.ErrNotOwner) {
		t.Errorf("asked for a check: %v", err)
	}
	n.stop()
	if calls.Load() != 2 {
		t.Errorf("%d runs, want one of each", calls.Load())
	}
}
