package node

import (
	"errors"
	"fmt"

	"gitmirror/cluster"
)

// logMade notes the raft log of this directory: see identity.Log.
func (n *node) logMade(id string) error {
	return n.id.update(n.cfg.Dir, func() { n.id.Log = id })
}

// storeProblem adds to what is wrong with the raft directory what to do about
// it. A node that cannot trust its log must not come back under its old id.
func (n *node) storeProblem(err error) error {
	if !errors.Is(err, cluster.ErrLogLost) {
		return err
	}
	return &Error{Message: err.Error(), Err: err,
		Try: fmt.Sprintf("remove the node from the cluster: gitmirror node rm %s --yes, then start it with an empty --data directory", n.cfg.Name)}
}
