package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/http/httputil"
	"strconv"
	"time"

	"gitmirror/internal/network"
	"gitmirror/internal/refusal"
	"gitmirror/peer"
)

const (
	writeTimeout   = 10 * time.Second
	leaderPatience = 2 * time.Second // an election is usually over within it
)

// write checks what every write has in common and has the leader carry it out:
// here, or over the peer port, for as long as while lasts.
func (s *Server) write(do handler, while func(ctx context.Context, leader string) (context.Context, context.CancelFunc)) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if keys := r.Header.Values("Idempotency-Key"); len(keys) > 1 || len(keys) == 1 && len(keys[0]) > 200 {
			return refusal.New(refusal.KeyInvalid, "a request has one Idempotency-Key, of 200 bytes at most")
		}
		// A body that is too large is refused here, not in the middle of a call to
		// the leader.
		body, err := io.ReadAll(http.MaxBytesReader(bare(w), r.Body, maxBody))
		if err != nil {
			return unreadable(err)
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r = r.WithContext(context.WithValue(r.Context(), requestID{}, idOf(r, body)))
		id, addr := s.leader(r.Context())
		switch {
		case id == s.cfg.Self:
			ctx, cancel := context.WithTimeout(r.Context(), writeTimeout)
			defer cancel()
			// A new leader may be behind what the last one acknowledged; and one
			// that was cut off must not answer from the past.
			if err := s.catchUp(ctx); err != nil {
				return refusal.NoLeader
			}
			return decided(do(w, r.WithContext(ctx)))
		case addr == "" || r.Header.Get(peer.HeaderForwarded) != "":
			return refusal.NoLeader
		}
		clear(w.Header()) // the leader's answer brings its own
		ctx, stop := while(r.Context(), id)
		defer stop()
		s.forward(addr).ServeHTTP(w, r.WithContext(ctx))
		return nil
	}
}

// asJSON refuses what a page can send across origins without asking first.
func asJSON(do handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if ct, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || ct != "application/json" {
			return refusal.ContentType
		}
		return do(w, r)
	}
}

// whileLed is ctx, which ends when another node leads: the one that was asked may be frozen.
func (s *Server) whileLed(ctx context.Context, by string) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancel(ctx)
	go func() {
		for {
			changed := s.cfg.Consensus.LeaderChanged()
			if id, _ := s.cfg.Consensus.Leader(); id != "" && id != by {
				stop()
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, stop
}

// leader waits a moment for there to be one.
func (s *Server) leader(ctx context.Context) (id, addr string) {
	ctx, cancel := context.WithTimeout(ctx, leaderPatience)
	defer cancel()
	for {
		changed := s.cfg.Consensus.LeaderChanged()
		if id, addr = s.cfg.Consensus.Leader(); id != "" {
			return id, addr
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", ""
		}
	}
}

// forward passes a request on to the leader's peer port, once.
func (s *Server) forward(addr string) http.Handler {
	var sent func() bool
	return &httputil.ReverseProxy{
		Transport: s.cfg.Peers.Transport(writeTimeout + time.Second),
		ErrorLog:  slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		Rewrite: func(pr *httputil.ProxyRequest) {
			var ctx context.Context
			ctx, sent = network.Sending(pr.Out.Context())
			pr.Out = pr.Out.WithContext(ctx)
			pr.Out.URL.Scheme, pr.Out.URL.Host = "http", addr
			pr.Out.Host = ""
			pr.Out.Header.Set(peer.HeaderForwarded, s.cfg.Self)
			pr.Out.Header.Del("Origin") // it was compared with the name that the client knows us by
			pr.Out.Header.Del("Sec-Fetch-Site")
		},
		ModifyResponse: func(resp *http.Response) error {
			if index, err := strconv.ParseUint(resp.Header.Get(headerIndex), 10, 64); err == nil {
				s.passed.note(index)
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			s.log.Debug("forwarding to the leader failed", "leader", addr, "err", err)
			if network.NotDialled(err) && !sent() {
				refuse(w, refusal.New(refusal.NoLeader, "the leader cannot be reached: nothing was written"))
				return
			}
			refuse(w, refusal.New(refusal.UnknownOutcome, "the leader did not answer; the write may or may not have happened"))
		},
	}
}

// requestID is where the context of a write has what idOf returned.
type requestID struct{}

func key(r *http.Request) string { return r.Context().Value(requestID{}).(string) }

// idOf is what makes a repeated request the same request: its Idempotency-Key, and
// what it belongs to, method, path and body.
func idOf(r *http.Request, body []byte) string {
	k := r.Header.Get("Idempotency-Key")
	if k == "" {
		return "api/" + rand.Text()
	}
	about := sha256.New()
	fmt.Fprintf(about, "%s %s\n", r.Method, r.URL.RequestURI())
	about.Write(body)
	return fmt.Sprintf("api/%x#%x", sha256.Sum256([]byte(k)), about.Sum(nil)[:8])
}
