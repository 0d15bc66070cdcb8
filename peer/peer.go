// Package peer is how nodes talk to each other: plain HTTP on the peer port,
// JSON for calls, smart HTTP for packs. A call names the cluster it is meant
// for, and a node of another cluster refuses it.
//
// The body of a call is read as strictly as that of the API (strictjson): members are
// upgraded in any order, so a call that is to say more gets a path of its own, which an
// older node answers with 404. Answers may gain keys.
//
// The package carries bytes and small records. What a call means is decided by
// whoever implements Node.
package peer

import (
	"context"
	"net/http"
	"strings"
	"time"

	"gitmirror/api"
	"gitmirror/internal/spread"
)

// Paths below the peer port. Whatever is not here is the public API, forwarded
// by a node that does not lead.
const (
	pathCalls   = "/peer/v1/"
	pathHello   = "/peer/v1/hello"
	pathMeet    = "/peer/v1/meet"
	pathJoin    = "/peer/v1/join"
	pathPropose = "/peer/v1/propose"
	pathIndex   = "/peer/v1/index"
	pathTable   = "/peer/v1/repos/{id}/table"
	// CodeNoPast says that a node does not have the file of the past it is asked for.
	CodeNoPast = "no_past"

	pathPast   = "/peer/v1/repos/{id}/past"
	pathRefs   = "/peer/v1/repos/{id}/refs"
	pathDoubt  = "/peer/v1/repos/{id}/doubt"
	pathUpkeep = "/peer/v1/repos/{id}/maintain"
	pathSync   = "/peer/v1/repos/{id}/sync"
	pathFresh  = "/peer/v1/repos/{id}/fresh"
	pathLive   = "/peer/v1/live"
	pathPulse  = "/peer/v1/pulse"
	pathWhois  = "/peer/v1/whois"
	pathMember = "/peer/v1/member"

	// PathGit is where a peer fetches from, by repository id, private refs
	// included; PathServe serves a client's git request that another node passed
	// on.
	PathGit   = "/peer/git/"
	PathServe = "/peer/serve/"

	// hostName is the Host of every call: no page can have it.
	hostName = "peer.gitmirror.invalid"

	headerCluster = "X-Gitmirror-Cluster"
	// headerFormer names the ids that the caller's cluster had before it was recovered: a node
	// that is of one of them is to end.
	headerFormer = "X-Gitmirror-Former"
	headerIndex  = "X-Gitmirror-Index"
	// HeaderForwarded marks a request that was forwarded once: it is answered or
	// refused, never forwarded again.
	HeaderForwarded = "X-Gitmirror-Forwarded"

	headerPrefix = "X-Gitmirror-" // of all of them
)

// IsCall tells whether a request is a node's, meant for a peer port.
func IsCall(r *http.Request) bool { return r.Host == hostName }

// StripHeaders takes out what only nodes say to each other: for requests that come in
// where anybody may send some.
func StripHeaders(h http.Header) {
	for name := range h {
		if strings.HasPrefix(name, headerPrefix) {
			delete(h, name)
		}
	}
}

// Hello is what a node says of itself to anybody.
type Hello struct {
	ClusterID string `json:"cluster_id"` // empty while it has not joined
	ID        string `json:"id"`
	Name      string `json:"name"`
	Run       string `json:"run"` // ULID of this process
	Version   string `json:"version"`
	Leader    string `json:"leader"` // peer address, empty when it knows none
	// Former are the ids that the cluster had before it was recovered.
	Former []string `json:"former,omitempty"`
}

// JoinRequest is a node that wants in, or tells its new addresses.
type JoinRequest struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Peer      string   `json:"peer"`
	HTTP      string   `json:"http"`
	Version   string   `json:"version"`
	Run       string   `json:"run"`        // of this process
	Runs      []string `json:"runs"`       // of this data directory, the latest of them
	Format    uint32   `json:"format"`     // the newest cluster format it speaks
	ClusterID string   `json:"cluster_id"` // empty the first time
}

// JoinAnswer tells a node what it has joined.
type JoinAnswer struct {
	ClusterID string   `json:"cluster_id"`
	Format    uint32   `json:"format"`           // the cluster's
	Peers     []string `json:"peers"`            // peer addresses of the members
	Former    []string `json:"former,omitempty"` // ids that the cluster had before it was recovered
}

