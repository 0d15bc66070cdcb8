package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"gitmirror/fsm"
	"gitmirror/internal/refusal"
	"gitmirror/peer"
)

const (
	joinEvery   = 500 * time.Millisecond
	joinSayEach = 10 * time.Second
	callTimeout = 5 * time.Second
)

// join asks the seeds to take this node in until one does, and returns the
// cluster's id. It says every ten seconds why it is not in yet. A refusal is
// final.
func (n *node) join(ctx context.Context) (string, error) {
	said := time.Now().Add(-joinSayEach + time.Second)
	for {
		var last error
		for _, seed := range n.cfg.Join {
			clusterID, err := n.joinThrough(ctx, seed)
			if err == nil {
				return clusterID, nil
			}
			if r := refusal.Of(err); r != nil && r.Final() {
				return "", refusedJoin(seed, r)
			}
			last = fmt.Errorf("%s: %w", seed, err)
		}
		if now := time.Now(); now.Sub(said) >= joinSayEach {
			n.log.Warn("not joined yet, trying again", "err", last)
			said = now
		}
		t := time.NewTimer(joinEvery)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return "", ctx.Err()
		}
	}
}

func refusedJoin(seed string, r *refusal.Error) *Error {
	e := &Error{Message: fmt.Sprintf("the cluster at %s refused this node: %s", seed, r.Detail), Try: r.Hint, Code: 1, Err: r}
	switch r.Code {
	case refusal.ConflictNode:
		e.Code = 6
		e.Try = "choose another with --name; or, where the other is gone for good: gitmirror node rm NAME --yes"
	case refusal.NodeRemoved, refusal.NodeCopied, refusal.ConflictAddress:
		e.Code = 6
	case refusal.FormatTooOld:
		e.Try = "start it with the gitmirror that the other nodes run"
	default:
		if r.HTTP() == http.StatusBadRequest {
			e.Code = 2
		}
	}
	return e
}

func (n *node) joinThrough(ctx context.Context, seed string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	h, err := n.peers.Hello(ctx, seed)
	if err != nil {
		return "", err
	}
	if h.ID == n.id.ID {
		return "", errors.New("that is this node itself")
	}
	if h.Leader == "" {
		return "", errors.New("it has no leader now")
	}
	a, err := n.peers.Join(ctx, h.Leader, n.joinRequest())
	return a.ClusterID, err
}

func (n *node) joinRequest() peer.JoinRequest {
	return peer.JoinRequest{ID: n.id.ID, Name: n.cfg.Name, Peer: n.info.Peer, HTTP: n.info.HTTP, Version: n.cfg.Version, ClusterID: n.id.ClusterID,
		Run: n.runID, Runs: n.id.Runs, Format: fsm.Format}
}

// checkSeeds refuses to go on when --join points at another cluster than the
// one this data directory belongs to. Seeds that do not answer prove nothing.
func (n *node) checkSeeds(ctx context.Context) error {
	for _, seed := range n.cfg.Join {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		h, err := n.peers.Hello(ctx, seed)
		cancel()
		if err == nil && h.ClusterID != "" && h.ClusterID != n.id.ClusterID {
			return &Error{Code: 6, Message: fmt.Sprintf("%s belongs to cluster %s, but this data directory to cluster %s", seed, h.ClusterID, n.id.ClusterID),
				Try: "start without --join to go on in its own cluster, or with an empty --data directory to join the other"}
		}
	}
	n.log.Info("this node has a cluster already, --join is not needed", "join", strings.Join(n.cfg.Join, ","), "cluster", n.id.ClusterID)
	return nil
}

// announce has the table say what is true of this node: its name, addresses
// and version. It returns when it does, or when the node was removed.
func (n *node) announce(ctx context.Context) error {
	alone, said := time.Now(), time.Now().Add(-joinSayEach+time.Second)
	for {
		if row := n.machine.state.View().NodeByID(n.id.ID); row != nil && row.Name == n.cfg.Name && row.Peer == n.info.Peer &&
			row.HTTP == n.info.HTTP && row.Version == n.cfg.Version && row.Run == n.runID && row.Format == fsm.Format && n.consensus.Ready() == nil {
			return nil
		}
		err := n.announceOnce(ctx, time.Since(alone) > 3*time.Second)
		r := refusal.Of(err)
		if r != nil && final(r) {
			return refusedJoin("its peers", r)
		}
		if now := time.Now(); r != nil && now.Sub(said) >= joinSayEach {
			n.log.Warn("the leader does not write down where this node is, trying again", "err", err, "try", r.Hint)
			said = now
		}
		t := time.NewTimer(joinEvery)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil
		}
	}
}

// final tells a refusal that asking again does not change. A row that moved on is looked
// at again: if another process runs as this node, that ends it elsewhere.
func final(r *refusal.Error) bool {
	return r.Final() && r.Code != refusal.StaleRun
}

// announceOnce tells the leader. A node that moved may not hear from one: then
// it asks those it knew.
func (n *node) announceOnce(ctx context.Context, ask bool) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	id, addr := n.cluster.Leader()
	switch {
	case id == n.id.ID:
		_, err := n.member.Join(ctx, n.joinRequest())
		return err
	case id != "":
		_, err := n.peers.Join(ctx, addr, n.joinRequest())
		return err
	case !ask:
		return nil
	}
	var errs []error
	for _, addr := range n.seeds() {
		if h, err := n.peers.Hello(ctx, addr); err == nil && h.ClusterID == n.id.ClusterID && h.Leader != "" && h.ID != n.id.ID {
			_, err := n.peers.Join(ctx, h.Leader, n.joinRequest())
			if err == nil {
				return nil
			}
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// seeds are where members should be: as the table says, which is empty at first
// after a restart, as the raft configuration says, and as we were told.
func (n *node) seeds() []string {
	list := slices.Concat(n.cfg.Join, n.id.members())
	p := n.built.Load()
	if p == nil { // gossip asks before everything is put together
		return list
	}
	for _, row := range p.machine.state.View().Nodes() {
		if row.ID != n.id.ID && row.Peer != "" {
			list = append(list, row.Peer)
		}
	}
	if servers, err := p.cluster.Servers(); err == nil {
		for _, s := range servers {
			if s.ID != n.id.ID {
				list = append(list, s.Addr)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
