package membership

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gitmirror/peer"
)

// ErrOut says that this node is no member any more.
var ErrOut = errors.New("this node was removed from the cluster")

// Outlook watches whether the cluster still has this node, and this process as
// it. A node that was removed, or replaced by another process of its directory,
// while it was paused or cut off is not told: nobody talks to it any more.
type Outlook struct {
	Self    Self
	Cluster func() string   // id of the cluster
	Led     func() bool     // a leader leads, or was heard a moment ago
	Members func() []string // peer addresses of other members
	Call    Caller
	// Claims has something when somebody says that this node's cluster goes on without it: the
	// members are asked. May be nil.
	Claims <-chan struct{}
}

const (
	lookEvery    = time.Second
	leaderlessBy = 5 // looks without a leader after which members are asked, and asked again
)

// Run returns ErrOut when a leader that has made sure that it leads says that
// this node is not a member, an error that wraps ErrCopied when it says that
// another process is, one that wraps ErrSuperseded when a member says that it is of a newer
// incarnation of the cluster, and nil when ctx ends. It asks for as long as there is no
// leader.
func (o Outlook) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	leaderless := 0 // counted in looks: a process that was stopped has not waited
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-o.Claims:
			if err := Superseded(ctx, o.Cluster(), o.Members(), o.Call); err != nil {
				return err
			}
			continue
		}
		if o.Led() {
			leaderless = 0
			continue
		}
		if leaderless++; leaderless%leaderlessBy != 0 {
			continue
		}
		if err := o.ask(ctx); err != nil {
			return err
		}
	}
}

// ask asks the members who leads, and whoever leads whether this node is in.
func (o Outlook) ask(ctx context.Context) error {
	var leaders []string
	for addr, h := range askAll(ctx, o.Members(), o.Call.Hello) {
		if slices.Contains(h.Former, o.Cluster()) {
			return fmt.Errorf("%w: %s, at %s, is of it", ErrSuperseded, h.Name, addr)
		}
		if h.ClusterID == o.Cluster() && h.ID != o.Self.ID {
			leaders = append(leaders, h.Leader)
		}
	}
	slices.Sort(leaders)
	for _, m := range askAll(ctx, slices.Compact(leaders), func(ctx context.Context, addr string) (peer.Membership, error) {
		return o.Call.Member(ctx, addr, o.Self.ID)
	}) {
		switch {
		case !m.In:
			return ErrOut
		case m.Run != "" && !o.Self.knows(m.Run):
			return fmt.Errorf("%w: another process runs as this node now", ErrCopied)
		}
	}
	return nil
}
