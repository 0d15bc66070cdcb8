package upstream

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cgi"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"gitmirror/internal/network"
)

// Kind is what a client asked for.
type Kind string

// A clone is a fetch without haves; a check asks for refs alone.
const (
	KindDiscover Kind = "discover" // GET info/refs
	KindCheck    Kind = "check"    // ls-refs
	KindClone    Kind = "clone"    // fetch, no haves
	KindFetch    Kind = "fetch"    // fetch with haves
)

// Request is one thing a client asked for.
type Request struct {
	Repo  string
	Kind  Kind
	From  string // the client's address and port
	Agent string
	At    time.Time
}

// Server serves the repositories below a directory over smart HTTP.
type Server struct {
	Root string

	url  string
	http *http.Server

	mu        sync.Mutex
	requests  []Request
	intercept func(w http.ResponseWriter, r *http.Request) bool
}

// Serve starts a server on addr, "127.0.0.1:0" for a free port.
func Serve(root, addr string) (*Server, error) {
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	execPath, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		return nil, fmt.Errorf("find git's programs: %w", err)
	}
	l, err := network.Host.Listen(addr)
	if err != nil {
		return nil, err
	}
	s := &Server{Root: abs, url: "http://" + l.Addr().String()}
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(execPath)), "git-http-backend"),
		// Clients that hang up, on purpose or dying, are no news.
		Logger: log.New(io.Discard, "", 0),
		Stderr: io.Discard,
		Env:    append(Environ(abs), "GIT_PROJECT_ROOT="+abs, "GIT_HTTP_EXPORT_ALL=1"),
	}
	s.http = &http.Server{Handler: s.handler(backend), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.http.Serve(l) }()
	return s, nil
}

// Close stops the server and waits for what it is answering, a second at most.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}

// URL is where a repository of that name is served.
func (s *Server) URL(name string) string { return s.url + "/" + name }

// Repo makes a repository that the server serves under name.
func (s *Server) Repo(name string) (*Repo, error) { return Create(filepath.Join(s.Root, name)) }

// Intercept has fn see each request first; where it returns true it has
// answered. nil ends that.
func (s *Server) Intercept(fn func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.intercept = fn
}

// Requests returns what was asked so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Count counts the requests of that kind for a repository.
func (s *Server) Count(repo string, kind Kind) int {
	n := 0
	for _, r := range s.Requests() {
		if r.Repo == repo && r.Kind == kind {
			n++
		}
	}
	return n
}

func (s *Server) handler(backend http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		intercept := s.intercept
		s.mu.Unlock()
		if intercept != nil && intercept(w, r) {
			return
		}
		repo, kind := "", Kind("")
		switch path := strings.TrimPrefix(r.URL.Path, "/"); {
		case strings.HasSuffix(path, "/info/refs"):
			repo, kind = strings.TrimSuffix(path, "/info/refs"), KindDiscover
		case strings.HasSuffix(path, "/git-upload-pack"):
			repo = strings.TrimSuffix(path, "/git-upload-pack")
			body, err := io.ReadAll(r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			kind = kindOf(body, r.Header.Get("Content-Encoding"))
			r.Body = io.NopCloser(bytes.NewReader(body))
			r.ContentLength, r.TransferEncoding = int64(len(body)), nil // CGI takes no chunks
		}
		if kind != "" {
			s.mu.Lock()
			s.requests = append(s.requests, Request{Repo: repo, Kind: kind, From: r.RemoteAddr, Agent: r.UserAgent(), At: time.Now()})
			s.mu.Unlock()
		}
		backend.ServeHTTP(w, r)
	})
}

func kindOf(body []byte, encoding string) Kind {
	if encoding == "gzip" {
		if z, err := gzip.NewReader(bytes.NewReader(body)); err == nil {
			if plain, err := io.ReadAll(z); err == nil {
				body = plain
			}
		}
	}
	switch {
	case bytes.Contains(body, []byte("command=ls-refs")):
		return KindCheck
	case bytes.Contains(body, []byte("have ")):
		return KindFetch
	}
	return KindClone
}
