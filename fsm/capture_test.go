package fsm

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"gitmirror/fsm/command"
)

// lived is a machine with something in each table.
func lived(t testing.TB) *machine {
	m := published1(t)
	two := newRepo("two")
	two.Policy = &command.Policy{Replicas: 3, IntervalMs: 1000}
	two.Labels = map[string]string{"team": "x", "kind": "y"}
	m.ok(addRepos(two, newRepo("three")))
	m.ok(&command.RemoveRepos{Ids: []string{"three"}})
	m.ok(failing("network", "no route"))
	m.ok(health(func(h *command.HealthReport) { h.HoldReason, h.HoldDigest = "empty", digest(9) }))
	m.ok(setNode("c", command.NodeState_NODE_STATE_DOWN))
	m.request("remembered", publish("two", 1))
	return m
}

func TestRestore(t *testing.T) {
	m := lived(t)
	data := m.snapshot()
	other := newMachine(t)
	changed := other.state.Changed()
	if err := other.state.Restore(bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-changed:
	default:
		t.Error("a restore wakes nobody")
	}
	other.index, other.now = m.index, m.now
	if got := other.snapshot(); !bytes.Equal(got, data) {
		t.Error("a snapshot of the restored state differs")
	}
	if m.rows() == "" || other.state.View().Index() != m.index {
		t.Errorf("index %d, want %d", other.state.View().Index(), m.index)
	}
	for _, m := range []*machine{m, other} {
		m.request("remembered", &command.RemoveRepos{Ids: []string{"one"}})
		m.ok(publish("two", 2))
		m.ok(addRepos(newRepo("four")))
	}
	if !bytes.Equal(m.snapshot(), other.snapshot()) {
		t.Error("the states went apart after the restore")
	}
}

func TestRestoreRefusesWhatIsDamaged(t *testing.T) {
	good := lived(t).snapshot()
	damage := map[string]func([]byte) []byte{
		"empty":         func([]byte) []byte { return nil },
		"no header":     func(b []byte) []byte { return b[:10] },
		"other file":    func(b []byte) []byte { b[0] = 'X'; return b },
		"newer version": func(b []byte) []byte { b[7]++; return b },
		"cut in half":   func(b []byte) []byte { return b[:len(b)/2] },
		"no checksum":   func(b []byte) []byte { return b[:len(b)-sha256.Size] },
		"short by one":  func(b []byte) []byte { return b[:len(b)-1] },
		"flipped index": func(b []byte) []byte { b[15] ^= 1; return b },
		"flipped bit":   func(b []byte) []byte { b[len(b)-100] ^= 1; return b },
		"flipped sum":   func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"tail":          func(b []byte) []byte { return append(b, 0) },
		"huge record": func(b []byte) []byte {
			return append(b[:headerSize:headerSize], binary.AppendUvarint(nil, 1<<40)...)
		},
	}
	for name, edit := range damage {
		t.Run(name, func(t *testing.T) {
			m := published1(t)
			before := m.snapshot()
			err := m.state.Restore(bytes.NewReader(edit(bytes.Clone(good))))
			if !errors.Is(err, ErrSnapshot) {
				t.Errorf("error %v", err)
			}
			if name == "newer version" && !strings.Contains(err.Error(), "upgrade this node") {
				t.Errorf("error %v lacks a hint", err)
			}
			if !bytes.Equal(m.snapshot(), before) {
				t.Error("a failed restore changed the state")
			}
		})
	}
}

type brokenWriter struct{ left int }

func (w *brokenWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestPersistReportsItsWriter(t *testing.T) {
	m := lived(t)
	for size := range len(m.snapshot()) {
		if err := m.state.Capture().Persist(&brokenWriter{left: size}); err == nil {
			t.Fatalf("persist into %d bytes succeeded", size)
		}
	}
}

func TestEventsAreBounded(t *testing.T) {
	m := cluster(t)
	m.ok(addRepos(newRepo("one")))
	r := m.state.tables.events
	for range maxEvents + 5 {
		r.add(&Event{Type: EventPublished})
	}
	if n := r.tree.Len(); n != maxEvents {
		t.Errorf("%d events, want %d", n, maxEvents)
	}
	changes := make([]*command.Change, MaxChanges)
	for i := range changes {
		changes[i] = &command.Change{Ref: fmt.Sprint("refs/heads/", strings.Repeat("x", 1000))}
	}
	for range 500 {
		r.add(&Event{Type: EventPublished, Changes: changes})
	}
	if r.bytes > maxEventBytes {
		t.Errorf("events of %d bytes", r.bytes)
	}
	list := r.after(r.last - 3)
	if len(list) != 3 || list[2].Seq != r.last {
		t.Errorf("the last three events are %d", len(list))
	}
	if list := r.after(r.last); list != nil {
		t.Errorf("%d events after the last", len(list))
	}
}
