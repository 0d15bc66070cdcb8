package mirror

import (
	"time"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/refs"
)

// Status is what this node knows of one of its copies. Nothing of it is in the
// log.
type Status struct {
	Generation uint64 // live here, 0 for none
	Digest     refs.Digest
	Prepared   Prepared // to be shown once the log says so, zero for nothing
	Broken     bool     // what is on this disk cannot be used
	Syncing    bool     // a git process works on it
	Fetch      *Fetch   // that is under way, or waits for its turn; nil for none
	Checked    bool     // as owner, in this run: Failure and Hold are news
	Stale      bool     // owned here, and not checked for three intervals
	LastCheck  time.Time
	NextCheck  time.Time
	Interval   time.Duration // between two checks, as it is now
	AsOf       time.Time     // by LogTime: when the last check began whose upshot is what is published; zero while that is not known
	Parked     bool          // upstream has long said that it is not there, or not for us
	Failures   int           // in a row
	Failure    *failure.Error
	Hold       *Hold
	Behind     *Behind
	Upkeep     Upkeep // of the copy that is here

	Skipped      int            // refs of upstream's that are not mirrored, as this run of the owner knows
	FirstSkipped []refs.Skipped // of them
	Judged       bool           // an answer of upstream's was judged, in this run: Hold is news
	Heard        uint64         // Assignment.Word, as the last of those checks knew it
	Pinned       []Pinned
	Rests        time.Duration // for how long the host that is asked still wants to be left alone, of what is owned here
	URL          int           // which of the upstream's has answered last, 0 for the first; nothing is known of it before Judged
	Probe        time.Time     // when the first is tried again, of what is owned here, while another is asked; else zero
	Moved        *Moved        // an upstream that answered says so; where none has answered in this run, nothing is known: Judged
}

// Prepared is a generation that is on this disk, whole, and not shown yet.
type Prepared struct {
	Generation uint64
	Digest     refs.Digest
}

// Behind says that the owner's copy is older than what was published. It serves
// what it has, and looks for the newer one at holders and at upstream.
type Behind struct{ Have, Published uint64 }
