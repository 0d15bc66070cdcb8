package work

import "time"

// Due is what a node remembers of a repository between two starts. The names of its
// fields are in files.
type Due struct {
	LastCheck time.Time `json:"last_check,omitzero"`
	NextCheck time.Time `json:"next_check,omitzero"`
	Failures  int       `json:"failures,omitzero"`
}
