// Package descriptors shares out the file descriptors that this process may
// have open, so that strangers who open connections cannot take those that the
// log, its snapshots, git children and calls to other nodes need.
//
// It promises that the connections of a Gate never number more than its share,
// and that a newcomer gets in as long as one of those inside does nothing. It
// does not count what the rest of the process opens: half of the limit and more
// is left to that.
package descriptors

import (
	"math"
	"sync"
	"syscall"
)

// Shares are how many connections each kind may hold.
type Shares struct {
	Public       int // of clients
	Beside       int // of clients, at each door of this host beside the public one
	Peers        int // of other nodes, HTTP
	Unidentified int // on the peer port, before they have said what they want
	Streams      int // on the peer port, of raft and gossip
}

// most is what even a boundless limit allows: a connection costs memory too.
const most = 8192

// Share splits a limit. More than half of it stays with everything else: each
// connection may need a git child with three pipes, or a connection to a peer.
func Share(limit uint64) Shares {
	n := int(min(limit, math.MaxInt32))
	part := func(of int) int { return max(4, min(n/of, most)) }
	return Shares{Public: part(4), Beside: max(2, min(n/128, most)), Peers: part(10), Unidentified: min(part(16), 256), Streams: part(16)}
}

// Ours are the shares of this process. The limit is read once: it is set by who
// starts us.
var Ours = sync.OnceValue(func() Shares {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return Share(256)
	}
	return Share(limit.Cur)
})
