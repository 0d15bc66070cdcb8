package fsm

import (
	"time"

	"github.com/tidwall/btree"
	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
)

// A request is remembered for an hour, and in any case while it is one of the
// latest rememberLeast: a wrong clock must not make a retry a second request.
const (
	rememberFor   = int64(time.Hour / time.Millisecond)
	rememberLeast = 10_000
	rememberSize  = 16 << 20
)

// requests remembers what was answered to a request id, so that a proposer who
// does not know whether its entry was committed may simply propose it again.
type requests struct {
	queue *btree.BTreeG[*request] // oldest first
	byID  map[string]*request
	last  uint64
	bytes int
}

type request struct {
	seq     uint64
	id      string
	atMS    int64
	outcome *command.Outcome
	bytes   int
}

func newRequests() requests {
	return requests{
		queue: btree.NewBTreeGOptions(func(a, b *request) bool { return a.seq < b.seq }, unlocked),
		byID:  map[string]*request{},
	}
}

func (r *requests) find(id string) (*command.Outcome, bool) {
	if known := r.byID[id]; known != nil {
		return known.outcome, true
	}
	return nil, false
}

// remember keeps the outcome, at the cost of the oldest ones.
func (r *requests) remember(id string, nowMS int64, outcome *command.Outcome) {
	if id == "" {
		return
	}
	r.last++
	// Twice the wire size and a constant is about what it takes in memory.
	q := &request{seq: r.last, id: id, atMS: nowMS, outcome: outcome, bytes: 256 + len(id) + 2*proto.Size(outcome)}
	r.queue.Load(q)
	r.byID[id] = q
	r.bytes += q.bytes
	for r.bytes > rememberSize {
		r.drop()
	}
}

// forget drops what is older than an hour and not among the latest.
func (r *requests) forget(nowMS int64) {
	for r.queue.Len() > rememberLeast {
		oldest, any := r.queue.Min()
		if !any || nowMS-oldest.atMS < rememberFor {
			return
		}
		r.drop()
	}
}

func (r *requests) drop() {
	oldest, _ := r.queue.PopMin()
	delete(r.byID, oldest.id)
	r.bytes -= oldest.bytes
}
