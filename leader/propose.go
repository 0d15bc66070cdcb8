package leader

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/cluster"
	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// Consensus is the raft group, in the words of package cluster.
type Consensus interface {
	Leader() (id, addr string)
	LeaderChanged() <-chan struct{}
	Apply(ctx context.Context, entry []byte) (response any, index uint64, err error)
	WaitApplied(ctx context.Context, index uint64) error
	// ReadIndex is answered while this node leads.
	ReadIndex(ctx context.Context) (uint64, error)
}

// Peers calls the leader at addr.
type Peers interface {
	// Propose has it commit an entry, and returns what its state machine made of it.
	Propose(ctx context.Context, addr string, entry []byte) (outcome []byte, index uint64, err error)
	ReadIndex(ctx context.Context, addr string) (uint64, error)
}

// Reach reaches whoever leads. It is safe for concurrent use.
type Reach struct {
	Self      string // node id
	Consensus Consensus
	Peers     Peers
	Format    func() uint32    // the cluster format
	Clock     func() time.Time // the time of day on this machine
	Now       func() time.Time // log time, while this node leads
	// Proposed is told what each proposal of this node came to, one of Fates. It must not
	// block. May be nil.
	Proposed func(fate string, took time.Duration)

	silence silence
}

// Fates are what proposals come to: refused ones are so for good, unknown ones may be
// committed or not.
var Fates = []string{fateApplied, fateRefused, fateUnknown}

const (
	fateApplied = "applied"
	fateRefused = "refused"
	fateUnknown = "unknown"
)

// retryAfter is the pause before another try where nothing announces that it
// would go better.
const retryAfter = 100 * time.Millisecond

// ErrNone says that there is no leader now.
var ErrNone = errors.New("there is no leader")

// Propose blocks until the command is applied on this node. While ctx lasts it
// tries again, with the same entry: a request id makes that harmless, and
// commands without one are harmless to repeat. An error means that it may or may
// not be committed, but for a refusal that is final.
func (r *Reach) Propose(ctx context.Context, msg proto.Message, requestID string) (*command.Outcome, error) {
	began := time.Now()
	out, err := r.propose(ctx, msg, requestID)
	if r.Proposed != nil {
		r.Proposed(fateOf(out, err), time.Since(began))
	}
	return out, err
}

func fateOf(out *command.Outcome, err error) string {
	if err == nil {
		err = fsm.AsError(out)
	}
	switch {
	case err == nil:
		return fateApplied
	case final(err), errors.Is(err, fsm.ErrTooLarge):
		return fateRefused
	}
	return fateUnknown
}

func (r *Reach) propose(ctx context.Context, msg proto.Message, requestID string) (*command.Outcome, error) {
	entry, err := fsm.Encode(msg, requestID, r.Clock())
	if err != nil {
		return nil, err
	}
	var last error
	for {
		changed := r.Consensus.LeaderChanged()
		out, index, err := r.once(ctx, entry)
		if err == nil {
			return out, r.Consensus.WaitApplied(ctx, index)
		}
		if final(err) {
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

// final tells errors that another try will not mend.
func final(err error) bool {
	var fatal *fsm.FatalError
	refused := refusal.Of(err)
	return errors.Is(err, cluster.ErrClosed) || errors.As(err, &fatal) || refused != nil && refused.Final()
}

func (r *Reach) once(ctx context.Context, entry []byte) (*command.Outcome, uint64, error) {
	id, addr := r.Consensus.Leader()
	switch id {
	case "":
		return nil, 0, ErrNone
	case r.Self:
		return r.Commit(ctx, entry)
	}
	began := time.Now()
	data, index, err := r.Peers.Propose(ctx, addr, entry)
	r.silence.note(ctx, addr, began, err)
	if err != nil {
		return nil, 0, err
	}
	out := &command.Outcome{}
	if err := proto.Unmarshal(data, out); err != nil {
		return nil, 0, fmt.Errorf("read the leader's answer: %w", err)
	}
	return out, index, nil
}

// Commit appends an entry as the leader, if every member can apply it. The
// entry may come from anybody.
func (r *Reach) Commit(ctx context.Context, entry []byte) (*command.Outcome, uint64, error) {
	admitted, err := fsm.Admit(entry, r.Format(), r.Now())
	if err != nil {
		return nil, 0, err
	}
	response, index, err := r.Consensus.Apply(ctx, admitted)
	if err != nil {
		return nil, 0, err
	}
	out, ok := response.(*command.Outcome)
	if !ok {
		return nil, 0, fmt.Errorf("the state machine answered %T", response)
	}
	return out, index, nil
}

// ReadIndex returns, from whoever leads, an index to wait for: what is read after that has
// everything that was committed before the call.
func (r *Reach) ReadIndex(ctx context.Context) (uint64, error) {
	id, addr := r.Consensus.Leader()
	switch id {
	case "":
		return 0, ErrNone
	case r.Self:
		return r.Consensus.ReadIndex(ctx)
	}
	return r.Peers.ReadIndex(ctx, addr)
}