// Live is what only the node that works on a repo knows.
type Live struct {
	LastCheck time.Time `json:"last_check"`
	NextCheck time.Time `json:"next_check"`
	Failures  int       `json:"failures"`
	Syncing   bool      `json:"syncing"`
	Stale     bool      `json:"stale"` // owned, and not checked for three intervals
	// EveryMS is how long it is left alone between two checks, and AsOf, in log time, when the
	// last check began whose upshot is what is published; zero where this is not the owner.
	EveryMS int64     `json:"every_ms,omitzero"`
	AsOf    time.Time `json:"as_of,omitzero"`
	// RestsMS is for how long the host that is asked still wants to be left alone.
	RestsMS int64 `json:"rests_ms,omitzero"`
	// Probe is when the first url is tried again while another is asked, zero where that is not so.
	Probe time.Time `json:"probe,omitzero"`
	// Skipped are refs of upstream's that are not mirrored, nil for none.
	Skipped *api.SkippedRefs `json:"skipped,omitempty"`
	// Lost are settled refs that upstream took away from within a day, nil for none.
	Lost *api.LostRefs `json:"lost,omitempty"`
	// Pins are the refs that stay where they are, and what upstream has there.
	Pins []api.Pin `json:"pins,omitempty"`
	// Generation is what of it is live on the node; nil where it is of a release that does not
	// say so.
	Generation *uint64 `json:"generation,omitempty"`
	// Progress is how far the node is with what it fetches, nil for nothing.
	Progress *api.Progress `json:"progress,omitempty"`
	// Upkeep is how the node keeps its copy, for who asks of one repo.
	Upkeep *api.Upkeep `json:"upkeep,omitempty"`
}

// LiveAnswer is one node's Live of the repos it was asked about.
type LiveAnswer struct {
	Repos   map[string]Live `json:"repos"`   // by repo id
	Syncing int             `json:"syncing"` // of all repos of the node
	Stale   int             `json:"stale"`   // owned ones not checked for three intervals
	// Ages are how long ago the checks began whose upshot is published, of what the node owns and
	// is not paused, NoAge of how many that is not known, and Lags how long the changes of the last
	// half day had been there when they were published. Only where no repo was asked about.
	Ages  *spread.Spread `json:"ages,omitempty"`
	NoAge int            `json:"no_age,omitempty"`
	Lags  *spread.Spread `json:"lags,omitempty"`
	// Trouble is what the node, as leader, has failed at for a while.
	Trouble []api.Trouble `json:"trouble,omitempty"`
}

// Node is what a node does for its peers. Its refusals
// reach the caller as such.
type Node interface {
	Greeter
	// Join is answered by the leader.
	Join(ctx context.Context, rq JoinRequest) (JoinAnswer, error)
	// Propose commits a log entry; only the leader does. It returns what the
	// state machine made of it. refusal.UnknownOutcome: it may have been committed.
	Propose(ctx context.Context, entry []byte) (outcome []byte, index uint64, err error)
	// ReadIndex is answered by the leader, see cluster.
	ReadIndex(ctx context.Context) (uint64, error)
	// Table is the file form of the ref table this node serves of the repo. It may
	// wait a moment for the generation to arrive.
	Table(ctx context.Context, id string, generation uint64) ([]byte, error)
	// Lost is the table of a generation that is lost elsewhere, and that this node
	// has live or keeps aside.
	Lost(ctx context.Context, id string, generation uint64) ([]byte, error)
	// Past is the file of what this node remembers of a table's refs, by its digest in
	// hex.
	Past(id, digest string) ([]byte, error)
	// Refs is a page of the refs of this node's copy, live and kept.
	Refs(ctx context.Context, id string, q api.RefQuery) (api.RefList, error)
	// Doubt has this node look whether its copy is damaged.
	Doubt(id string)
	// Maintain has this node work on its copy, and returns how it was kept before.
	Maintain(id string, work api.Work) (api.Upkeep, error)
	// Sync has the owner ask upstream now and, where wait is set, waits for what
	// that comes to.
	Sync(ctx context.Context, id string, wait bool) (api.SyncOutcome, error)
	// Fresh has the owner make sure that what it has published is the upshot of a check of
	// upstream that began at that time or later, in log time; after the call where that is the
	// zero time. It returns the generation. refusal.NotFresh says why it is not.
	Fresh(ctx context.Context, id string, after time.Time) (generation uint64, err error)
	Live(ctx context.Context, ids []string) LiveAnswer
	// Member tells whether the node of that id is a member. It is answered by a
	// leader that has just made sure that it leads.
	Member(ctx context.Context, id string) (Membership, error)
}
