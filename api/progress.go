package api

import "time"

// Progress is how far a node is with what it fetches for a copy. It is the node's own word: null
// where nothing is fetched, and where the node did not answer.
type Progress struct {
	// Of these, one is empty: what it fetches from.
	Upstream string    `json:"upstream"` // the host
	Peer     string    `json:"peer"`     // the node
	Phase    string    `json:"phase"`    // one of Phases
	Since    time.Time `json:"since"`
	// Percent is how much of the phase is done, AllObjects how many objects there are to deal
	// with in it; null while nobody knows.
	Percent    *int   `json:"percent"`
	Objects    int64  `json:"objects"` // of them, that are dealt with
	AllObjects *int64 `json:"all_objects"`
	Bytes      int64  `json:"bytes"`            // of packs that have come
	Rate       int64  `json:"bytes_per_second"` // lately
}

// The phases of a fetch.
const (
	PhaseWaiting   = "waiting"   // for its turn: a node fetches only so much at once
	PhasePreparing = "preparing" // who it is fetched from puts a pack together
	PhaseReceiving = "receiving"
	PhaseResolving = "resolving" // objects that came as differences are put together
	PhaseChecking  = "checking"  // that all is there, and well
)

// Phases are in the order in which a fetch goes through them.
var Phases = []string{PhaseWaiting, PhasePreparing, PhaseReceiving, PhaseResolving, PhaseChecking}
