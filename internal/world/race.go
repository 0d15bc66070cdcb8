//go:build race

package world

// raced is whether the race detector is in the binary. raft reads the address of a peer
// without its lock while a new one is written (its issue 681, not mended in v1.8.0): what is
// read is logged, or is an id that stays the same. A node whose address changes while the
// old one answers still meets that, and the detector fails the test: with it none changes.
const raced = true
