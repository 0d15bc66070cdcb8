package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Event is a change of the state of a repository or a node.
type Event struct {
	Seq  uint64    `json:"seq"` // 1, 2, …; never reused, and the same on every node
	At   time.Time `json:"at"`
	Type string    `json:"type"`
	Repo string    `json:"repo"` // its name; empty where a node or a source is what changed
	// Node is what changed; where that is a repository or a source, in whose log it is told. Empty
	// where that is not known.
	Node         string   `json:"node"`
	Generation   uint64   `json:"generation"`
	Changes      []Change `json:"changes"` // of refs, the first of them, MostEventChanges at most
	ChangesTotal uint32   `json:"changes_total"`
	Detail       string   `json:"detail"`
	Source       string   `json:"source"` // that changed; empty where something else is what did
}

// EventTypes are the types of events there are.
var EventTypes = []struct{ Name, Means string }{
	{"repo_added", "it is to be mirrored"},
	{"baseline", "it is cloned: its first generation is published"},
	{"published", "a later generation is published"},
	{"generation_lost", "what was published last is on no node any more, and something earlier is published in its place"},
	{"failing", "upstream cannot be followed, or now for another reason: `detail` begins with the class"},
	{"held", "upstream shows what is not followed without a person: `detail` is the reason"},
	{"recovered", "that has ended: `detail` says what, and what goes on"},
	{"approved", "what is held may be followed, or what was restored may"},
	{"approval_unused", "the first check after that had no use for it"},
	{"pinned", "a ref was restored, and stays"},
	{"broken", "a copy cannot be read"},
	{"healed", "that copy is ready again"},
	{"moved", "other nodes shall have copies: `detail` says which more, and which no more"},
	{"copy_lost", "the last copy on a node that lived was given up by a person (`node rm --accept-loss`): `detail` says where another may be"},
	{"owner_changed", "another node asks its upstream"},
	{"repo_renamed", "it has another name: `detail` is the one before"},
	{"redirected", "its upstream answers that it is elsewhere from now on: from where to where"},
	{"upstream_switched", "another of its addresses is asked from now on, which answers: `detail` is which"},
	{"upstream_moved", "other addresses are its upstream's"},
	{"repo_paused", "a person has said that its upstream is not asked"},
	{"repo_resumed", "it is asked again"},
	{"repo_retired", "no source lists it any more: `detail` says until when it is served"},
	{"repo_claimed", "a source or a person wants it again"},
	{"source_added", "repos come from there: `detail` is the index"},
	{"source_listed", "what it lists has changed what is mirrored: `detail` says how much"},
	{"source_held", "it would take away more than it may unasked, and nothing is: `detail` says how many"},
	{"source_approved", "a person lets it"},
	{"source_removed", "nothing comes from there any more"},
	{"repo_removed", "its copies go to the trash: `detail` says until when it can be restored"},
	{"repo_restored", "it was removed, and is back with what it had"},
	{"node_joined", "a node is new"},
	{"node_up", "it is back"},
	{"node_down", "it does not answer"},
	{"node_removed", "it was removed for good"},
	{"node_draining", "it gives what it has to others, by a person's word"},
	{"node_undrained", "that has ended: it keeps what it has"},
	{"parked", "upstream has long said that it is not there, or not for us, and is asked three times a day: `detail` is `class: message`"},
	{"cluster_recovered", "the quorum was lost for good, and the cluster goes on from the log of this node: `detail` says what it was called, and is"},
	{"node_impaired", "its disk, or its copies, keep it from a part of its work"},
	{"node_recovered", "that has ended"},
}

// EventDropped is the type of what gitmirror events shows in the place of events that are not
// kept any more; no node has one.
const EventDropped = "dropped"

// MostEventChanges is how many changed refs an event of a list names.
const MostEventChanges = 20

// EventList is a page of events, the oldest first.
type EventList struct {
	Events []Event `json:"events"`
	Next   uint64  `json:"next"`   // what to ask for after this page: After
	Newest uint64  `json:"newest"` // of those the answering node knows
	// Dropped counts the events behind After, of any repo, that are not kept any more.
	Dropped uint64 `json:"dropped"`
	// LastContact is when the answering node heard from a leader, null if it never did: what
	// happened after that it may not know.
	LastContact *time.Time `json:"last_contact"`
}

// EventQuery selects events.
type EventQuery struct {
	After *uint64       // those with higher numbers; nil: the newest
	Repo  string        // of that repo alone
	Limit int           // 0: the node's own, which is 100
	Wait  time.Duration // for the first of them, a minute at most
}

// Events returns one page. With Wait it is empty when none came in that time, or the node
// stops.
func (c *Client) Events(ctx context.Context, q EventQuery) (*EventList, error) {
	v := url.Values{}
	if q.After != nil {
		v.Set("after", strconv.FormatUint(*q.After, 10))
	}
	if q.Repo != "" {
		v.Set("repo", q.Repo)
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.Wait > 0 {
		v.Set("wait", q.Wait.String())
	}
	var l EventList
	return &l, c.do(ctx, call{method: http.MethodGet, path: "events", query: v, out: &l})
}
