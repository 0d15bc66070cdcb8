package mirror

import (
	"context"
	"slices"
	"time"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/refs"
)

// Role is what a node does for one copy.
type Role string

// The owner polls upstream and publishes; replicas copy from it.
const (
	Owner   Role = "owner"
	Replica Role = "replica"
)

// Policy is how one repository is mirrored.
type Policy struct {
	Interval time.Duration // between two checks
	Prefixes []string      // of the refs to mirror, like "refs/heads/"

	MaxSize, MaxObject int64    // bytes of the copy, and of one object; 0 for the node's own limits
	Accept             []string // flaws of objects, by git's ids, which are taken
}

// mayTake tells whether what has failed with that class may be taken now that the
// policy is not what it was.
func (p Policy) mayTake(class failure.Class, was Policy) bool {
	switch class {
	case failure.TooLarge:
		return p.MaxSize != was.MaxSize || p.MaxObject != was.MaxObject
	case failure.Corrupt:
		return !slices.Equal(p.Accept, was.Accept)
	}
	return false
}

// Assignment is one repository this node shall hold, as the log says at this
// moment. The engine works towards the newest one it was given.
type Assignment struct {
	ID         string
	Name       string
	URLs       []string // of the upstream, in order of preference
	Policy     Policy
	Role       Role
	Paused     bool
	Epoch      uint64      // raised at each change of owner
	Generation uint64      // the published one, 0 for none
	Digest     refs.Digest // of that generation's whole table

	// What else is known of that generation where its table is not at hand.
	PublicDigest refs.Digest
	Refs         int // public ones
	Head         refs.Head
	Base         Generation // the table it was made on
	// Lost are generations that were published once, and that the owner does not
	// have all of: whoever has one keeps it aside and offers it.
	Lost []Generation

	// Remembers: every member knows files of the past, and they become part of
	// generations.
	Remembers bool
	Approved  *Approval // losses that a person has taken, nil for none
	Released  []Release // pins that a person has released, by ref
	Word      uint64    // the newest of those words, by its place in the log; 0 for none
	Pins      []Pin     // by ref
}

// Approval is what a person has said yes to.
type Approval struct {
	Observed refs.Digest // what upstream showed then
	Losses   refs.Digest // see past.LossDigest
	Count    int         // of them
	First    []refs.Change
}

// Release lets a ref that was pinned go to what upstream had there when a person looked.
type Release struct {
	Ref, OID string  // where it was pinned
	Upstream *string // empty: nothing; nil: that was not known, and no loss is let in
}

// Pin keeps a ref where a person has set it, whatever upstream shows.
type Pin struct{ Ref, OID string }

// Generation names one published table.
type Generation struct {
	Number uint64
	Digest refs.Digest
}

// Candidate is a prepared generation: its objects and its ref table are
// durable on this node, nothing of it is visible.
type Candidate struct {
	ID             string // publishing one ID twice is publishing it once
	Repo           string
	Epoch          uint64
	FromGeneration uint64
	Generation     uint64
	Digest         refs.Digest
	PublicDigest   refs.Digest
	Refs           int // public ones
	Head           refs.Head
	Changes        []refs.Change
	Base           Generation // what Changes are relative to; zero for nothing
	Complete       bool       // the objects of FromGeneration's table are here
	Baseline       bool       // the first generation: everything is new, nothing is a change
	Restored       bool       // FromGeneration's table is not at hand: this one is made without
	Rebuilt        bool       // but its refs are known: Base is FromGeneration
	Pinned         bool       // only what a person has restored: upstream was not looked at
	Heard          uint64     // Assignment.Word, of what this one acted on
	Recovered      []uint64   // lost generations whose tips are all in this table, or behind it
}

// Outcome is what became of a Candidate.
type Outcome int

// Unknown must be resolved by the next Assignment: the log decides, not we.
const (
	Unknown   Outcome = iota
	Committed         // and applied on this node
	Overtaken         // never will be: the row has got another owner, epoch or generation, or is gone
	Refused           // never will be, and nor will the next like it: the error says why
)

// Publisher proposes candidates to the log. Publish blocks until the outcome
// is known, ctx ends, or waiting any longer is pointless (Unknown, with the
// reason). It is idempotent by Candidate.ID.
type Publisher interface {
	Publish(ctx context.Context, c Candidate) (Outcome, error)
}

// Status is what this node knows of one of its copies. Nothing of it is in the
// log.
type Status struct {
	Generation uint64 // live here, 0 for none
	Digest     refs.Digest
	Broken     bool // what is on this disk cannot be used
	Syncing    bool // a git process works on it
	Checked    bool // as owner, in this run: Failure and Hold are news
	LastCheck  time.Time
	NextCheck  time.Time
	Failures   int // in a row
	Failure    *failure.Error
	Hold       *Hold
	Behind     *Behind

	Skipped      int            // refs of upstream's that are not mirrored, as this run of the owner knows
	FirstSkipped []refs.Skipped // of them
	Judged       bool           // an answer of upstream's was judged, in this run: Hold is news
	Heard        uint64         // Assignment.Word, as the last of those checks knew it
	Pinned       []Pinned
}

// Pinned is a pin, and what upstream shows in its place, empty for nothing.
type Pinned struct {
	Pin
	Upstream string
	Missing  bool // its object is in no copy any more: upstream's own value is shown
}

// Behind says that the owner's copy is older than what was published. It serves
// what it has, and looks for the newer one at holders and at upstream.
type Behind struct{ Have, Published uint64 }

// Hold says why what upstream shows is not followed.
type Hold struct {
	Reason   string // see package past
	Observed refs.Digest
	Lost     int           // refs of which upstream takes something away
	Settled  int           // refs that count
	First    []refs.Change // of those that are lost, at most 20
	Losses   refs.Digest   // of them all, see past.LossDigest
}
