package peer

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"gitmirror/api"
	"gitmirror/internal/browser"
	"gitmirror/internal/refusal"
	"gitmirror/internal/strictjson"
)

const maxCall = 1 << 20

// Greeter is what a process answers that is not put together yet.
type Greeter interface {
	Hello() Hello
	// Pulse tells how this node is, from memory alone.
	Pulse() Pulse
	// Whois tells what this node knows of whoever says to be the node of that id,
	// and notes the claim.
	Whois(claim Claim) Whois
	// Meet takes in that another node waits for a cluster, and tells whether this one does;
	// where it is asked for its word it gives it, durably, before it answers, or does not.
	Meet(rq MeetRequest) (MeetAnswer, error)
	// Superseded is told that a caller is of a newer incarnation of this node's cluster, as it
	// says. It must not block.
	Superseded()
}

// Greet serves the peer port of a process that is starting: whatever else is asked is
// told so.
func Greet(cluster func() string, g Greeter) http.Handler {
	mux := http.NewServeMux()
	calls{mux, cluster, g}.greetings(g)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { refuse(w, refusal.Starting) })
	return guard(cluster, mux)
}

// Handlers are what the peer port of a node serves besides calls.
type Handlers struct {
	Cluster func() string // this node's cluster
	Node    Node
	Git     http.Handler // PathGit, prefix stripped
	Serve   http.Handler // PathServe, prefix stripped
	API     http.Handler // forwarded requests
}

// Handler serves the peer port. Everything but Hello and a first Join must be
// meant for this cluster.
func (h Handlers) Handler() http.Handler {
	mux := http.NewServeMux()
	c := calls{mux, h.Cluster, h.Node}
	c.greetings(h.Node)
	mux.HandleFunc(pathJoin, only(http.MethodPost, h.join))
	c.add(http.MethodPost, pathPropose, h.propose)
	c.add(http.MethodGet, pathIndex, h.index)
	c.add(http.MethodGet, pathTable, h.table)
	c.add(http.MethodGet, pathPast, h.past)
	c.add(http.MethodGet, pathRefs, h.refs)
	c.add(http.MethodPost, pathDoubt, h.doubt)
	c.add(http.MethodPost, pathUpkeep, h.maintain)
	c.add(http.MethodPost, pathSync, h.sync)
	c.add(http.MethodPost, pathFresh, h.fresh)
	c.add(http.MethodPost, pathLive, h.live)
	c.add(http.MethodGet, pathMember, h.memberOf)
	// git cannot be told to send our header: what it reads here is not secret.
	mux.Handle(PathGit, http.StripPrefix(PathGit[:len(PathGit)-1], h.Git))
	mux.Handle(PathServe, c.ours(http.StripPrefix(PathServe[:len(PathServe)-1], h.Serve).ServeHTTP))
	mux.Handle("/api/", c.ours(h.API.ServeHTTP))
	return guard(h.Cluster, mux)
}

// guard lets in what nodes ask, and nothing that a web page could.
func guard(cluster func() string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A page does not know the cluster's id, and cannot send it across origins: a call
		// that names it is a node's, of an earlier release too.
		theirs, ours := r.Header.Get(headerCluster), cluster()
		switch err := browser.Check(r, []string{hostName}); {
		case theirs == ours && ours != "" && strings.HasPrefix(r.URL.Path, pathCalls):
		case strings.HasPrefix(r.URL.Path, PathGit): // git says neither, and what it reads is not secret
		case err != nil:
			refuse(w, refusal.New(refusal.Foreign, "%s", err))
			return
		case r.Method != http.MethodGet && strings.HasPrefix(r.URL.Path, pathCalls) && r.Header.Get("Content-Type") != callType:
			refuse(w, refusal.New(refusal.ContentType, "a call needs the header Content-Type: "+callType))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// calls are the paths of one cluster's calls.
type calls struct {
	*http.ServeMux
	cluster func() string
	greeter Greeter
}

func (c calls) add(method, path string, do http.HandlerFunc) {
	c.Handle(path, c.ours(only(method, do)))
}

// greetings are what a process answers from its first moment.
func (c calls) greetings(g Greeter) {
	c.HandleFunc(pathHello, only(http.MethodGet, func(w http.ResponseWriter, r *http.Request) { answer(w, g.Hello(), nil) }))
	c.meet(g)
	c.add(http.MethodGet, pathPulse, func(w http.ResponseWriter, r *http.Request) { answer(w, g.Pulse(), nil) })
	c.add(http.MethodPost, pathWhois, func(w http.ResponseWriter, r *http.Request) {
		var claim Claim
		if read(w, r, &claim) {
			answer(w, g.Whois(claim), nil)
		}
	})
}

// ours refuses what is meant for another cluster.
func (c calls) ours(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if theirs, ours := r.Header.Get(headerCluster), c.cluster(); theirs != ours || ours == "" {
			if ours != "" && slices.Contains(strings.Fields(r.Header.Get(headerFormer)), ours) {
				c.greeter.Superseded()
			}
			refuse(w, refusal.New(refusal.OtherCluster, "this node is of cluster %q, the call is meant for %q", ours, theirs))
			return
		}
		next(w, r)
	})
}

