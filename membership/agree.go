package membership

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gitmirror/peer"
)

// ErrOutvoted says that a majority of the voters has another table than this
// node, at the same index of the log.
var ErrOutvoted = errors.New("this node's table is not the one that the others have")

// Agreement compares this node's table with those of the voters. It is safe for
// concurrent use.
type Agreement struct {
	ID     string
	Marks  func() []peer.Mark       // of this node's table
	Voters func() map[string]string // peer address by node id, this node's too if it votes
	Call   Caller

	mu    sync.Mutex
	doubt string
	since time.Time
}

const compareEvery = 10 * time.Second

// Run returns an error that wraps ErrOutvoted when this node is outvoted, and
// nil when ctx ends.
func (a *Agreement) Run(ctx context.Context) error {
	tick := time.NewTicker(compareEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := a.compare(ctx); err != nil {
			return err
		}
	}
}

// Doubt is a difference that no majority decides, and since when; empty when
// there is none.
func (a *Agreement) Doubt() (string, time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.doubt, a.since
}

func (a *Agreement) compare(ctx context.Context) error {
	voters := a.Voters()
	var addrs []string
	for id, addr := range voters {
		if id != a.ID {
			addrs = append(addrs, addr)
		}
	}
	var others []peer.Pulse
	for _, p := range askAll(ctx, addrs, a.Call.Pulse) {
		if _, votes := voters[p.ID]; votes && p.ID != a.ID {
			others = append(others, p)
		}
	}
	doubt := ""
	for _, mine := range a.Marks() {
		against := map[string]int{}
		for _, p := range others {
			for _, m := range p.Marks {
				if m.Index == mine.Index && m.Sum != mine.Sum {
					against[m.Sum]++
				}
			}
		}
		for _, n := range against {
			if n > len(voters)/2 {
				return fmt.Errorf("%w: at index %d, %d of %d voters agree on another", ErrOutvoted, mine.Index, n, len(voters))
			}
			doubt = fmt.Sprintf("the tables of two voters differ at index %d, and no majority says which is right", mine.Index)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if (doubt == "") != (a.doubt == "") {
		a.since = time.Now()
	}
	a.doubt = doubt
	return nil
}
