package fsm

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
	"unique"

	"gitmirror/fsm/command"
)

// NodeNum is the short name of a node inside the table. 0 is none; a number is
// never given out twice.
type NodeNum uint32

// NodeState is what the leader knows of a node's life.
type NodeState string

// The states of a node.
const (
	NodeUp      NodeState = "up"
	NodeSuspect NodeState = "suspect"
	NodeDown    NodeState = "down"
	NodeLeft    NodeState = "left"
)

// Node is a member of the cluster.
type Node struct {
	Num      NodeNum
	ID       string // made once per data directory
	Name     string // unique, case-folded, among nodes that have not left
	Peer     string
	HTTP     string
	Zone     string
	Version  string
	Weight   uint32
	State    NodeState
	Since    time.Time // of State
	JoinedAt time.Time
	Flaps    uint32 // times it went down
	Run      string // ULID of the process that is this node, made at its start
	Format   uint32 // the newest cluster format its binary speaks

	// Drain is since when it is to give all it has to others; zero when it is not. It goes on
	// while the node is down, and when it comes back.
	Drain time.Time

	Disk *Failure // what keeps it from writing, class DiskLow, DiskFull or DiskFailing
	Sick *Failure // why none of its copies is served

	Credentials []string            // names of sources that it has credentials of
	Unusable    []*command.Unusable // those that cannot be used; not to be written to
}

// What keeps a node from writing.
const (
	DiskLow     = "low"     // no clones
	DiskFull    = "full"    // no fetches either
	DiskFailing = "failing" // writes end in errors
)

// Live tells whether a node in this state can be counted on now.
func (s NodeState) Live() bool { return s == NodeUp || s == NodeSuspect }

// Draining tells whether the node gives what it has to others, and gets nothing new.
func (n *Node) Draining() bool { return !n.Drain.IsZero() }

// WithoutGit is what the version of a node ends with whose host has no git: build metadata of it,
// since all that was ever a member keeps a version as it is told.
const WithoutGit = "+go-git"

// HasGit tells whether the node makes packs for clients of its copies.
func (n *Node) HasGit() bool { return !strings.HasSuffix(n.Version, WithoutGit) }

// Serves tells whether clients get its copies.
func (n *Node) Serves() bool { return n.State.Live() && n.Sick == nil }

// CopyState is how far one node is with one repo.
type CopyState uint8

// The states of a copy.
const (
	CopyWanted CopyState = iota + 1
	CopyReady
	CopyBroken
	CopyLeaving
)

var copyStateNames = [...]string{CopyWanted: "wanted", CopyReady: "ready", CopyBroken: "broken", CopyLeaving: "leaving"}

// String is the state as it stands in snapshots, and as people see it.
func (s CopyState) String() string { return copyStateNames[s] }

func parseCopyState(name string) (CopyState, bool) {
	i := slices.Index(copyStateNames[:], name)
	return CopyState(max(i, 0)), i > 0
}

// Copy is one node's copy of a repo.
type Copy struct {
	Generation uint64 // as last reported
	Node       NodeNum
	State      CopyState
}

// Failure is why a repo cannot be brought up to date.
type Failure struct {
	Class   string
	Message string    // the newest
	Since   time.Time // of the class
	Parked  bool      // upstream has long said so, and is asked seldom
}

// Moved says that the upstream at one of a row's urls is elsewhere from now on, by its own word.
type Moved struct {
	From, To string
	Since    time.Time // when the owner first heard so
}

// Fallback is the url that is asked, and answers, while the first of the row's does not.
type Fallback struct {
	URL   string
	Since time.Time
}

// Repo is one row. A stored row never changes: a command replaces it. There may be a
// million of them, so that what few rows have is elsewhere, what many have in common is
// shared, and what one field says of another is not kept twice.
type Repo struct {
	ID, Name     string
	*Rarely              // one value for most rows
	Policy       *Policy // shared by all rows with an equal one
	Copies       []Copy  // by node
	Epoch        uint64  // raised whenever an owner is given or taken: the fencing number
	Generation   uint64  // count of publishes
	Version      uint64  // log index of the row's last change
	baseNumber   uint64  // of Base
	addedMS      int64
	changedMS    int64
	event        uint64 // sequence number of the last publish's
	candidate    string // id of the ref table that became Generation
	head         unique.Handle[string]
	Digest       Digest // of the whole ref table
	RefsDigest   Digest // of the public refs
	baseDigest   Digest
	Owner        NodeNum // the node that polls upstream
	Refs         uint32  // public refs
	Removed      bool    // waits for its last copies to go
	urlsFromName urlsFromName
}

