package sync

import (
	"context"

	"gitmirror/mirror/refs"
	"gitmirror/mirror/work"
)

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
	Base           work.Generation // what Changes are relative to; zero for nothing
	Complete       bool            // the objects of FromGeneration's table are here
	Baseline       bool            // the first generation: everything is new, nothing is a change
	Restored       bool            // FromGeneration's table is not at hand: this one is made without
	Rebuilt        bool            // but its refs are known: Base is FromGeneration
	Pinned         bool            // only what a person has restored: upstream was not looked at
	Heard          uint64          // Assignment.Word, of what this one acted on
	Recovered      []uint64        // lost generations whose tips are all in this table, or behind it
}

// CommitStatus is what became of a Candidate.
type CommitStatus int

// Unknown must be resolved by the next Assignment: the log decides, not we.
const (
	Unknown   CommitStatus = iota
	Committed              // and applied on this node
	Overtaken              // never will be: the row has got another owner, epoch or generation, or is gone
	Refused                // never will be, and nor will the next like it: the error says why
)

// Fates are all of them, by their words.
var Fates = []string{"unknown", "committed", "overtaken", "refused"}

func (s CommitStatus) String() string { return Fates[s] }

// Publisher proposes candidates to the log. Publish blocks until the outcome
// is known, ctx ends, or waiting any longer is pointless (Unknown, with the
// reason). It is idempotent by Candidate.ID.
type Publisher interface {
	Publish(ctx context.Context, c Candidate) (CommitStatus, error)
}
