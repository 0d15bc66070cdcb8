package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"gitmirror/cluster"
	"gitmirror/internal/advice"
	"gitmirror/internal/boltfile"
	"gitmirror/membership"
)

// storeProblem adds to what is wrong with the raft directory, or with state.db, what to do about
// it. A node that cannot trust its log must not come back under its old id.
func (n *node) storeProblem(err error) error {
	var lost *cluster.LogLostError
	var damaged *cluster.DamagedError
	var failed *cluster.StoreError
	anew := fmt.Sprintf("remove the node from the cluster: gitmirror node rm %s --yes, then start it with an empty --data directory", n.cfg.Name)
	mend := "look after the disk of the --data directory, then start again"
	switch {
	case errors.Is(err, boltfile.ErrNoFile):
		return &advice.Error{Message: err.Error(), Try: "move it aside, put back the file that it has taken the place of, then start again", Err: err}
	case errors.As(err, &lost):
		return &advice.Error{Message: lost.Error(), Try: anew, Err: err}
	case errors.As(err, &damaged):
		return &advice.Error{Message: damaged.Error(), Try: anew, Err: err}
	case errors.As(err, &failed):
		return &advice.Error{Message: failed.Error(), Try: mend, Err: err}
	case errors.Is(err, cluster.ErrDiskHung):
		return &advice.Error{Message: err.Error(), Try: mend, Err: err}
	}
	return err
}

// beyondTrust tells whether nothing may be written to the log any more, so that
// a stop in good order would only take time.
func beyondTrust(err error) bool {
	return errors.Is(err, cluster.ErrDamaged) || errors.Is(err, cluster.ErrStoreFailed) || errors.Is(err, cluster.ErrDiskHung) ||
		errors.Is(err, membership.ErrOutvoted)
}

// haltBound is how long the parts may take to end where the process ends anyway.
const haltBound = time.Second

// halt ends the node at once. What does not end in time, because its disk hangs,
// is left to the end of the process.
func (n *node) halt(reason error, web *http.Server, g *errgroup.Group) error {
	_ = web.Close()
	ctx, cancel := context.WithTimeout(context.Background(), haltBound)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = n.cluster.Abort(ctx)
		_ = g.Wait()
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	n.peers.Close()
	return reason
}
