package coordinator

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
)

const years3 = 3 * 365 * 24 * time.Hour

func TestLogTimeIsTheMedianOfTheClocks(t *testing.T) {
	for _, c := range []struct {
		name   string
		nodes  int
		clocks map[string]time.Duration
		want   time.Duration
	}{
		{"all right", 3, nil, 0},
		{"one ahead", 3, map[string]time.Duration{"h2:1": years3}, 0},
		{"one behind", 3, map[string]time.Duration{"h3:1": -years3}, 0},
		{"two of five", 5, map[string]time.Duration{"h2:1": years3, "h3:1": years3}, 0},
		{"ours is wrong", 3, map[string]time.Duration{"h2:1": years3, "h3:1": years3 + time.Second}, years3},
		{"one of two: what the log said counts", 2, map[string]time.Duration{"h2:1": years3}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, c.nodes)
				w.clocks = c.clocks
				w.c.cfg.Clock.set(w.c.readClocks(context.Background()))
				if got := time.Until(w.c.cfg.Clock.Now()); (got - c.want).Abs() > time.Minute {
					t.Errorf("log time is %s ahead of ours, want %s", got, c.want)
				}
			})
		})
	}
}

// A leader whose clock nobody confirms goes on from what the log said last. Whom it takes for
// down it asks too: it may not know yet who is back.
func TestOneClockAloneIsNotLogTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.settle() // all three vote
		w.clocks = map[string]time.Duration{"h2:1": years3, "h3:1": years3}
		w.clockless = map[string]bool{"h2:1": true, "h3:1": true}
		if got := w.c.readClocks(context.Background()); got != nil {
			t.Errorf("one clock of three voters: %v", got)
		}
		w.alive[id(2)] = false
		w.settle()
		w.clockless = map[string]bool{"h3:1": true}
		if got := w.c.readClocks(context.Background()); len(got) != 2 {
			t.Errorf("two clocks of three voters: %v", got)
		}
	})
}

func TestLogTimeGoesOnBetweenReadings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		before := w.c.cfg.Clock.Now()
		time.Sleep(time.Hour)
		if got := w.c.cfg.Clock.Now().Sub(before); got != time.Hour {
			t.Errorf("%s went by, want an hour", got)
		}
	})
}

// The replacement of a dead node's copies waits for the time that goes by, not
// for dates.
func TestAWrongDateDoesNotStopReplacement(t *testing.T) {
	for name, jump := range map[string]time.Duration{"ahead": years3, "behind": -years3} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 3)
				w.settle()
				w.add(9)
				w.settle()
				w.now = w.now.Add(jump)
				w.alive[id(2)] = false
				w.settle()
				dead := w.state.View().NodeByID(id(2))
				onDead := func() int {
					n := 0
					for _, r := range w.rows() {
						if cp, ok := r.Copy(dead.Num); ok && len(r.Copies) == 2 && cp.State != fsm.CopyLeaving {
							n++
						}
					}
					return n
				}
				had := onDead()
				time.Sleep(5 * time.Minute)
				w.c.begin() // another leader: it counts from when it sees it, if the dates do not hold
				w.now = w.now.Add(-jump)
				w.apply(&command.Tick{}) // the dates of the log are years apart from here on
				w.settle()
				if got := onDead(); got != had || had == 0 {
					t.Errorf("%d of %d rows wait for the dead node after five minutes", got, had)
				}
				time.Sleep(11 * time.Minute)
				w.settle()
				if got := onDead(); got != 0 {
					t.Errorf("%d rows wait for a node that has been dead for longer than ReplaceAfter", got)
				}
			})
		})
	}
}

func TestANewLeaderTakesOverHowLongANodeHasBeenDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.settle()
		w.alive[id(2)] = false
		w.settle()
		w.now = w.now.Add(11 * time.Minute)
		time.Sleep(11 * time.Minute)
		w.apply(&command.Tick{})
		w.c.begin()
		n := w.state.View().NodeByID(id(2))
		if !w.c.downFor(w.state.View(), n, time.Now(), w.c.cfg.ReplaceAfter) {
			t.Error("a new leader waits from the beginning again")
		}
	})
}

func TestAQuietLogHearsTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.settle()
		w.c.cfg.Clock.begin()
		before := w.proposals
		time.Sleep(tickAfter + time.Second)
		w.look()
		if w.proposals != before+1 {
			t.Errorf("%d entries after ten quiet minutes, want one", w.proposals-before)
		}
	})
}

func TestTheFormatIsRaisedOnceAllSpeakIt(t *testing.T) {
	w := newWorld(t, 1)
	w.apply(&command.FoundCluster{ClusterId: "c", Format: 1})
	for n := 2; n <= 3; n++ {
		w.apply(&command.PutNode{Node: &command.Node{Id: id(n), Name: id(n), Peer: id(n) + ":1", Format: uint32(n - 1)}})
		w.alive[id(n)] = true
	}
	w.settle()
	if got := w.state.View().Format(); got != 1 {
		t.Errorf("format %d while a node speaks 1", got)
	}
	w.apply(&command.PutNode{Node: &command.Node{Id: id(2), Name: id(2), Peer: id(2) + ":1", Format: 2}})
	w.settle()
	if got := w.state.View().Format(); got != 2 {
		t.Errorf("format %d, want 2", got)
	}
}

// proposerFunc is a Proposer.
type proposerFunc func(msg proto.Message) (*command.Outcome, error)

func (f proposerFunc) Propose(_ context.Context, msg proto.Message, _ string) (*command.Outcome, error) {
	return f(msg)
}

// That a cluster was recovered is dated when it was, and not when its log was written last.
func TestARecoveryHasTheTimeOfNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.apply(&command.FoundCluster{ClusterId: "before", Format: fsm.Format})
		time.Sleep(7 * 24 * time.Hour)
		w.c.cfg.Clock = NewLogClock(w.state, time.Now)
		w.c.begin()
		w.c.cfg.Former = []string{"before"}
		var at time.Time
		w.c.cfg.Proposer = proposerFunc(func(msg proto.Message) (*command.Outcome, error) {
			if _, is := msg.(*command.RecoverCluster); is {
				at = w.c.cfg.Clock.Now()
			}
			return &command.Outcome{}, nil
		})
		if err := w.c.found(t.Context()); err != nil || !at.Equal(time.Now()) {
			t.Errorf("at %v, %v; want %v", at, err, time.Now())
		}
	})
}
