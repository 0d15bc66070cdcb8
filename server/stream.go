package server

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"gitmirror/fsm"
	"gitmirror/internal/gitanswer"
	"gitmirror/internal/spool"
	"gitmirror/peer"
)

// patience is how long a holder may take to begin an answer before the next is
// asked.
type patience struct{ refs, pack time.Duration }

var (
	holderPatience = patience{refs: time.Second, pack: 10 * time.Second}
	lastPatience   = patience{refs: 5 * time.Second, pack: time.Minute} // a large pack may take a while to begin
)

// errRefused says that a holder answered, and not with what was asked for.
var errRefused = errors.New("it answered")

// stream answers a git request from one of the nodes, the first that answers. It
// returns false when none did, with nothing written, and those that said nothing.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, rq gitRequest, body *spool.Body, row *fsm.Repo, nodes []*fsm.Node, p patience) (served bool, silent []*fsm.Node) {
	for _, n := range nodes {
		resp, err := s.askHolder(r, n, row.ID, rq.op, body, p)
		if err == nil {
			note(w, func(m *measured) { m.source = SourcePeer })
			relay(w, resp, rq, body, n.Name)
			return true, nil
		}
		s.log.Debug("holder did not answer", "repo", row.Name, "node", n.Name, "err", err)
		if !errors.Is(err, errRefused) {
			silent = append(silent, n)
		}
	}
	return false, silent
}

// holding lists the other nodes with a complete copy, the furthest ahead first;
// apart from them those that gossip takes for dead, or that serve nothing. Copies that are
// older than the least generation are none, nor are those of nodes without git.
func (s *Server) holding(view *fsm.View, row *fsm.Repo, least uint64) (live, dead []*fsm.Node) {
	gone := s.cfg.Consensus.Dead()
	copies := slices.Clone(row.Copies)
	slices.SortStableFunc(copies, func(a, b fsm.Copy) int { return cmp.Compare(b.Generation, a.Generation) })
	for _, c := range copies {
		switch n := view.Node(c.Node); {
		case n == nil || n.ID == s.cfg.Self || !n.HasGit() || c.Generation == 0 || c.Generation < least:
		case gone[n.ID] || n.Sick != nil:
			dead = append(dead, n)
		default:
			live = append(live, n)
		}
	}
	return live, dead
}

// askHolder sends the request to one node. A status other than 200 is an error, as the
// next node may do better, unless the request itself is refused.
func (s *Server) askHolder(r *http.Request, n *fsm.Node, id, op string, body *spool.Body, p patience) (*http.Response, error) {
	url := "http://" + n.Peer + peer.PathServe + id + "/" + op
	if r.URL.RawQuery != "" {
		url += "?" + r.URL.RawQuery
	}
	req, err := http.NewRequestWithContext(r.Context(), r.Method, url, body.Reader())
	if err != nil {
		return nil, err
	}
	if req.ContentLength = body.Len(); req.ContentLength == 0 {
		req.Body = nil
	}
	for _, h := range []string{"Content-Type", "Git-Protocol", "Accept"} {
		if v := r.Header.Get(h); v != "" {
			req.Header.Set(h, v)
		}
	}
	begin := p.pack
	if op == "info/refs" || asksForRefs(body) {
		begin = p.refs
	}
	resp, err := s.cfg.Peers.Transport(begin).RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK && !clientsFault(resp.StatusCode) {
		resp.Body.Close()
		return nil, fmt.Errorf("%w %s", errRefused, resp.Status)
	}
	return resp, nil
}

// asksForRefs tells whether a request is protocol 2's for refs: git sends it to where it sends
// those for packs. Refs are shown at once, where a pack may have to be made first.
func asksForRefs(body *spool.Body) bool {
	const command = "command=ls-refs"
	first := string(body.First(len("0014") + len(command)))
	return first == "0014"+command || first == "0013"+command // with a newline, and JGit without
}

// clientsFault tells a refusal that every holder would repeat: it is the answer. Others
// are of this holder: it has no such copy, is of another cluster, does not take us for a
// node, is busy, or did not get the request in time.
func clientsFault(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusProxyAuthRequired,
		http.StatusRequestTimeout, http.StatusMisdirectedRequest, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status >= 400 && status < 500
}

// relay passes an answer on as it comes. When the other node dies in mid-pack, the
// answer ends with an error that git shows, or, where it cannot hold one, with the
// connection: a short pack must not look like a whole one.
func relay(w http.ResponseWriter, resp *http.Response, rq gitRequest, body *spool.Body, node string) {
	defer resp.Body.Close()
	for _, h := range []string{"Content-Type", "Cache-Control", "Allow"} {
		if v := resp.Header.Get(h); v != "" {
			w.Header().Set(h, v)
		}
	}
	w.WriteHeader(resp.StatusCode)
	flusher := http.NewResponseController(w)
	var out io.Writer = w
	var packets *gitanswer.Writer
	if rq.op == "git-upload-pack" && resp.StatusCode == http.StatusOK {
		packets = gitanswer.New(w, body.First(4<<10))
		out = packets
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := resp.Body.Read(buf)
		if n > 0 {
			if _, werr := out.Write(buf[:n]); werr != nil {
				return // the client has gone
			}
			_ = flusher.Flush()
		}
		if err == io.EOF && (packets == nil || !packets.Broken()) {
			return
		}
		if err != nil {
			if packets == nil || !packets.Fail("the node "+node+", which sent this, broke off; clone or fetch again") {
				panic(http.ErrAbortHandler)
			}
			return
		}
	}
}

// ServeLocal answers, over the peer port, a git request that another node
// passes on, by repo id and from this node's copy alone.
func (s *Server) ServeLocal() http.Handler {
	return ByID(func(id string) (OpenCopy, error) { return s.cfg.Git.Open(id) })
}

// ByID serves git requests whose path is /<id>/<op> from what open returns.
func ByID(open func(id string) (OpenCopy, error)) http.Handler {
	mux := http.NewServeMux()
	handle := func(op string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			c, err := open(r.PathValue("id"))
			if err == nil {
				err = answer(w, r, op, c)
			}
			if err != nil {
				gitRefuse(w, http.StatusNotFound, err.Error())
			}
		}
	}
	mux.HandleFunc("GET /{id}/info/refs", handle("info/refs"))
	mux.HandleFunc("POST /{id}/git-upload-pack", handle("git-upload-pack"))
	return mux
}
