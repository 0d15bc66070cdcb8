package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
)

// replay stands before a real git server whose repositories do not change, and
// repeats its answers byte for byte. The clients are measured, and a git
// program started for each answer would leave them no core to run on.
type replay struct {
	*httptest.Server
	checks atomic.Int64 // POSTs answered: ls-refs of a client that asks for nothing else
	// many has each repository have many addresses: the first part of a path is left out. Packs
	// are repeated too then.
	many bool
}

type answer struct {
	header http.Header
	body   []byte
}

func newReplay(upstream string) (*replay, error) {
	target, err := url.Parse(upstream)
	if err != nil {
		return nil, err
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	r := &replay{}
	var mu sync.Mutex
	known := map[string]answer{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		if r.many {
			_, rest, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"), "/")
			req.URL.Path = "/" + rest
		}
		lsRefs := bytes.Contains(body, []byte("command=ls-refs"))
		if lsRefs {
			r.checks.Add(1)
		} else if req.Method != http.MethodGet && !r.many {
			proxy.ServeHTTP(w, req)
			return
		}
		key := req.Method + " " + req.URL.String() + " " + req.Header.Get("Git-Protocol") + " " + string(body)
		mu.Lock()
		a, ok := known[key]
		mu.Unlock()
		if !ok {
			rec := httptest.NewRecorder()
			proxy.ServeHTTP(rec, req)
			a = answer{rec.Header().Clone(), rec.Body.Bytes()}
			a.header.Del("Content-Length")
			mu.Lock()
			known[key] = a
			mu.Unlock()
		}
		for k, v := range a.header {
			w.Header()[k] = v
		}
		_, _ = w.Write(a.body)
	}))
	return r, nil
}
