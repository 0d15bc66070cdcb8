package membership

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gitmirror/internal/advice"
)

// A cluster whose quorum was lost for good goes on from the log of one of its nodes, as another
// incarnation of it: it has an id of its own, which every connection between nodes names, and
// remembers those that it had. So no member of an older incarnation is heard by a newer one, or
// hears it; one that learns of a newer incarnation ends.

// ErrSuperseded says that the cluster goes on without this node, in a newer incarnation.
var ErrSuperseded = errors.New("the cluster goes on without this node, in a newer incarnation")

// Incarnations are the ids that the node's cluster had before it was recovered, oldest first.
func (id *Identity) Incarnations() []string {
	id.mu.Lock()
	defer id.mu.Unlock()
	return slices.Clone(id.Former)
}

// descend notes which ids the cluster had that the node is about to enter; Enter makes that
// durable.
func (id *Identity) descend(former []string) {
	id.mu.Lock()
	defer id.mu.Unlock()
	id.Former = former
}

// BeginRecovery notes, durably and before anything else is done, that the node's cluster gets
// that id. Of one that was interrupted the id stays, and where the other members were, who must
// not run when it goes on either. Until EndRecovery no node starts here.
func (id *Identity) BeginRecovery(cluster string) error {
	if id.Recovering {
		return nil
	}
	return id.update(func() {
		id.Former = append(slices.Clone(id.Former), id.ClusterID)
		id.ClusterID, id.Recovering = cluster, true
	})
}

// EndRecovery notes, durably, that the log is that of the new incarnation, which has no other
// members.
func (id *Identity) EndRecovery() error {
	return id.update(func() { id.Recovering, id.Members = false, nil })
}

// Whole refuses to start a node whose recovery was interrupted: its log may be of the one
// incarnation and its name of the other.
func (id *Identity) Whole() error {
	if !id.Recovering {
		return nil
	}
	return &advice.Error{Code: 6, Message: fmt.Sprintf("the recovery of the cluster was interrupted in %s", id.dir),
		Try: fmt.Sprintf("run it again, to its end: gitmirror cluster recover --data %s --yes", id.dir)}
}

// Superseded asks those at addrs whether the cluster goes on in a newer incarnation. The error
// wraps ErrSuperseded where one of them says so.
func Superseded(ctx context.Context, cluster string, addrs []string, call Caller) error {
	for addr, h := range askAll(ctx, addrs, call.Hello) {
		if slices.Contains(h.Former, cluster) {
			return fmt.Errorf("%w: %s, at %s, is of it", ErrSuperseded, h.Name, addr)
		}
	}
	return nil
}
