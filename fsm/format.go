package fsm

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// The cluster format says what may stand in the log and in snapshots:
//
//	1  everything up to 15 but what follows
//	2  tick
//	3  a key of the API belongs to one request
//	4  limits of a repo's size; holds say what is lost; approve and pin; files of the past
//	5  flaws that a repo's objects may have; words of persons are for the first check that
//	   hears them, and say what was shown; what was approved before is to be approved anew
//	6  events of copies, of what ends while something else goes on, and who tells of them
//	6  rows change: name, aliases, upstream, labels, copies, interval; they are paused
//	7  nodes are drained; one is removed though copies are lost with it; a recovered cluster
//	   has another name; removed rows are remembered, and restored
//	8  an interval of 0 is learned; what has long not been there is parked
//	9  an upstream says that it is elsewhere from now on
//	10  another url than the first is asked
//	11  sources claim rows
//	12  sources may be forges
//	13  what claims have in .gitmodules is claimed too
//	14  listings tell how far they have come; what of submodules would go is held; credentials that cannot be
//	   used are told; what moves from one account of a forge to another keeps its row; an error lasts since the
//	   first attempt that failed
//
// Every member says in its row which format its binary speaks. The leader
// raises the cluster's to what all of them speak, and never lowers it. A
// command of a later format is refused until then; a binary that speaks less is
// refused when it joins, and stops when it starts. Another format is another line above, and
// newest.

const (
	formatKeys   = 3
	formatHolds  = 4
	formatLimits = 4 // of a repo's policy
	formatFlaws  = 5 // of a repo's policy
	formatWords  = 5
	formatEvents = 6

	formatChanges = 6 // of rows, and of copies and interval in a policy

	formatRecovery = 7 // of a cluster that has lost its quorum for good
	formatDrain    = 7 // of nodes, and their removal in spite of what is lost

	formatTrash = 7 // what was removed is remembered while its copies are in the trash

	formatRhythm = 8 // of policies whose interval is learned, and of what is parked

	formatMoved = 9 // what upstreams say of where they are

	formatFallback = 10 // which of an upstream's urls is asked

	formatSources = 11 // of repos, and claims on rows

	formatForges = 12 // as sources, and names that rows had before

	formatSubmodules = 13 // in listings

	formatCourse = 14 // of listings, and what else 14 brought

	newest = 14 // that is known here
)

// RemembersPast tells whether every member knows files of the past: from then on they
// are part of generations.
func (v *View) RemembersPast() bool { return v.tables.format >= formatHolds }

// ChangesRows tells whether every member knows commands that change rows.
func (v *View) ChangesRows() bool { return v.tables.format >= formatChanges }

// KnowsMoved tells whether every member knows that upstreams say where they are.
func (v *View) KnowsMoved() bool { return v.tables.format >= formatMoved }

// KnowsFallbacks tells whether every member knows that another url than the first may be asked.
func (v *View) KnowsFallbacks() bool { return v.tables.format >= formatFallback }

// KnowsSubmodules tells whether every member knows that submodules are claimed with what names them.
func (v *View) KnowsSubmodules() bool { return v.tables.format >= formatSubmodules }

// KnowsCourse tells whether every member knows how far listings come, what of submodules is held, and
// credentials that cannot be used.
func (v *View) KnowsCourse() bool { return v.tables.format >= formatCourse }

// KnowsRecovery tells whether every member knows that a cluster may be recovered.
func (v *View) KnowsRecovery() bool { return v.tables.format >= formatRecovery }

// ParksRepos tells whether every member knows of what is parked.
func (v *View) ParksRepos() bool { return v.tables.format >= formatRhythm }

