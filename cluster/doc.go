// Package cluster makes processes agree: it runs a raft group and a gossip
// membership on one port, for whatever state machine it is given.
//
// It promises that an entry whose Apply returned without an error is on the
// disks of a majority of voters and has been applied here; that a function
// run by WhileLeader never outlives its term of leadership unless it ignores
// its context; that ReadIndex and WaitApplied together make a read
// linearizable; that bytes of another cluster, or meant for another node, are
// refused at the door; that a node whose disk stops answering, or fails, reports
// it on Fatal instead of leading on; and that an entry, a vote or a snapshot that
// is not what was written is neither used nor sent.
//
// It does not promise that an entry whose Apply ended in ErrUnknown was lost:
// it may be committed, now or later. It does not promise that Members is
// right: gossip is a hint, and Servers is what the group agreed on. It does
// not encrypt, and it authenticates no one: the id of a cluster keeps honest
// nodes apart, it is not a secret. It makes no decision about who votes; it
// only refuses to promote a node that lags behind.
package cluster