// Rarely is what few rows have. It is shared where it is ordinary: only a row from edit
// has one that may be written to.
type Rarely struct {
	Labels   map[string]string
	Lost     []Generation // published once, and not all there any more; whoever has one offers it
	Error    *Failure
	Hold     *Hold
	Approved *Approval // what the owner may follow although it is held
	Released []Release // pins that are none any more, by ref; replaced, never written to
	Pins     []Pin     // by ref; replaced, never written to
	Aliases  []string  // other names that it is found by; replaced, never written to
	Moved    *Moved    // an upstream says so; replaced, never written to
	Fallback *Fallback // replaced, never written to
	Sourced  *Sourced  // where sources claim it, or did
	Paused   bool      // upstream is asked for who waits for that alone
	came     string    // key of the address that what is published came from, where the first is another, which no check has proved; else empty
	cameAt   uint64    // log index, since when it is another, or of another repository

	urls, urlKeys []string // where the name does not say them
}

var ordinary = new(Rarely)

// compact shares what is ordinary. The receiver must come from edit, or be new.
func (r *Repo) compact() {
	if r.isOrdinary() {
		r.Rarely = ordinary
	}
}

func (r *Rarely) isOrdinary() bool {
	return len(r.Labels) == 0 && len(r.Lost) == 0 && r.Error == nil && r.Hold == nil && r.Approved == nil &&
		len(r.Released) == 0 && len(r.Pins) == 0 && len(r.Aliases) == 0 && r.Moved == nil && r.Fallback == nil && r.Sourced == nil && !r.Paused && r.came == "" && r.cameAt == 0 && len(r.urls) == 0
}

// Head is where HEAD points: "ref: refs/heads/main", an object id, or nothing.
func (r *Repo) Head() string {
	if r.head == (unique.Handle[string]{}) {
		return ""
	}
	return r.head.Value()
}

// Base is the table that Generation was made on.
func (r *Repo) Base() Generation { return Generation{r.baseNumber, r.baseDigest} }

// AddedAt is when the row was added.
func (r *Repo) AddedAt() time.Time { return fromMS(r.addedMS) }

// ChangedAt is when the row's generation was published.
func (r *Repo) ChangedAt() time.Time { return fromMS(r.changedMS) }

// Generation names one published table.
type Generation struct {
	Number uint64
	Digest Digest
}

// Copy returns the copy on node n.
func (r *Repo) Copy(n NodeNum) (Copy, bool) {
	i, ok := r.find(n)
	if !ok {
		return Copy{}, false
	}
	return r.Copies[i], true
}

// Durable tells whether what is published survives the loss of any one node:
// two ready copies have reported it, whatever the policy asks for.
func (r *Repo) Durable() bool {
	n := 0
	for _, c := range r.Copies {
		if c.State == CopyReady && c.Generation == r.Generation {
			n++
		}
	}
	return r.Generation > 0 && n >= 2
}

// liveReady counts the ready copies on nodes that live and serve, but for one.
func (t *tables) liveReady(r *Repo, but NodeNum) int {
	n := 0
	for _, c := range r.Copies {
		if node := t.nodes.byNum[c.Node]; c.State == CopyReady && c.Node != but && node != nil && node.Serves() {
			n++
		}
	}
	return n
}

// find looks for the copy on n; no row has any.
func (r *Repo) find(n NodeNum) (int, bool) {
	return slices.BinarySearchFunc(r.copies(), n, func(c Copy, n NodeNum) int {
		return cmp.Compare(c.Node, n)
	})
}

// edit returns a row that may be changed without touching r. Its copies may
// be changed too; everything else it shares is replaced, never written to.
func (r *Repo) edit() *Repo {
	next, rarely := *r, *r.Rarely
	next.Copies, next.Rarely = slices.Clone(r.Copies), &rarely
	return &next
}

// pack keeps the texts of a row in one piece of memory.
func (r *Repo) pack() {
	r.ID, r.Name, r.candidate = cut(r.ID+r.Name+r.candidate, len(r.ID), len(r.Name))
}

// cut returns the parts of a text, of which the first two are so long.
func cut(text string, first, second int) (a, b, c string) {
	return text[:first], text[first : first+second], text[first+second:]
}

// putCopy sets the copy on c.Node, in order. The receiver must come from edit.
func (r *Repo) putCopy(c Copy) {
	i, ok := r.find(c.Node)
	if ok {
		r.Copies[i] = c
		return
	}
	r.Copies = slices.Insert(r.Copies, i, c)
}

// dropCopy forgets the copy on n. The receiver must come from edit.
func (r *Repo) dropCopy(n NodeNum) {
	if i, ok := r.find(n); ok {
		r.Copies = slices.Delete(r.Copies, i, i+1)
	}
}

// Digest names a ref table.
type Digest [20]byte

// String is the digest in hex.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// IsZero tells whether d names nothing.
func (d Digest) IsZero() bool { return d == Digest{} }

// ParseDigest reads what String wrote.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	if len(s) != hex.EncodedLen(len(d)) {
		return Digest{}, fmt.Errorf("parse digest %q: want %d hex digits", s, hex.EncodedLen(len(d)))
	}
	if _, err := hex.Decode(d[:], []byte(s)); err != nil {
		return Digest{}, fmt.Errorf("parse digest %q: %w", s, err)
	}
	return d, nil
}
