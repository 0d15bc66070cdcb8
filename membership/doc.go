// Package membership has who this process is, and whether it may be that: the identity
// in its data directory (node.json, the lock), how it joins a cluster and tells it where
// it is, and whether it may go on as the node that its directory says: no other process
// is that node, the cluster still has it, and its table is the one that the voters have.
//
// It asks and judges; whoever runs it ends the process. It never decides from
// silence: a node that hears nobody goes on serving what it has.
package membership
