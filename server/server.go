// Package server is a node's HTTP face: the API, git and the probes, the same
// on every node. Reads are answered from this node's own state and say how old
// it is; writes go to the leader by themselves; git is served from the copy
// here, or streamed from a node that has one.
//
// It renders and routes. What is true is decided elsewhere.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/internal/browser"
	"gitmirror/internal/gitbody"
	"gitmirror/internal/network"
	"gitmirror/internal/policy"
	"gitmirror/internal/refusal"
	"gitmirror/internal/spool"
	"gitmirror/peer"
)

// State is the replicated table on this node.
type State interface {
	View() *fsm.View
	Changed() <-chan struct{}
}

// Consensus is what the server asks of the raft group.
type Consensus interface {
	// Leader is the leading node's id and peer address, empty when there is none.
	Leader() (id, addr string)
	LeaderChanged() <-chan struct{}
	// Roles are "leader", "voter" or "nonvoter" by node id.
	Roles() map[string]string
	// Dead tells by node id whom gossip takes for dead.
	Dead() map[string]bool
	// ReadIndex returns, from the leader, an index to wait for.
	ReadIndex(ctx context.Context) (uint64, error)
	WaitApplied(ctx context.Context, index uint64) error
	// Ready is nil once this node has applied what a leader had committed when it
	// was first heard; else it says what is missing. Await waits for that.
	Ready() error
	// Led tells whether this node leads, or has heard from a leader a moment ago.
	Led() bool
	// Settled tells whether one leads for so long that it has written down who is down.
	Settled() bool
	// LastContact is when that was: now if it leads, zero if it never did.
	LastContact() time.Time
	Await(ctx context.Context) error
}

// Writer carries out writes. It is called on the leader only. Its errors are
// refusals where the request is at fault.
type Writer interface {
	Add(ctx context.Context, repos []NewRepo, key string) ([]Added, error)
	// WouldAdd tells what Add would come to now: the ID of what could be added is its name.
	WouldAdd(repos []NewRepo) ([]Added, error)
	// Change and Remove answer for each of them by itself.
	Change(ctx context.Context, changes []Change, key string) ([]Added, error)
	Remove(ctx context.Context, ids []string, key string) ([]error, error)
	// Restore brings back what was removed, and returns its id, which a repeated call need not know.
	Restore(ctx context.Context, id, key string) (string, error)
	// AddSource returns the source's name.
	AddSource(ctx context.Context, n NewSource, key string) (name string, err error)
	// RemoveNode forgets a node; though the last live copies of something are lost with it
	// where that is accepted.
	RemoveNode(ctx context.Context, id string, acceptLoss bool, key string) error
	// Drain and Undrain do not wait for what that comes to.
	Drain(ctx context.Context, id, key string) error
	Undrain(ctx context.Context, id, key string) error
	// Transfer has a voter lead, any that is up where none is named, and returns when this
	// node does not lead any more, or should have.
	Transfer(ctx context.Context, id string) error
	// Do carries out a command that needs nobody's judgement but the log's.
	Do(ctx context.Context, msg proto.Message, key string) error
}

// NewRepo is what somebody asks to have mirrored.
type NewRepo struct {
	URLs   []string
	Name   string // default: of the first URL
	Policy policy.Policy
	Labels map[string]string
}

// Change is what shall become of one repo; nil leaves what it is about as it is.
type Change struct {
	ID      string
	Policy  policy.Change
	Labels  map[string]*string // nil: the label goes
	URLs    []string
	Name    *string
	Aliases *[]string // all other names that it shall have
	Paused  *bool
}

// Added is one result of Writer.Add or Change: a repo id, or why it was not added or changed.
type Added struct {
	ID  string
	Err error
}

// Git is this node's copies, by repo id.
type Git interface {
	// Open is ErrNoGit where this node serves no copy because it has no git.
	Open(id string) (OpenCopy, error)
	// OpenByName is for a node that has not caught up with the table.
	OpenByName(name string) (OpenCopy, error)
}

// ErrNoGit says that there is no git here to make packs with.
var ErrNoGit = errors.New("this node has no git to make packs with")

// OpenCopy is one copy's live generation.
type OpenCopy interface {
	Generation() uint64
	Advertise(w http.ResponseWriter, r *http.Request)
	// UploadPack returns an error, with nothing written, when the copy has gone
	// since it was opened, or cannot make the pack (see Unable).
	UploadPack(w http.ResponseWriter, r *http.Request) error
}

