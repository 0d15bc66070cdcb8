package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"gitmirror/internal/advice"
	"gitmirror/membership"
)

const (
	// stopBound is how long requests in flight may take to end when the node stops.
	stopBound = 5 * time.Second
	// lastWords is how long they may take, after that, to say why they end.
	lastWords = 2 * time.Second
	// closeBound is how long the parts may take to end after that.
	closeBound = 20 * time.Second
)

// errStopping is what those are told who are in the middle of a clone.
var errStopping = errors.New("this node is stopping; clone or fetch again, from another node")

// bodyBound is how long the body of a request may take to come: 64 MiB of git's, at
// the most.
const bodyBound = 2 * time.Minute

// run runs the parts until ctx ends or one of them cannot go on, then stops
// them in reverse:
//
//  1. the API and git port takes no new requests, running ones end or are cut;
//  2. checks end, while peers are served on until what only this node has is on
//     another (handOver);
//  3. the mirror ends: its git children are killed, nothing half-done shows;
//  4. leadership goes to another voter, gossip hears of the leave, raft closes;
//  5. the peer port closes last, its server with it (in Run).
func (n *node) run(ctx context.Context, public *answering) error {
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	g, gctx := errgroup.WithContext(work)
	web := public.http
	g.Go(func() error { return n.engine.Run(gctx) })
	g.Go(func() error {
		if err := n.cluster.WhileLeader(gctx, n.coordinator.Lead); gctx.Err() == nil {
			return err
		}
		return nil
	})
	g.Go(func() error { return n.catchUp(gctx) })
	g.Go(func() error { return n.agent.Run(gctx, n.engine) })
	g.Go(func() error {
		select {
		case <-n.ready:
			return n.lister.Run(gctx)
		case <-gctx.Done():
			return nil
		}
	})
	g.Go(func() error {
		select {
		case <-n.ready:
			return n.lister.RunForges(gctx)
		case <-gctx.Done():
			return nil
		}
	})
	g.Go(func() error { return n.announce(gctx) })
	g.Go(func() error { return n.watch(gctx) })
	g.Go(func() error { return n.stand(gctx) })
	g.Go(func() error { return n.remember(gctx) })
	g.Go(func() error { n.tellLeader(gctx); return nil })
	g.Go(func() error {
		select {
		case <-n.ready:
			return n.story.Run(gctx)
		case <-gctx.Done():
			return nil
		}
	})
	g.Go(func() error {
		select {
		case err := <-public.done:
			if !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve HTTP: %w", err)
			}
		case <-gctx.Done():
		}
		return nil
	})
	if n.cfg.Ready != nil {
		n.cfg.Ready(n.info)
	}
	select {
	case <-ctx.Done():
		n.log.Info("stopping")
	case <-gctx.Done():
		if err := context.Cause(gctx); beyondTrust(err) {
			return n.halt(err, web, g)
		}
	}
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopBound)
	defer cancel()
	if err := web.Shutdown(bound); err != nil {
		n.log.Warn("ending requests that did not end in time", "bound", stopBound)
		public.cut(errStopping)
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
		defer cancel()
		if web.Shutdown(last) != nil {
			_ = web.Close()
		}
	}
	if ctx.Err() != nil {
		n.handOver(gctx)
	}
	if err := context.Cause(gctx); beyondTrust(err) { // it came while we were stopping
		return n.halt(err, web, g)
	}
	stopWork()
	closed := make(chan error, 1)
	go func() {
		err := g.Wait()
		leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopBound)
		defer cancel()
		closed <- errors.Join(err, n.cluster.Shutdown(leave))
	}()
	all, err := ended(closed)
	if all {
		n.peers.Close()
		n.log.Info("stopped")
	}
	return err
}

// ended waits for everything to end, and no longer than closeBound: the end of the
// process closes the rest.
func ended(closed <-chan error) (all bool, err error) {
	late := time.NewTimer(closeBound)
	defer late.Stop()
	select {
	case err := <-closed:
		return true, err
	case <-late.C:
		return false, &advice.Error{Message: fmt.Sprintf("not everything had ended %s after the work: a disk may hang", closeBound), Try: "look after the disk of the --data directory"}
	}
}

const (
	catchUpRetry     = 100 * time.Millisecond
	readIndexTimeout = 5 * time.Second
)

// catchUp waits until this node has applied what a leader has committed: the agent
// works from then on.
func (n *node) catchUp(ctx context.Context) error {
	for {
		once, cancel := context.WithTimeout(ctx, readIndexTimeout)
		err := n.consensus.CatchUp(once)
		cancel()
		if err == nil {
			if err := n.id.Founded(); err != nil {
				return err
			}
			close(n.ready)
			n.log.Info("caught up", "index", n.cluster.AppliedIndex())
			return nil
		}
		t := time.NewTimer(catchUpRetry)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil
		}
	}
}

// watch ends the node where going on would be wrong.
func (n *node) watch(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-n.machine.fatal:
		return &advice.Error{Message: err.Error(), Try: "upgrade this node to the release of the others", Err: err}
	case err := <-n.cluster.Fatal():
		return n.storeProblem(err)
	case <-n.cluster.Removed():
		return removed(membership.ErrOut)
	}
}
