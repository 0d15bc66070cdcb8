//go:build oldformat

package fsm

// Format is that of a binary one format older: tests of upgrades build one.
const Format uint32 = 1
