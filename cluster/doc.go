// Package cluster makes processes agree: it runs a raft group and a gossip
// membership on one port, for whatever state machine it is given.
//
// It promises that an entry whose Apply returned without an error is on the
// disks of a majority of voters and has been applied here; that a function
// run by WhileLeader never outlives its term of leadership unless it ignores
// its context; that ReadIndex and WaitApplied together make a read
// linearizable; that bytes of another cluster, or meant for another node, are
// refused at the door; and that a node whose disk stops answering, or fails,
// reports it on Fatal instead of leading on.
//
// Of what it keeps on the disk it promises that an entry, a vote or a snapshot that
// is not what was written is neither used nor sent; that the first write that
// fails, and the first damage that matters, is the last thing the store does, and
// is one line on Fatal; that a write to the log that does not end is a disk that
// does not answer; that a panic of the store over a damaged file stays inside; and
// that a log that was lost is not made anew.
//
// It does not promise that an entry whose Apply ended in ErrUnknown was lost:
// it may be committed, now or later. It does not promise that Members is
// right: gossip is a hint, and Servers is what the group agreed on. It does not
// promise to survive every change to its file while that is open: bbolt frees as
// many pages as the head of a page says, and a damaged one may say billions. It does
// not encrypt, and it authenticates no one: the id of a cluster keeps honest
// nodes apart, it is not a secret. It makes no decision about who votes; it
// only refuses to promote a node that lags behind.
package cluster
