package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/cluster"
	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/peer"
)

// proposer commits commands through whoever leads: here, or over the peer
// port.
type proposer struct {
	self    string
	cluster *cluster.Cluster
	peers   *peer.Client
}

// retryAfter is the pause before another try where nothing announces that it
// would go better.
const retryAfter = 100 * time.Millisecond

// Propose blocks until the command is applied on this node. While ctx lasts it
// tries again, with the same entry: a request id makes that harmless, and
// commands without one are harmless to repeat.
func (p *proposer) Propose(ctx context.Context, msg proto.Message, requestID string) (*command.Outcome, error) {
	entry, err := fsm.Encode(msg, requestID, time.Now())
	if err != nil {
		return nil, err
	}
	var last error
	for {
		changed := p.cluster.LeaderChanged()
		out, index, err := p.once(ctx, entry)
		if err == nil {
			return out, p.cluster.WaitApplied(ctx, index)
		}
		var fatal *fsm.FatalError
		if errors.Is(err, cluster.ErrClosed) || errors.As(err, &fatal) {
			return nil, err
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		again := time.NewTimer(retryAfter)
		select {
		case <-changed:
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return nil, fmt.Errorf("%w (%w)", last, ctx.Err())
		}
		again.Stop()
	}
}

var errNoLeader = errors.New("there is no leader")

func (p *proposer) once(ctx context.Context, entry []byte) (*command.Outcome, uint64, error) {
	id, addr := p.cluster.Leader()
	switch {
	case id == "":
		return nil, 0, errNoLeader
	case id == p.self:
		response, index, err := p.cluster.Apply(ctx, entry)
		if err != nil {
			return nil, 0, err
		}
		out, ok := response.(*command.Outcome)
		if !ok {
			return nil, 0, fmt.Errorf("the state machine answered %T", response)
		}
		return out, index, nil
	}
	data, index, err := p.peers.Propose(ctx, addr, entry)
	if err != nil {
		return nil, 0, err
	}
	out := &command.Outcome{}
	if err := proto.Unmarshal(data, out); err != nil {
		return nil, 0, fmt.Errorf("read the leader's answer: %w", err)
	}
	return out, index, nil
}
