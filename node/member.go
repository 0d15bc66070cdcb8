package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"google.golang.org/protobuf/proto"

	"gitmirror/api"
	"gitmirror/cluster"
	"gitmirror/fsm/command"
	"gitmirror/internal/giturl"
	"gitmirror/peer"
)

// member answers the calls of other nodes. Until the node has been put
// together only hello answers.
type member struct {
	cfg   Config
	id    *identity
	parts func() *parts // nil while starting
}

var errStarting = &api.Problem{Status: http.StatusServiceUnavailable, Code: "starting", Detail: "this node is starting"}

func (m *member) Hello() peer.Hello {
	h := peer.Hello{ClusterID: m.id.ClusterID, ID: m.id.ID, Name: m.cfg.Name, Version: m.cfg.Version}
	if p := m.parts(); p != nil {
		_, h.Leader = p.cluster.Leader()
	}
	return h
}

func (m *member) Join(ctx context.Context, rq peer.JoinRequest) (peer.JoinAnswer, error) {
	p := m.parts()
	if p == nil {
		return peer.JoinAnswer{}, errStarting
	}
	if !p.cluster.IsLeader() {
		return peer.JoinAnswer{}, peer.ErrNotLeader
	}
	if err := checkJoin(rq); err != nil {
		return peer.JoinAnswer{}, err
	}
	view := p.machine.state.View()
	if rq.ClusterID != "" && rq.ID != m.id.ID && view.NodeByID(rq.ID) == nil {
		return peer.JoinAnswer{}, &api.Problem{Status: http.StatusConflict, Code: "node_removed",
			Detail: fmt.Sprintf("node %s was removed from this cluster", rq.Name),
			Hint:   "start it with an empty --data directory and --join to have it in again"}
	}
	err := p.coordinator.Join(ctx, &command.Node{Id: rq.ID, Name: rq.Name, Peer: rq.Peer, Http: rq.HTTP, Version: rq.Version})
	if err != nil {
		return peer.JoinAnswer{}, problemOf(err)
	}
	a := peer.JoinAnswer{ClusterID: m.id.ClusterID}
	for _, n := range p.machine.state.View().Nodes() {
		if n.ID != rq.ID {
			a.Peers = append(a.Peers, n.Peer)
		}
	}
	return a, nil
}

func checkJoin(rq peer.JoinRequest) error {
	bad := func(format string, args ...any) error {
		return &api.Problem{Status: http.StatusBadRequest, Code: "join_invalid", Detail: fmt.Sprintf(format, args...)}
	}
	if _, _, err := net.SplitHostPort(rq.Peer); err != nil {
		return bad("the peer address %q is not host:port", rq.Peer)
	}
	return checkNodeName(rq.Name, bad)
}

func checkNodeName(name string, bad func(string, ...any) error) error {
	if err := giturl.CheckName(name); err != nil || len(name) > 100 {
		return bad("the node name %.100q has characters that names cannot have, or more than 100; choose another with --name", name)
	}
	return nil
}

func (m *member) Propose(ctx context.Context, entry []byte) ([]byte, uint64, error) {
	p := m.parts()
	if p == nil {
		return nil, 0, errStarting
	}
	response, index, err := p.cluster.Apply(ctx, entry)
	switch {
	case errors.Is(err, cluster.ErrNotLeader), errors.Is(err, cluster.ErrBusy):
		return nil, 0, fmt.Errorf("%w: %w", peer.ErrNotLeader, err)
	case err != nil:
		return nil, 0, fmt.Errorf("%w: %w", peer.ErrUnknown, err)
	}
	out, ok := response.(*command.Outcome)
	if !ok {
		return nil, 0, fmt.Errorf("%w: the state machine answered %T", peer.ErrUnknown, response)
	}
	data, err := proto.Marshal(out)
	return data, index, err
}

func (m *member) ReadIndex(ctx context.Context) (uint64, error) {
	p := m.parts()
	if p == nil {
		return 0, errStarting
	}
	index, err := p.cluster.ReadIndex(ctx)
	if errors.Is(err, cluster.ErrNotLeader) {
		err = peer.ErrNotLeader
	}
	return index, err
}

func (m *member) Table(ctx context.Context, id string, generation uint64) ([]byte, error) {
	p := m.parts()
	if p == nil {
		return nil, errStarting
	}
	return p.copies.Table(ctx, id, generation)
}

func (m *member) Sync(ctx context.Context, id string, wait bool) (api.SyncOutcome, error) {
	p := m.parts()
	if p == nil {
		return api.SyncOutcome{}, errStarting
	}
	return p.copies.Sync(ctx, id, wait)
}

func (m *member) Live(ids []string) peer.LiveAnswer {
	p := m.parts()
	if p == nil {
		return peer.LiveAnswer{}
	}
	return p.copies.Live(ids)
}
