package node

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// throne is who leads, changed by a test.
type throne struct {
	mu      sync.Mutex
	leader  string
	changed chan struct{}
}

func (l *throne) set(leader string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leader = leader
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *throne) Leader() (id, addr string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.leader, ""
}

func (l *throne) LeaderChanged() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// Copies cannot be reported without a leader: a stop does not wait for them then,
// but an election is no lack of a leader.
func TestAStopWaitsForNoLeaderForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &throne{leader: "n1", changed: make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		gaveUp := make(chan time.Time, 1)
		go func() {
			if leaderless(ctx, l) {
				gaveUp <- time.Now()
			}
			close(gaveUp)
		}()
		for range 3 {
			time.Sleep(time.Minute)
			l.set("")
			time.Sleep(leaderlessBound - time.Second)
			l.set("n2")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		select {
		case <-gaveUp:
			t.Fatal("gave up over elections")
		default:
		}
		l.set("")
		lost := time.Now()
		if at := <-gaveUp; at.Sub(lost) != leaderlessBound {
			t.Errorf("gave up %s after the leader was lost, want %s", at.Sub(lost), leaderlessBound)
		}
		cancel()
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if leaderless(ctx, &throne{leader: "n1", changed: make(chan struct{})}) {
			t.Error("gave up with a leader")
		}
	})
}
