package fsm

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
)

// The cluster format says what may stand in the log and in snapshots:
//
//	1  everything up to 15 but what follows
//	2  tick
//	3  a key of the API belongs to one request
//	4  limits of a repo's size, flaws that it may have; holds say what is lost; approve and pin; files of the past
//
// Every member says in its row which format its binary speaks. The leader
// raises the cluster's to what all of them speak, and never lowers it. A
// command of a later format is refused until then; a binary that speaks less is
// refused when it joins, and stops when it starts.

const (
	formatKeys  = 3
	formatHolds = 4
	// FormatLimits brought the limits of a repo.
	FormatLimits = 4
)

// RemembersPast tells whether every member knows files of the past: from then on they
// are part of generations.
func (v *View) RemembersPast() bool { return v.tables.format >= formatHolds }

// Admit is asked by the leader before an entry is appended: it returns the
// entry stamped with the leader's log time, or an error that wraps
// ErrNotAdmitted when a member could not apply it. What Admit lets through,
// every member can decode.
func Admit(entry []byte, format uint32, at time.Time) ([]byte, error) {
	if len(entry) > MaxEntry {
		return nil, fmt.Errorf("%w: it has %d bytes, more than %d", ErrNotAdmitted, len(entry), MaxEntry)
	}
	d, err := decode(entry)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotAdmitted, err)
	}
	k := commands[d.number]
	if k.format > max(format, 1) {
		return nil, fmt.Errorf("%w: %s needs cluster format %d, the cluster is at %d: upgrade all nodes first", ErrNotAdmitted, k.name, k.format, max(format, 1))
	}
	var raise command.RaiseFormat
	if name := k.message.ProtoReflect().Descriptor().FullName(); name == raise.ProtoReflect().Descriptor().FullName() {
		if err := proto.Unmarshal(d.payload, &raise); err != nil || raise.GetFormat() > Format {
			return nil, fmt.Errorf("%w: cluster format %d is beyond this leader's %d", ErrNotAdmitted, raise.GetFormat(), Format)
		}
	}
	if err := admitLimits(k, d.payload, format); err != nil {
		return nil, err
	}
	if err := between("request id", d.requestID, 0, maxID); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotAdmitted, err)
	}
	var env command.Envelope
	if err := proto.Unmarshal(entry, &env); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotAdmitted, err)
	}
	env.AtUnixMs = at.UnixMilli()
	return proto.MarshalOptions{Deterministic: true}.Marshal(&env)
}

// admitLimits refuses new rows with limits that a member of an earlier format would not
// see.
func admitLimits(k kind, payload []byte, format uint32) error {
	var add command.AddRepos
	if format >= FormatLimits || k.message.ProtoReflect().Descriptor().FullName() != add.ProtoReflect().Descriptor().FullName() {
		return nil
	}
	if err := proto.Unmarshal(payload, &add); err != nil {
		return fmt.Errorf("%w: %w", ErrNotAdmitted, err)
	}
	for _, r := range add.GetRepos() {
		if p := r.GetPolicy(); p.GetMaxSize() != 0 || p.GetMaxObjectSize() != 0 || len(p.GetAccept()) > 0 {
			return fmt.Errorf("%w: limits of a repo need cluster format %d, the cluster is at %d: upgrade all nodes first", ErrNotAdmitted, FormatLimits, max(format, 1))
		}
	}
	return nil
}

func (s *State) raiseFormat(_ entry, c *command.RaiseFormat) *command.Outcome {
	t := &s.tables
	if c.GetFormat() <= t.format {
		return done()
	}
	if n := t.nodes.speaksLess(c.GetFormat()); n != nil {
		return refuse(CodeFormat, "node %s speaks cluster format %d, not %d", n.Name, n.Format, c.GetFormat())
	}
	t.format = c.GetFormat()
	return done()
}

// speaksLess returns a node that does not speak the format, or nil.
func (t *nodeTable) speaksLess(format uint32) *Node {
	for _, n := range t.sorted {
		if n.Format < format {
			return n
		}
	}
	return nil
}

// tick does nothing: its entry has told the time.
func (s *State) tick(entry, *command.Tick) *command.Outcome { return done() }