// Admit is asked by the leader before an entry is appended: it returns the
// entry stamped with the leader's log time, or a refusal, EntryInvalid
// or FormatTooOld, when a member could not apply it. What Admit lets through,
// every member can decode.
func Admit(entry []byte, format uint32, at time.Time) ([]byte, error) {
	if len(entry) > MaxEntry {
		return nil, fmt.Errorf("%w: it has %d bytes, more than %d", refusal.EntryInvalid, len(entry), MaxEntry)
	}
	d, err := decode(entry)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", refusal.EntryInvalid, err)
	}
	k := commands[d.number]
	if k.format > max(format, 1) {
		return nil, fmt.Errorf("%w: %s needs cluster format %d, the cluster is at %d", refusal.FormatTooOld, k.name, k.format, max(format, 1))
	}
	var raise command.RaiseFormat
	if name := k.message.ProtoReflect().Descriptor().FullName(); name == raise.ProtoReflect().Descriptor().FullName() {
		if err := proto.Unmarshal(d.payload, &raise); err != nil || raise.GetFormat() > Format {
			return nil, fmt.Errorf("%w: cluster format %d is beyond this leader's %d", refusal.FormatTooOld, raise.GetFormat(), Format)
		}
	}
	if err := admitWords(k, d.payload, format); err != nil {
		return nil, err
	}
	if err := between("request id", d.requestID, 0, maxID); err != nil {
		return nil, fmt.Errorf("%w: %w", refusal.EntryInvalid, err)
	}
	var env command.Envelope
	if err := proto.Unmarshal(entry, &env); err != nil {
		return nil, fmt.Errorf("%w: %w", refusal.EntryInvalid, err)
	}
	env.AtUnixMs = at.UnixMilli()
	return proto.MarshalOptions{Deterministic: true}.Marshal(&env)
}

// admitWords refuses limits, losses and words that a member of an earlier format would not see, or
// would take otherwise.
func admitWords(k kind, payload []byte, format uint32) error {
	if format >= Format {
		return nil
	}
	m := k.message.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(payload, m); err != nil {
		return fmt.Errorf("%w: %w", refusal.EntryInvalid, err)
	}
	switch m := m.(type) {
	case *command.AddRepos:
		for _, r := range m.GetRepos() {
			if err := AdmitPolicy(policyOf(r.GetPolicy()), format); err != nil {
				return err
			}
		}
	case *command.SetPolicy:
		return AdmitChange(changeOf(m), format)
	case *command.Approve:
		return needs(formatWords, "approvals", format)
	case *command.PutSource:
		if m.GetSource().GetForge() != nil {
			return AdmitForges(format)
		}
	case *command.SetSource:
		if m.GetSelection() != nil {
			return AdmitForges(format)
		}
	case *command.Listing:
		if m.GetCourse() != nil || m.GetSubmodules().GetHold() != nil {
			return needs(formatCourse, "how far listings come, and what of submodules is held,", format)
		}
		if m.GetSubmodules() != nil {
			return needs(formatSubmodules, "submodules of what sources list", format)
		}
	case *command.PutCredentials:
		if len(m.GetUnusable()) > 0 {
			return needs(formatCourse, "credentials that cannot be used", format)
		}
	case *command.RemoveNode:
		if m.GetAcceptLoss() {
			return needs(formatDrain, "removals in spite of what is lost", format)
		}
	}
	return nil
}

// needs refuses what a cluster of that format does not know.
func needs(least uint32, what string, format uint32) error {
	if format >= least {
		return nil
	}
	return refusal.New(refusal.FormatTooOld, "%s need cluster format %d, the cluster is at %d", what, least, max(format, 1))
}

func (s *State) raiseFormat(e entry, c *command.RaiseFormat) *command.Outcome {
	t := &s.tables
	if c.GetFormat() <= t.format {
		return done()
	}
	if n := t.nodes.speaksLess(c.GetFormat()); n != nil {
		return refuse(refusal.FormatTooOld, "node %s speaks cluster format %d, not %d", n.Name, n.Format, c.GetFormat())
	}
	if t.format < formatWords && c.GetFormat() >= formatWords {
		t.forgetUnheard(e)
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

// AdmitSources refuses sources while a member does not know them.
func AdmitSources(format uint32) error {
	return needs(formatSources, "sources of repositories", format)
}
