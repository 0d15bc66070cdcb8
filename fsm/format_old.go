//go:build oldformat

package fsm

// Format is that of the first binaries: tests of upgrades build one.
const Format uint32 = 1
