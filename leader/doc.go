// Package leader reaches whoever leads, from any node: to have a command
// committed, here or over the peer port.
//
// It promises that nothing enters the log that a member could not apply: the
// leader reads, bounds and stamps every entry before it appends it, whoever it
// comes from. It does not promise that an error means that nothing happened:
// see Propose.
package leader
