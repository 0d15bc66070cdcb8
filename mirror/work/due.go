package work

import "time"

// Due is what a node remembers of a repository between two starts. The names of its
// fields are in files.
type Due struct {
	LastCheck time.Time `json:"last_check,omitzero"`
	NextCheck time.Time `json:"next_check,omitzero"`
	Failures  int       `json:"failures,omitzero"`
	// Rhythm is what is known of its changes, as of LastCheck: see package rhythm.
	Rhythm []float32 `json:"rhythm,omitzero"`
	// Refused is how often upstream has said, in a row, that it is not there or not for us.
	Refused      int       `json:"refused,omitzero"`
	RefusedSince time.Time `json:"refused_since,omitzero"`
	URL          int       `json:"url,omitzero"` // which of the upstream's is asked; 0 for the first
}
