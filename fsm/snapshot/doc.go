// Package snapshot is the format of the state machine's snapshots: generated
// from snapshot.proto, written and read by package fsm. It promises nothing
// beyond the encoding; what the fields mean is fsm's.
package snapshot