// only refuses every other method.
func only(method string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method {
			w.Header().Set("Allow", method)
			refuse(w, refusal.New(refusal.Method, "this call is a %s", method))
			return
		}
		next(w, r)
	}
}

func (h Handlers) join(w http.ResponseWriter, r *http.Request) {
	var rq JoinRequest
	if !read(w, r, &rq) {
		return
	}
	if ours := h.Cluster(); rq.ClusterID != "" && rq.ClusterID != ours {
		refuse(w, refusal.New(refusal.OtherCluster, "this node is of cluster %s, yours is of %s", ours, rq.ClusterID))
		return
	}
	a, err := h.Node.Join(r.Context(), rq)
	answer(w, a, err)
}

func (h Handlers) propose(w http.ResponseWriter, r *http.Request) {
	entry, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCall))
	if err != nil {
		refuse(w, malformed(err))
		return
	}
	outcome, index, err := h.Node.Propose(r.Context(), entry)
	if err != nil {
		answer(w, nil, err)
		return
	}
	w.Header().Set(headerIndex, strconv.FormatUint(index, 10))
	_, _ = w.Write(outcome)
}

func (h Handlers) index(w http.ResponseWriter, r *http.Request) {
	index, err := h.Node.ReadIndex(r.Context())
	answer(w, map[string]uint64{"index": index}, err)
}

func (h Handlers) table(w http.ResponseWriter, r *http.Request) {
	number, table := r.URL.Query().Get("generation"), h.Node.Table
	if r.URL.Query().Has("lost") {
		number, table = r.URL.Query().Get("lost"), h.Node.Lost
	}
	generation, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		refuse(w, malformed(err))
		return
	}
	data, err := table(r.Context(), r.PathValue("id"), generation)
	if err != nil {
		answer(w, nil, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(data)
}

func (h Handlers) past(w http.ResponseWriter, r *http.Request) {
	data, err := h.Node.Past(r.PathValue("id"), r.URL.Query().Get("digest"))
	if err != nil {
		answer(w, nil, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(data)
}

func (h Handlers) refs(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	limit, err := strconv.Atoi(v.Get("limit"))
	if err != nil {
		refuse(w, malformed(err))
		return
	}
	list, err := h.Node.Refs(r.Context(), r.PathValue("id"), api.RefQuery{Pattern: v.Get("q"), Cursor: v.Get("cursor"), Kept: v.Get("kept") == "true", Limit: limit})
	answer(w, list, err)
}

func (h Handlers) doubt(w http.ResponseWriter, r *http.Request) {
	h.Node.Doubt(r.PathValue("id"))
	answer(w, struct{}{}, nil)
}

func (h Handlers) maintain(w http.ResponseWriter, r *http.Request) {
	u, err := h.Node.Maintain(r.PathValue("id"), api.Work(r.URL.Query().Get("work")))
	answer(w, u, err)
}

func (h Handlers) sync(w http.ResponseWriter, r *http.Request) {
	o, err := h.Node.Sync(r.Context(), r.PathValue("id"), r.URL.Query().Get("wait") == "true")
	answer(w, o, err)
}

func (h Handlers) fresh(w http.ResponseWriter, r *http.Request) {
	var after time.Time
	if !read(w, r, &after) {
		return
	}
	generation, err := h.Node.Fresh(r.Context(), r.PathValue("id"), after)
	answer(w, generation, err)
}

func (h Handlers) live(w http.ResponseWriter, r *http.Request) {
	var ids []string
	if !read(w, r, &ids) {
		return
	}
	answer(w, h.Node.Live(r.Context(), ids), nil)
}

// read reads the body of a call into v, or refuses it.
func read(w http.ResponseWriter, r *http.Request, v any) bool {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCall))
	if err == nil {
		err = strictjson.Unmarshal(data, v)
	}
	if err != nil {
		refuse(w, malformed(err))
	}
	return err == nil
}

func malformed(err error) error {
	return refusal.New(refusal.Malformed, "the call cannot be read: %s", err)
}

func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// refuse answers with what err says.
func refuse(w http.ResponseWriter, err error) {
	p := api.ProblemOf(err)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}
