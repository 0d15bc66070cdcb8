package leader

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// A node whose proposals who leads does not take says so after ten seconds, and until it takes
// one, another leads, or nothing was proposed for a minute.
func TestALeaderThatIsNotReachedIsTold(t *testing.T) {
	refused := errors.New("connection refused")
	for name, c := range map[string]struct {
		fails error
		then  func(r *Reach, g *group)
		want  bool
	}{
		"it is not reached":             {refused, func(*Reach, *group) {}, true},
		"its answer is unknown":         {refusal.UnknownOutcome, func(*Reach, *group) {}, true},
		"it answers, and does not lead": {refusal.NotLeader, func(*Reach, *group) {}, false},
		"another leads":                 {refused, func(_ *Reach, g *group) { g.leader = "another" }, false},
		"nothing more is proposed":      {refused, func(*Reach, *group) { time.Sleep(2 * time.Minute) }, false},
		"it takes the next": {refused, func(r *Reach, g *group) {
			g.failures = nil
			_, _ = r.Propose(context.Background(), &command.FoundCluster{ClusterId: "c"}, "")
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, g := newReach("other")
				g.failures = make([]error, 1000)
				for i := range g.failures {
					g.failures[i] = c.fails
				}
				began := time.Now()
				for range 2 { // as who publishes does: it gives up after a while, and tries again
					ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
					if _, err := r.Propose(ctx, &command.FoundCluster{ClusterId: "c"}, ""); err == nil {
						t.Error("it was taken")
					}
					cancel()
					if _, err := r.Unanswered(); err != nil && time.Since(began) < silentAfter {
						t.Errorf("it is told after %s", time.Since(began))
					}
				}
				c.then(r, g)
				since, err := r.Unanswered()
				if (err != nil) != c.want || c.want && !since.Equal(began) {
					t.Errorf("since %s: %v, want %t", since, err, c.want)
				}
			})
		})
	}
}

// Who does not wait any more for what it proposes has not found out anything.
func TestWhatIsCalledOffIsNoSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, g := newReach("other")
		g.failures = []error{errors.New("canceled")}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _ = r.Propose(ctx, &command.FoundCluster{ClusterId: "c"}, "")
		time.Sleep(silentAfter + time.Second)
		if _, err := r.Unanswered(); err != nil {
			t.Error(err)
		}
	})
}
