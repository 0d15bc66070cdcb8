package fsm

import (
	"strings"
	"time"

	"github.com/tidwall/btree"
	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
)

// Types of events.
const (
	EventNodeJoined     = "node_joined"
	EventNodeUp         = "node_up"
	EventNodeDown       = "node_down"
	EventNodeRemoved    = "node_removed"
	EventNodeImpaired   = "node_impaired" // its disk, or all of its copies
	EventNodeRecovered  = "node_recovered"
	EventRepoAdded      = "repo_added"
	EventRepoRemoved    = "repo_removed"
	EventRepoRestored   = "repo_restored" // since formatTrash: it was removed
	EventRepoRenamed    = "repo_renamed"
	EventRepoPaused     = "repo_paused"
	EventRepoResumed    = "repo_resumed"
	EventUpstreamMoved  = "upstream_moved" // another address, by a person's word
	EventOwnerChanged   = "owner_changed"
	EventBaseline       = "baseline"  // the first publish
	EventPublished      = "published" // every later one
	EventGenerationLost = "generation_lost"
	EventFailing        = "failing"
	EventHeld           = "held"
	EventRecovered      = "recovered"
	EventApproved       = "approved"        // what is held may be followed, or what was pinned
	EventApprovalUnused = "approval_unused" // the first check after it had no use for it
	EventPinned         = "pinned"          // a ref was restored, and stays
	// Since formatEvents:
	EventBroken = "broken" // a copy cannot be read
	EventHealed = "healed" // that copy is ready again
	EventMoved  = "moved"  // other nodes shall hold it
	// Since formatMoved:
	EventRedirected = "redirected" // an upstream says that it is elsewhere from now on
	// Since formatFallback:
	EventSwitched = "upstream_switched" // another of an upstream's urls is asked from now on
	// Since formatSources:
	EventSourceAdded    = "source_added"
	EventSourceRemoved  = "source_removed"
	EventSourceListed   = "source_listed"   // and something has changed by it
	EventSourceHeld     = "source_held"     // it would take away too much
	EventSourceApproved = "source_approved" // and may
	EventRepoRetired    = "repo_retired"    // nobody claims it any more
	EventRepoClaimed    = "repo_claimed"    // somebody does again
	// Since formatDrain:
	EventNodeDraining  = "node_draining"
	EventNodeUndrained = "node_undrained"
	EventRecovery      = "cluster_recovered" // its quorum was lost; it goes on from one node's log
	EventCopyLost      = "copy_lost"         // the last on a node that lived, by a person's word
	// Since formatRhythm:
	EventParked = "parked" // upstream has long said that it is not there, and is asked seldom
)

// OfSource tells whether events of a type are about a source.
func OfSource(kind string) bool { return strings.HasPrefix(kind, "source_") }

// Event is something that happened to a repo or a node. Every generation of a
// repo has exactly one of baseline, published and generation_lost.
type Event struct {
	Seq          uint64 // 1, 2, …; never reused
	Index        uint64 // of the entry
	At           time.Time
	Type         string
	Repo         string // id; empty for nodes and sources
	Name         string // of the repo, node or source
	Generation   uint64
	Epoch        uint64
	Changes      []*command.Change // the first of them, not to be written to
	ChangesTotal uint32
	Detail       string
	// Node is in whose log this is told, so that it is told in one: who owns the repo, who has
	// the copy that it is about, or, where no live node owns it, one that lives. 0 for events
	// of nodes, which all others tell, and of what was before formatEvents.
	Node NodeNum
}

const (
	maxEvents     = 10_000
	maxEventBytes = 32 << 20
)

// ring keeps the latest events, bounded by number and by size.
type ring struct {
	tree  *btree.BTreeG[*Event]
	last  uint64 // highest sequence number given out
	bytes int
}

func newRing() ring {
	return ring{tree: btree.NewBTreeGOptions(func(a, b *Event) bool { return a.Seq < b.Seq }, unlocked)}
}

func (r *ring) clone() ring {
	c := *r
	c.tree = r.tree.Copy()
	return c
}

// add gives the event its number and stores it, at the cost of the oldest.
func (r *ring) add(e *Event) {
	r.last++
	e.Seq = r.last
	r.load(e)
	for r.tree.Len() > maxEvents || r.bytes > maxEventBytes && r.tree.Len() > 1 {
		oldest, _ := r.tree.PopMin()
		r.bytes -= oldest.size()
	}
}

func (r *ring) load(e *Event) {
	r.tree.Load(e)
	r.bytes += e.size()
}

// find returns the event of that number, or nil where it is not kept any more.
func (r *ring) find(seq uint64) *Event {
	e, _ := r.tree.Get(&Event{Seq: seq})
	return e
}

func (r *ring) after(seq uint64) []Event {
	var list []Event
	if seq >= r.last {
		return nil
	}
	r.tree.Ascend(&Event{Seq: seq + 1}, func(e *Event) bool {
		list = append(list, *e)
		return true
	})
	return list
}

// size is about what the event takes in memory. It depends on its content
// alone, so that all nodes drop the same events.
func (e *Event) size() int {
	n := 256 + len(e.Detail)
	for _, c := range e.Changes {
		n += 96 + proto.Size(c)
	}
	return n
}

// bounds are the sequence numbers of the oldest event that is kept, 0 for none, and of the
// newest that there was.
func (r *ring) bounds() (oldest, newest uint64) {
	if e, any := r.tree.Min(); any {
		oldest = e.Seq
	}
	return oldest, r.last
}

// record stores an event about a row, which its owner tells.
func (t *tables) record(e entry, kind string, row *Repo, detail string) {
	t.recordBy(e, t.teller(row), kind, row, detail)
}

// recordBy stores an event about a row, which that node tells.
func (t *tables) recordBy(e entry, teller NodeNum, kind string, row *Repo, detail string) {
	if t.format < formatEvents {
		teller = 0
	}
	t.events.add(&Event{
		Index: e.index, At: e.at, Type: kind, Repo: row.ID, Name: row.Name,
		Generation: row.Generation, Epoch: row.Epoch, Detail: detail, Node: teller,
	})
}

// teller is the node that tells what happens to a row: its owner, or while no live node owns
// it the first that holds it and lives, or the first that lives.
func (t *tables) teller(row *Repo) NodeNum {
	live := func(n NodeNum) bool {
		node := t.nodes.byNum[n]
		return node != nil && node.State.Live()
	}
	if live(row.Owner) {
		return row.Owner
	}
	for _, c := range row.Copies {
		if live(c.Node) {
			return c.Node
		}
	}
	for _, n := range t.nodes.sorted {
		if n.State.Live() {
			return n.Num
		}
	}
	return row.Owner
}

// recordNode stores an event about a node.
func (t *tables) recordNode(e entry, kind string, n *Node, detail string) {
	t.events.add(&Event{Index: e.index, At: e.at, Type: kind, Name: n.Name, Detail: detail})
}
