package mirror

import (
	"context"
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
	Complete       bool // the objects of FromGeneration's table are here
	Baseline       bool // the first generation: everything is new, nothing is a change
	Restored       bool // this node republishes what it has: a later generation was lost
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

// Source is a peer that holds a copy.
type Source interface {
	// Name is for people.
	Name() string
	// Table fetches the peer's live ref table if it is at least that
	// generation.
	Table(ctx context.Context, generation uint64) (*refs.Table, error)
	// URL is where git fetches the peer's objects from.
	URL() string
}

// Sources finds peers to copy from, the best first. It does not block.
type Sources interface {
	For(repo string) []Source
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
}

// Hold says why what upstream shows is not followed.
type Hold struct {
	Reason   string // "empty" or "mass_delete"
	Observed refs.Digest
}
