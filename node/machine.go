package node

import (
	"io"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"gitmirror/fsm"
	"gitmirror/internal/crashpoint"
	"gitmirror/mirror/refs"
)

// machine is the state machine in the form raft wants it.
type machine struct {
	state *fsm.State
	fatal chan error

	mu     sync.Mutex
	broken error     // after it nothing is applied any more
	heard  time.Time // when an entry was last applied here
}

func newMachine() *machine {
	return &machine{state: fsm.New(), fatal: make(chan error, 1)}
}

// Apply returns a *command.Outcome, or an error that ends this process.
func (m *machine) Apply(l *raft.Log) any {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	r := m.state.Apply(l.Index, crashpoint.Spoil(l.Data))
	m.heard = time.Now()
	if r.Err != nil {
		m.broken = r.Err
		m.fatal <- r.Err
		return r.Err
	}
	return r.Outcome
}

// logTime is what the log says the time is: its last entry's, and what has gone
// by since. A log that never heard the time is told this node's.
func (m *machine) logTime() refs.LogTime {
	m.mu.Lock()
	heard := m.heard
	m.mu.Unlock()
	view := m.state.View()
	if view.Now().IsZero() || heard.IsZero() {
		return refs.LogTime{Now: time.Now()}
	}
	return refs.LogTime{Now: view.Now().Add(time.Since(heard)), DatesHold: view.DatesHold()}
}

func (m *machine) Snapshot() (raft.FSMSnapshot, error) { return snapshot{m.state.Capture()}, nil }

func (m *machine) Restore(r io.ReadCloser) error {
	defer r.Close()
	return m.state.Restore(r)
}

type snapshot struct{ capture *fsm.Capture }

func (s snapshot) Persist(sink raft.SnapshotSink) error {
	if err := s.capture.Persist(sink); err != nil {
		_ = sink.Cancel()
		return err
	}
	return sink.Close()
}

func (s snapshot) Release() {}
