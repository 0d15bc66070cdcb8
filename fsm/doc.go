// Package fsm is the replicated state machine: the nodes of a cluster, the
// repos they mirror, who holds a copy and who owns it, and the events of late.
//
// It promises that Apply is a function of the state and the entry, so that
// every node that applied the same log holds the same state, byte for byte in
// a snapshot; that a refused command changes no row; that an entry which this
// binary cannot read changes nothing at all and is reported as a *FatalError;
// and that a View never changes once it has been handed out.
//
// It does not promise that names, urls or refs make sense to Git: it checks
// lengths, references and the rules that keep copies safe. It knows no raft,
// no network, no clock and no disk. Time is what the leader stamped on the
// entries.
package fsm
