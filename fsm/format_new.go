//go:build !oldformat

package fsm

// Format is the newest cluster format that this binary speaks.
const Format uint32 = newest