// Peers reaches the other nodes by peer address.
type Peers interface {
	Live(ctx context.Context, addr string, ids []string) (peer.LiveAnswer, error)
	Sync(ctx context.Context, addr, id string, wait bool) (api.SyncOutcome, error)
	Fresh(ctx context.Context, addr, id string, after time.Time) (generation uint64, err error)
	// Maintain has the node at addr work on its copy, and returns how it was kept before.
	Maintain(ctx context.Context, addr, id string, work api.Work) (api.Upkeep, error)
	Refs(ctx context.Context, addr, id string, q api.RefQuery) (api.RefList, error)
	// Transport forwards requests: an answer begins within begin and then makes
	// progress, or the peer is given up.
	Transport(begin time.Duration) http.RoundTripper
}

// Local is what this node does as a peer of itself.
type Local interface {
	Live(ctx context.Context, ids []string) peer.LiveAnswer
	Sync(ctx context.Context, id string, wait bool) (api.SyncOutcome, error)
	Fresh(ctx context.Context, id string, after time.Time) (generation uint64, err error)
	Refs(ctx context.Context, id string, q api.RefQuery) (api.RefList, error)
	Maintain(id string, work api.Work) (api.Upkeep, error)
}

// Config is what a Server needs.
type Config struct {
	Self      string // node id
	State     State
	Consensus Consensus
	Writer    Writer
	Git       Git
	Peers     Peers
	Local     Local
	Now       func() time.Time // the log's time, which goes on while nothing is written
	Hosts     []string         // names, besides IP addresses, that lead to the public port
	Stopping  <-chan struct{}  // closed when the node is told to stop: who waits for news is answered. May be nil
	Bodies    *spool.Pool      // of git requests; default one of its own, in the directory for temporary files
	Meter     Meter            // of answers to clients; nil where nobody counts
	Metrics   http.Handler     // of /metrics; nil for none
	Log       *slog.Logger
}

// Server answers HTTP.
type Server struct {
	cfg    Config
	log    *slog.Logger
	bodies *spool.Pool
	tally  tally
	passed passed
	silent silent
	vigils chan struct{} // a place for each who waits for events
}

// New returns a Server.
func New(cfg Config) *Server {
	if cfg.Bodies == nil {
		cfg.Bodies = gitbody.NewPool(nil, "", "requests", nil)
	}
	return &Server{cfg: cfg, log: cfg.Log, bodies: cfg.Bodies, vigils: make(chan struct{}, maxVigils)}
}

// Handler serves what comes in by a door. A page of elsewhere gets nothing but the probes:
// who runs those knows no name. What nodes tell each other in headers, nobody else can
// say here.
func (s *Server) Handler(by Door) http.Handler {
	next := s.handler(by)
	return measure(s.cfg.Meter, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer.StripHeaders(r.Header)
		err := s.foreign(r, by)
		switch {
		case err == nil || r.URL.Path == "/livez" || r.URL.Path == "/readyz":
			next.ServeHTTP(w, r)
		case strings.HasPrefix(r.URL.Path, "/git/"): // shown as it is
			gitRefuse(w, err.HTTP(), err.Detail+": "+err.Hint)
		default:
			refuse(w, err)
		}
	}))
}

// foreign is why a request is not answered that is meant for somebody else, or that a page
// of elsewhere sends; nil for any other. No page reaches a socket by a name of its own.
func (s *Server) foreign(r *http.Request, by Door) *refusal.Error {
	if peer.IsCall(r) {
		return s.wherePeersAre(r)
	}
	check := browser.Check(r, s.cfg.Hosts)
	if by == Socket {
		check = browser.CheckOrigin(r)
	}
	switch {
	case check == nil:
		return nil
	case errors.Is(check, browser.ErrHost):
		host := clip(browser.Host(r))
		return refusal.New(refusal.HostUnknown, "this node is not known as %s", host).Try("ask it by its IP address, or start it with --allow-host %s", host)
	}
	return refusal.New(refusal.CrossOrigin, "%s", check)
}

// wherePeersAre tells a node that takes this port for one of nodes where that is.
func (s *Server) wherePeersAre(r *http.Request) *refusal.Error {
	e := refusal.New(refusal.HTTPPort, "%s", refusal.HTTPPort)
	row := s.cfg.State.View().NodeByID(s.cfg.Self)
	switch {
	case row == nil || row.Peer == "":
		return e
	case network.Loopback(row.Peer) && !network.Loopback(r.RemoteAddr):
		return e.Try("others do not reach its peer address %s: start %s with --peer HOST:7655 --insecure-peers, where HOST is its machine's address in your network, and then this node with --join HOST:7655", row.Peer, row.Name)
	}
	return e.Try("--join %s", row.Peer)
}

// Forwarded serves the API for requests that another node passed on over the
// peer port: it has let them in.
func (s *Server) Forwarded() http.Handler { return s.handler(Open) }
