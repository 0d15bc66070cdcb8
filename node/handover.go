package node

import (
	"context"
	"strings"
	"sync"
	"time"
)

const (
	// copiesBound is how long an orderly stop waits for second copies.
	copiesBound = 25 * time.Second
	// leaderlessBound is how long it waits without a leader: copies cannot be
	// reported then.
	leaderlessBound = 5 * time.Second
)

// handOver ends checks and keeps the peer port until what only this node has is
// on another, if one is there to take it.
func (n *node) handOver(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, copiesBound)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	n.engine.StopChecks(ctx)
	watch.Go(func() {
		if leaderless(ctx, n.cluster) {
			cancel()
		}
	})
	if alone := n.agent.AwaitCopies(ctx); len(alone) > 0 {
		n.log.Warn("stopping with generations that no other node has yet", "count", len(alone), "repos", strings.Join(alone[:min(len(alone), 5)], " "))
	}
}

// leaders tells who leads.
type leaders interface {
	Leader() (id, addr string)
	LeaderChanged() <-chan struct{}
}

// leaderless returns true when there has been no leader for leaderlessBound, false
// when ctx ends.
func leaderless(ctx context.Context, l leaders) bool {
	for {
		changed := l.LeaderChanged()
		var patience <-chan time.Time
		if id, _ := l.Leader(); id == "" {
			t := time.NewTimer(leaderlessBound)
			defer t.Stop()
			patience = t.C
		}
		select {
		case <-changed:
		case <-patience:
			return true
		case <-ctx.Done():
			return false
		}
	}
}
