package node

import (
	"context"
	"errors"
	"time"

	"gitmirror/cluster"
	"gitmirror/coordinator"
	"gitmirror/leader"
)

// consensus shows the cluster to the server and the coordinator in their
// terms.
type consensus struct {
	*cluster.Cluster
	reach *leader.Reach
	ready <-chan struct{}
}

// Roles are by node id.
func (c consensus) Roles() map[string]string {
	roles := map[string]string{}
	servers, err := c.Cluster.Servers()
	if err != nil {
		return roles
	}
	first, _ := c.Leader()
	for _, s := range servers {
		switch {
		case s.ID == first:
			roles[s.ID] = "leader"
		case s.Voter:
			roles[s.ID] = "voter"
		default:
			roles[s.ID] = "nonvoter"
		}
	}
	return roles
}

// Alive tells by node id what gossip knows.
func (c consensus) Alive() map[string]bool {
	alive := map[string]bool{}
	for _, m := range c.Members() {
		alive[m.ID] = m.Alive
	}
	return alive
}

// Dead is the opposite of Alive, of the known.
func (c consensus) Dead() map[string]bool {
	dead := map[string]bool{}
	for id, alive := range c.Alive() {
		dead[id] = !alive
	}
	return dead
}

// ReadIndex asks the leader, wherever it is.
func (c consensus) ReadIndex(ctx context.Context) (uint64, error) { return c.reach.ReadIndex(ctx) }

// CatchUp returns when this node has applied what a leader has committed.
func (c consensus) CatchUp(ctx context.Context) error {
	index, err := c.ReadIndex(ctx)
	if err != nil {
		return err
	}
	return c.WaitApplied(ctx, index)
}

// Ready is nil once this node has caught up with a leader in this run.
func (c consensus) Ready() error {
	select {
	case <-c.ready:
		return nil
	default:
		return errors.New("this node has not caught up with a leader yet")
	}
}

// ledWithin is how long ago a leader may have been heard for this node to count
// as led: some elections take as long.
const ledWithin = 5 * time.Second

// Led tells whether this node leads, or has heard from a leader a moment ago.
func (c consensus) Led() bool {
	id, _ := c.Leader()
	return id != "" && time.Since(c.LastContact()) < ledWithin
}

// settledAfter is how long somebody leads until the table says which nodes are down: gossip,
// and their silence, take seconds.
const settledAfter = 10 * time.Second

// Settled tells whether there is a leader, the same for long enough.
func (c consensus) Settled() bool { return c.Led() && time.Since(c.LeaderSince()) >= settledAfter }

// Await waits until Ready is nil.
func (c consensus) Await(ctx context.Context) error {
	select {
	case <-c.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// voters is the raft configuration as the coordinator sees it.
type voters struct{ *cluster.Cluster }

func (v voters) Servers() ([]coordinator.Server, error) {
	servers, err := v.Cluster.Servers()
	if err != nil {
		return nil, err
	}
	list := make([]coordinator.Server, len(servers))
	for i, s := range servers {
		list[i] = coordinator.Server{ID: s.ID, Addr: s.Addr, Voter: s.Voter}
	}
	return list, nil
}
