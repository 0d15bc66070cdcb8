// Package membership decides whether this process may be, and go on as, the
// node that its data directory says it is: no other process is that node, the
// cluster still has it, and its table is the one that the voters have.
//
// It asks and judges; whoever runs it ends the process. It never decides from
// silence: a node that hears nobody goes on serving what it has.
package membership
