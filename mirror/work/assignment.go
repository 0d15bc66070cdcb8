// Package work has the words that when and what have in common: what a node shall
// hold of a repository, what one run is for, and what it came to. It decides
// nothing.
package work

import (
	"gitmirror/internal/policy"
	"gitmirror/mirror/refs"
)

// Role is what a node does for one copy.
type Role string

// The owner polls upstream and publishes; replicas copy from it.
const (
	Owner   Role = "owner"
	Replica Role = "replica"
)

// Assignment is one repository this node shall hold, as the log says at this
// moment. The node works towards the newest one it was given.
type Assignment struct {
	ID         string
	Name       string
	URLs       []string // of the upstream, in order of preference
	Fallback   int      // which of them has answered, where that is not the first
	Policy     policy.Policy
	Role       Role
	Paused     bool        // upstream is asked for who waits for that, and for nobody else
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
