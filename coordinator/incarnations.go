package coordinator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"gitmirror/internal/refusal"
)

// Two people who each recover a cluster from another log make two of it, neither of which is of
// the other's past. They do not take each other for one, and go on side by side: so each says
// what it finds where its table has a node.

// others are the nodes whose addresses answered for another cluster when they were asked last.
type others struct {
	mu  sync.Mutex
	say map[string]error // by name of the node
}

// note takes down what a node's address has answered.
func (o *others) note(node string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !errors.Is(err, refusal.OtherCluster) {
		delete(o.say, node)
		return
	}
	if o.say == nil {
		o.say = map[string]error{}
	}
	o.say[node] = err
}

func (o *others) all() map[string]error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.say)
}

// incarnations fails, in a cluster that was recovered, for each node of the table at whose
// address another cluster is: it may be another incarnation of this one, and one of the two has
// to end.
func (c *Coordinator) incarnations(ctx context.Context) error {
	if len(c.cfg.Former) == 0 {
		return nil
	}
	var errs []error
	said := c.term.Load().others.all()
	for _, node := range slices.Sorted(maps.Keys(said)) {
		if c.cfg.State.View().NodeByName(node) == nil {
			continue // it was removed since
		}
		errs = append(errs, c.attempt(ctx, "incarnations", node, func(context.Context) error {
			return fmt.Errorf("at its address is another cluster, which may have been recovered as this one was: %w. End one of the two, and start its nodes with an empty --data", said[node])
		}))
	}
	return errors.Join(errs...)
}
