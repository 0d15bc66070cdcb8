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
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/internal/browser"
	"gitmirror/internal/gitbody"
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
	// LastContact is when that was: now if it leads, zero if it never did.
	LastContact() time.Time
	Await(ctx context.Context) error
}

// Writer carries out writes. It is called on the leader only. Its errors are
// refusals where the request is at fault.
type Writer interface {
	Add(ctx context.Context, repos []api.AddRepo, key string) ([]Added, error)
	Set(ctx context.Context, id string, set api.SetRepo, key string) error
	Remove(ctx context.Context, id, key string) error
	RemoveNode(ctx context.Context, id, key string) error
	Approve(ctx context.Context, id string, a api.Approve, key string) error
	// Pin has a ref of a repo stay at an object.
	Pin(ctx context.Context, id, ref, oid, key string) error
}

// Added is one result of Writer.Add: a repo id, or why it was not added.
type Added struct {
	ID  string
	Err error
}

// Git is this node's copies, by repo id.
type Git interface {
	Open(id string) (Copy, error)
	// OpenByName is for a node that has not caught up with the table.
	OpenByName(name string) (Copy, error)
}

// Copy is one copy's live generation.
type Copy interface {
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
	Refs(ctx context.Context, addr, id string, q api.RefQuery) (api.RefList, error)
	// Transport forwards requests: an answer begins within begin and then makes
	// progress, or the peer is given up.
	Transport(begin time.Duration) http.RoundTripper
}

// Local is what this node does as a peer of itself.
type Local interface {
	Live(ctx context.Context, ids []string) peer.LiveAnswer
	Sync(ctx context.Context, id string, wait bool) (api.SyncOutcome, error)
	Refs(ctx context.Context, id string, q api.RefQuery) (api.RefList, error)
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
	ReadOnly  bool             // refuse writes that come in by the public port
	Bodies    *spool.Pool      // of git requests; default one of its own, in the directory for temporary files
	Log       *slog.Logger
}

// Server answers HTTP.
type Server struct {
	cfg    Config
	log    *slog.Logger
	bodies *spool.Pool
}

// New returns a Server.
func New(cfg Config) *Server {
	if cfg.Bodies == nil {
		cfg.Bodies = gitbody.NewPool("", "requests", nil)
	}
	return &Server{cfg: cfg, log: cfg.Log, bodies: cfg.Bodies}
}

// Handler serves the public port. A page of elsewhere gets nothing but the probes:
// who runs those knows no name. What nodes tell each other in headers, nobody else can
// say here.
func (s *Server) Handler() http.Handler {
	next := s.handler(s.cfg.ReadOnly)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer.StripHeaders(r.Header)
		var refused *refusal.Error
		switch err := browser.Check(r, s.cfg.Hosts); {
		case err == nil || r.URL.Path == "/livez" || r.URL.Path == "/readyz":
			next.ServeHTTP(w, r)
			return
		case errors.Is(err, browser.ErrHost):
			host := clip(browser.Host(r))
			refused = refusal.New(refusal.HostUnknown, "this node is not known as %s", host).Try("ask it by its IP address, or start it with --allow-host %s", host)
		default:
			refused = refusal.New(refusal.CrossOrigin, "%s", err)
		}
		if strings.HasPrefix(r.URL.Path, "/git/") { // shown as it is
			gitRefuse(w, refused.HTTP(), refused.Detail+": "+refused.Hint)
			return
		}
		refuse(w, refused)
	})
}

// Forwarded serves the API for requests that another node passed on over the
// peer port.
func (s *Server) Forwarded() http.Handler { return s.handler(false) }

func (s *Server) handler(readOnly bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/livez", only(methods{http.MethodGet: s.livez}))
	mux.HandleFunc("/readyz", only(methods{http.MethodGet: s.readyz}))
	mux.HandleFunc("/git/", s.git)
	mux.HandleFunc("/api/v1/status", only(methods{http.MethodGet: s.read(s.status)}))
	mux.HandleFunc("/api/v1/nodes", only(methods{http.MethodGet: s.informed(s.nodes)}))
	mux.HandleFunc("/api/v1/nodes/{name}", only(methods{http.MethodGet: s.informed(s.node), http.MethodDelete: s.write(readOnly, s.removeNode)}))
	mux.HandleFunc("/api/v1/repos", only(methods{http.MethodGet: s.informed(s.repos), http.MethodPost: s.write(readOnly, s.addRepos)}))
	mux.HandleFunc("/api/v1/repos/", s.repoPath(readOnly))
	mux.HandleFunc("/", s.elsewhere)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		s.stamp(w)
		if p := clearQuery(r); p != nil {
			refuse(w, p)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// clearQuery refuses what url.Values would drop without a word, and what says two
// things at once.
func clearQuery(r *http.Request) *refusal.Error {
	if !strings.HasPrefix(r.URL.Path, "/api/") {
		return nil
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return refusal.New(refusal.QueryInvalid, "the query cannot be read: %s", clip(err.Error()))
	}
	for _, k := range slices.Sorted(maps.Keys(q)) {
		if len(q[k]) > 1 {
			return refusal.New(refusal.QueryInvalid, "%q is there %d times; send it once", clip(k), len(q[k]))
		}
	}
	return nil
}

// methods are what a path can be asked for. Who may GET may HEAD.
type methods map[string]http.HandlerFunc

// only refuses every other method, and says which there are.
func only(m methods) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		if do := m[method]; do != nil {
			do(w, r)
			return
		}
		there := slices.Sorted(maps.Keys(m))
		if m[http.MethodGet] != nil {
			there = append(there, http.MethodHead)
		}
		refuseMethod(w, r, there...)
	}
}

