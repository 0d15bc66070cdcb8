package fsm

import (
	"regexp"
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
//
// An id may have the form KEY#REQUEST: a key that belongs to one request (whose
// parts follow as #REQUEST/0, /1), and is refused with any other from format 3 on.
type requests struct {
	queue *btree.BTreeG[*request] // oldest first
	byID  map[string]*request
	byKey map[string]*use
	last  uint64
	bytes int
}

// use is what a key was used for.
type use struct {
	request string
	ids     int // that are remembered
}

// apiID is the form of the ids that have a key: see server.
var apiID = regexp.MustCompile(`^(api/[0-9a-f]{64})#([0-9a-f]{16})(/[01])*$`)

// keyOf splits an id that has a key; ok is false for another.
func keyOf(id string) (key, request string, ok bool) {
	m := apiID.FindStringSubmatch(id)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

// reused tells whether the key of an id is remembered for another request.
func (r *requests) reused(id string) bool {
	key, request, ok := keyOf(id)
	used := r.byKey[key]
	return ok && used != nil && used.request != request
}

type request struct {
	seq     uint64
	id      string
	atMS    int64
	outcome []byte // command.Outcome, encoded: what a batch came to takes a fourth of the memory so
	bytes   int
}

func newRequests() requests {
	return requests{
		queue: btree.NewBTreeGOptions(func(a, b *request) bool { return a.seq < b.seq }, unlocked),
		byID:  map[string]*request{},
		byKey: map[string]*use{},
	}
}

func (r *requests) find(id string) (*command.Outcome, bool) {
	known := r.byID[id]
	if known == nil {
		return nil, false
	}
	return known.answer(), true
}

// answer is what was answered.
func (q *request) answer() *command.Outcome {
	outcome := &command.Outcome{}
	if err := proto.Unmarshal(q.outcome, outcome); err != nil {
		panic("fsm: " + err.Error()) // it was encoded here
	}
	return outcome
}

// remember keeps the outcome, at the cost of the oldest ones. One that cannot be encoded, which would
// keep snapshots from being written, is not kept: a retry is decided anew.
func (r *requests) remember(id string, nowMS int64, outcome *command.Outcome) {
	if id == "" {
		return
	}
	wire, err := proto.Marshal(outcome)
	if err != nil {
		return
	}
	r.last++
	// What all nodes count alike, and more than it takes in memory.
	q := &request{seq: r.last, id: id, atMS: nowMS, outcome: wire, bytes: 256 + len(id) + 2*len(wire)}
	r.queue.Load(q)
	r.byID[id] = q
	if key, request, ok := keyOf(id); ok {
		if r.byKey[key] == nil {
			r.byKey[key] = &use{request: request}
		}
		r.byKey[key].ids++
	}
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
	if key, _, ok := keyOf(oldest.id); ok {
		if r.byKey[key].ids--; r.byKey[key].ids == 0 {
			delete(r.byKey, key)
		}
	}
	r.bytes -= oldest.bytes
}
