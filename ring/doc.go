// Package ring decides which nodes shall hold which repos, and which of them
// shall own it. It is pure: no clock, no randomness, no I/O, only integers,
// and every order it goes by is fixed, so that whoever asks gets the same
// answer.
//
// Today's table is the truth, and a plan changes as little of it as it can:
// what a node may keep it keeps, what is missing goes to the nodes by weighted
// rendezvous hashing below a cap, and only nodes that are more than 5 % away
// from their fair share, in bytes or in cost, are levelled.
//
// Plan promises that copies of a repo are on distinct nodes, in distinct zones
// as far as there are zones; that none is on a node that is draining or gone;
// that only active nodes gain and nodes that are down lose nothing; that no
// copy is missing while there are nodes for it; that clients get one of the copies,
// while there is an active node that gives them any and no node is waited for that is down, which goes before zones; and that the order of its
// inputs does not matter.
//
// It does not promise balance where it cannot be had: a repo heavier than 5 %
// of a node's share, or a cluster of few repos, leaves nodes uneven. It moves
// nothing by itself: a plan says where copies shall be, not when the old ones
// may go.
package ring
