package membership

import (
	"context"
	"sync/atomic"
	"time"
)

// Standby watches, while this node's log hangs, whether the other voters can go
// on without it. A leader whose disk hangs cannot be deposed; it may only end
// when that costs nobody the cluster: one slow disk that all share must not end
// everybody. It is safe for concurrent use.
type Standby struct {
	ID     string
	Hangs  func() bool              // this node's log does not answer
	Voters func() map[string]string // peer address by node id, this node's too if it votes
	Call   Caller

	enough atomic.Bool
}

const (
	standbyEvery   = 250 * time.Millisecond
	standbyTimeout = time.Second
)

// Enough tells, without blocking, whether voters that live, and whose logs do not
// hang, are a majority without this node.
func (s *Standby) Enough() bool { return s.enough.Load() }

// Run asks for as long as this node's log hangs, until ctx ends.
func (s *Standby) Run(ctx context.Context) error {
	tick := time.NewTicker(standbyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		s.enough.Store(s.Hangs() && s.ask(ctx))
	}
}

func (s *Standby) ask(ctx context.Context) bool {
	voters := s.Voters()
	var addrs []string
	for id, addr := range voters {
		if id != s.ID {
			addrs = append(addrs, addr)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, standbyTimeout)
	defer cancel()
	well := 0
	for _, p := range askAll(ctx, addrs, s.Call.Pulse) {
		if _, votes := voters[p.ID]; votes && p.ID != s.ID && !p.LogHangs {
			well++
		}
	}
	return well > len(voters)/2
}
