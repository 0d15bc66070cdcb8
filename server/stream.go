package server

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"gitmirror/fsm"
	"gitmirror/peer"
)

const (
	// holderPatience is how long one holder may take to begin an answer to
	// info/refs before the next is asked.
	holderPatience = time.Second
	// rewindable is how much of a request is kept so that it can be sent to a
	// second holder. git's requests for packs are far smaller, as a rule.
	rewindable = 1 << 20
)

// stream answers a git request from another node's copy, those at the table's
// generation first. It returns false when none answered, with nothing written.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, rq gitRequest, view *fsm.View, row *fsm.Repo) bool {
	body, err := io.ReadAll(io.LimitReader(r.Body, rewindable))
	if err != nil {
		return false
	}
	whole := len(body) < rewindable
	for _, n := range s.holding(view, row) {
		var in io.Reader = bytes.NewReader(body)
		if !whole {
			in = io.MultiReader(in, r.Body)
		}
		resp, err := s.askHolder(r, n, row.ID, rq.op, in)
		if err != nil {
			s.log.Debug("holder did not answer", "repo", row.Name, "node", n.Name, "err", err)
			if !whole {
				return false
			}
			continue
		}
		relay(w, resp)
		return true
	}
	// What was read of the body is put back for the copy here.
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(body), r.Body), r.Body}
	return false
}

// holding lists live nodes with a complete copy, the furthest ahead first.
func (s *Server) holding(view *fsm.View, row *fsm.Repo) []*fsm.Node {
	dead := s.cfg.Consensus.Dead()
	copies := slices.Clone(row.Copies)
	slices.SortStableFunc(copies, func(a, b fsm.Copy) int { return cmp.Compare(b.Generation, a.Generation) })
	var list []*fsm.Node
	for _, c := range copies {
		n := view.Node(c.Node)
		if n != nil && n.ID != s.cfg.Self && c.Generation > 0 && !dead[n.ID] {
			list = append(list, n)
		}
	}
	return list
}

// askHolder sends the request to one node. A status other than 200 is an error:
// the next node may do better.
func (s *Server) askHolder(r *http.Request, n *fsm.Node, id, op string, body io.Reader) (*http.Response, error) {
	url := "http://" + n.Peer + peer.PathServe + id + "/" + op
	if r.URL.RawQuery != "" {
		url += "?" + r.URL.RawQuery
	}
	req, err := http.NewRequestWithContext(r.Context(), r.Method, url, body)
	if err != nil {
		return nil, err
	}
	for _, h := range []string{"Content-Type", "Content-Encoding", "Git-Protocol", "Accept"} {
		if v := r.Header.Get(h); v != "" {
			req.Header.Set(h, v)
		}
	}
	patience := holderPatience
	if op != "info/refs" {
		patience = time.Minute // a large pack may take a while to begin
	}
	resp, err := s.cfg.Peers.Transport(patience).RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, errors.New(resp.Status)
	}
	return resp, nil
}

// relay passes an answer on as it comes. When the other node dies in mid-pack
// the connection is cut: a short pack must not look like a whole one.
func relay(w http.ResponseWriter, resp *http.Response) {
	defer resp.Body.Close()
	for _, h := range []string{"Content-Type", "Cache-Control"} {
		if v := resp.Header.Get(h); v != "" {
			w.Header().Set(h, v)
		}
	}
	w.WriteHeader(resp.StatusCode)
	flusher := http.NewResponseController(w)
	buf := make([]byte, 64<<10)
	for {
		n, err := resp.Body.Read(buf)
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil {
				return // the client has gone
			}
			_ = flusher.Flush()
		}
		if err == io.EOF {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// ServeLocal answers, over the peer port, a git request that another node
// passes on, by repo id and from this node's copy alone.
func (s *Server) ServeLocal() http.Handler {
	return ByID(func(id string) (Copy, error) { return s.cfg.Git.Open(id) })
}

// ByID serves git requests whose path is /<id>/<op> from what open returns.

func ByID(open func(id string) (Copy, error)) http.Handler {
	mux := http.NewServeMux()
	handle := func(op string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			c, err := open(r.PathValue("id"))
			if err != nil {
				gitRefuse(w, http.StatusNotFound, err.Error())
				return
			}
			answer(w, r, op, c)
		}
	}
	mux.HandleFunc("GET /{id}/info/refs", handle("info/refs"))
	mux.HandleFunc("POST /{id}/git-upload-pack", handle("git-upload-pack"))
	return mux
}
