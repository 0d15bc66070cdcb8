package coordinator

import (
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/fsm"
)

// A node that gossip hears of by way of others, and that does not answer the leader, cannot
// be led: it counts as down, and what it owns goes to others, until it answers.
func TestANodeThatDoesNotAnswerTheLeaderIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.settle()
		state := func() fsm.NodeState { return w.state.View().NodeByID(id(2)).State }
		for _, step := range []struct {
			after, ago time.Duration
			want       fsm.NodeState
		}{
			{deafAfter - time.Second, time.Hour, fsm.NodeUp}, // a leader has to begin
			{time.Second, deafAfter - time.Millisecond, fsm.NodeUp},
			{time.Hour, deafAfter, fsm.NodeDown},
			{time.Second, 0, fsm.NodeUp},
		} {
			time.Sleep(step.after)
			w.answered = map[string]time.Time{id(2): time.Now().Add(-step.ago)}
			w.settle()
			if got := state(); got != step.want {
				t.Errorf("%+v: the node is %s", step, got)
			}
		}
	})
}

// A leader that has just begun has not met everybody: whom gossip does not know counts as
// before for a while, and again when it was known meanwhile.
func TestWhoWasNotMetYetCountsAsBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		for _, step := range []struct {
			known bool
			after time.Duration
			want  fsm.NodeState
		}{
			{false, 0, fsm.NodeUp},
			{false, unseenFor - time.Millisecond, fsm.NodeUp},
			{true, time.Second, fsm.NodeUp},
			{false, time.Second, fsm.NodeUp},
			{false, unseenFor - time.Millisecond, fsm.NodeUp},
			{false, time.Millisecond, fsm.NodeDown},
			{true, time.Second, fsm.NodeUp},
		} {
			time.Sleep(step.after)
			if delete(w.alive, id(2)); step.known {
				w.alive[id(2)] = true
			}
			w.settle()
			if got := w.state.View().NodeByID(id(2)).State; got != step.want {
				t.Errorf("%+v: the node is %s", step, got)
			}
		}
	})
}