func refuseMethod(w http.ResponseWriter, r *http.Request, there ...string) {
	allow := strings.Join(there, ", ")
	w.Header().Set("Allow", allow)
	refuse(w, refusal.New(refusal.Method, "%s is not possible at %q", clip(r.Method), clip(r.URL.Path)).Try("possible here: %s", allow))
}

// What an answer is from: an index of the log, and how many milliseconds ago this node
// heard from a leader.
const (
	headerIndex   = "X-Gitmirror-Index"
	headerContact = "X-Gitmirror-Last-Contact"
)

// stamp says how far the state is that an answer comes from.
func (s *Server) stamp(w http.ResponseWriter) {
	w.Header().Set(headerIndex, strconv.FormatUint(s.cfg.State.View().Index(), 10))
	if heard := s.cfg.Consensus.LastContact(); !heard.IsZero() {
		w.Header().Set(headerContact, strconv.FormatInt(max(s.cfg.Now().Sub(heard).Milliseconds(), 0), 10))
	}
}

func (s *Server) elsewhere(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/" {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			refuseMethod(w, r, http.MethodGet, http.MethodHead)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("gitmirror\n\n  GET /api/v1/status   the cluster\n  GET /api/v1/repos    what is mirrored\n  git clone http://" + r.Host + "/git/NAME\n"))
		return
	}
	refuse(w, refusal.New(refusal.NoSuchPath, "there is nothing at %q", clip(r.URL.Path)))
}

func (s *Server) livez(w http.ResponseWriter, r *http.Request) {
	_, _ = w.Write([]byte("ok\n"))
}

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if reason := s.notReady(r.URL.Query().Has("noleader")); reason != "" {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte("not ready: " + reason + "\n"))
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}

// notReady says why requests should go to another node. Those for git alone
// (noleader) are served without a leader too: the copies here are what they
// are. Only while there is one, and this node is about to learn from it what it
// missed, others know better.
func (s *Server) notReady(noleader bool) string {
	err, led := s.cfg.Consensus.Ready(), s.cfg.Consensus.Led()
	switch {
	case err != nil && (led || !noleader):
		return err.Error()
	case !led && !noleader:
		return "this node has not heard from a leader for a while; git alone is served: /readyz?noleader"
	}
	return ""
}

const readTimeout = 5 * time.Second

// read answers from this node's state, or, with ?consistent=true, from a state
// that has everything committed before the request.
func (s *Server) read(answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if v := r.URL.Query().Get("consistent"); v != "" && v != "true" && v != "false" {
			refuse(w, refusal.New(refusal.QueryInvalid, "consistent is true or false"))
			return
		} else if v == "true" {
			if err := s.catchUp(r.Context()); err != nil {
				refuse(w, refusal.New(refusal.NotConsistent, "%s: %s", refusal.NotConsistent, err))
				return
			}
			s.stamp(w)
		}
		answer(w, r)
	}
}

// startPatience is how long a read waits for a node that has just started to
// learn the table.
const startPatience = 3 * time.Second

// informed is read for what a node must not answer before it knows the table:
// "there is none" would be a lie.
func (s *Server) informed(answer http.HandlerFunc) http.HandlerFunc {
	return s.read(func(w http.ResponseWriter, r *http.Request) {
		if p := s.uninformed(r.Context()); p != nil {
			refuse(w, p)
			return
		}
		s.stamp(w)
		answer(w, r)
	})
}

func (s *Server) uninformed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	if err := s.cfg.Consensus.Await(ctx); err != nil {
		return refusal.NotCaughtUp
	}
	return nil
}

func (s *Server) catchUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	index, err := s.cfg.Consensus.ReadIndex(ctx)
	if err != nil {
		return err
	}
	return s.cfg.Consensus.WaitApplied(ctx, index)
}
