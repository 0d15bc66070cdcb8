package fsm

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
	"gitmirror/internal/signal"
)

// State is the state machine. Entries are applied one after the other; every
// other method may be called from any goroutine at any time.
type State struct {
	mu       sync.Mutex
	tables   tables
	requests requests
	shared   interner
	view     *View // of tables as they are, nil when not asked for yet
	changed  signal.Signal
}

// Result is what Apply answers.
type Result struct {
	Outcome *command.Outcome // not to be written to; nil when Err is set
	Err     error            // a *FatalError: nothing changed, the node must stop
}

// entry is what a command may know of the log entry it came in.
type entry struct {
	index uint64
	at    time.Time // log time
}

// New returns the state before the first entry.
func New() *State {
	return &State{tables: newTables(), requests: newRequests()}
}

// Apply brings the entry into the state. An entry with a request id that is
// remembered answers as the first one did, and changes nothing.
func (s *State) Apply(index uint64, data []byte) Result {
	cmd, err := decode(data)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && index <= s.tables.index {
		err = ErrOutOfOrder
	}
	if err != nil {
		return Result{Err: &FatalError{Index: index, Number: cmd.number, Err: err}}
	}

	s.tables.markBefore(index)
	defer s.tables.markAt(index)
	s.tables.index = index
	s.tables.tell(cmd.atMS)
	s.wake()
	if s.tables.datesHold() {
		s.requests.forget(s.tables.nowMS)
		s.tables.trash.empty(s.tables.nowMS)
	}
	if outcome, known := s.requests.find(cmd.requestID); known {
		return Result{Outcome: outcome}
	}
	if s.tables.format >= formatKeys && s.requests.reused(cmd.requestID) {
		outcome := refuse(refusal.KeyReused, "this key was used for another request")
		outcome.Index = index
		return Result{Outcome: outcome}
	}
	outcome := cmd.apply(s, entry{index: index, at: atTime(s.tables.nowMS)})
	outcome.Index = index
	s.requests.remember(cmd.requestID, s.tables.nowMS, outcome)
	return Result{Outcome: outcome}
}

// Try tells what a command would come to, and does nothing.
func (s *State) Try(msg proto.Message) (*command.Outcome, error) {
	payload, err := proto.Marshal(msg)
	if err != nil {
		return nil, err
	}
	number, known := numbers[msg.ProtoReflect().Descriptor().FullName()]
	if !known {
		return nil, fmt.Errorf("try %T: not a command", msg)
	}
	apply, err := commands[number].decode(payload)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	aside := &State{tables: s.tables.clone(), requests: newRequests()}
	aside.tables.held.ownAll() // a tree is copied by writing to it, which is for who has the lock
	s.mu.Unlock()
	aside.tables.moved = journal{} // whose memory is shared with what is appended to it
	return apply(aside, entry{index: aside.tables.index + 1, at: atTime(aside.tables.nowMS)}), nil
}

// View returns the state as it is now. It is cheap, and cheaper still when
// nothing was applied since the last call.
func (s *State) View() *View {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.freeze()
}

func (s *State) freeze() *View {
	if s.view == nil {
		s.view = &View{tables: s.tables.clone()}
	}
	return s.view
}

// Changed returns a channel that is closed by the next entry applied or
// snapshot restored. Ask for it before looking at the View, or miss a change.
func (s *State) Changed() <-chan struct{} { return s.changed.Next() }

// wake tells those who wait that the state is another one.
func (s *State) wake() {
	s.view = nil
	s.changed.Fire()
}

// Wait returns when the entry at index, or a later one, has been applied. Only
// commands count: raft's own entries do not come by here.
func (s *State) Wait(ctx context.Context, index uint64) error {
	for {
		changed := s.Changed()
		if s.View().Index() >= index {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
