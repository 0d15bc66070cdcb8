// Package forgereplay is a forge for tests: it answers as the documents of GitHub, GitLab, Gitea and
// Gitee say that they do, as far as listing what an account has goes: pages, totals, links, ETags, rate
// limits. Faults are put between.
package forgereplay

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Repo is a repository of the forge.
type Repo struct {
	ID          int64
	Made        time.Time // zero: as if the forge had been set up so
	Owner, Name string
	Clone       string // as the forge tells it
	KiB         int
	Visibility  string // empty: public
	Archived    bool
	Fork        bool
	Wiki        bool
	Topics      []string
}

// Request is one that came.
type Request struct {
	Path, Query string
	Token       string // of whichever header
	Conditional bool
	Status      int
}

// Forge is a forge of one kind: github, gitlab, gitea or gitee. It is safe for concurrent use.
type Forge struct {
	Kind string
	Page int // the most repositories of a page that it gives; 0: as many as are asked for, up to 100

	mu       sync.Mutex
	accounts map[string]*account
	requests []Request
	fault    func(n int, r *http.Request) http.HandlerFunc
	token    string // that is wanted; empty: none is
	left     int    // of the quota; below 0: it is not told
	resets   int64
	size     int // of the quota, each time that it is renewed
	every    time.Duration
}

type account struct {
	user  bool
	repos []Repo
}

// New returns a forge without accounts.
func New(kind string) *Forge {
	return &Forge{Kind: kind, accounts: map[string]*account{}, left: -1}
}

// Organisation sets what an organisation has.
func (f *Forge) Organisation(name string, repos ...Repo) { f.set(name, false, repos) }

// User sets what a user has.
func (f *Forge) User(name string, repos ...Repo) { f.set(name, true, repos) }

// Remove takes an account away.
func (f *Forge) Remove(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.accounts, name)
}

func (f *Forge) set(name string, user bool, repos []Repo) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.accounts[name] = &account{user, slices.Clone(repos)}
}

// WantToken has whoever brings another be refused; empty: nobody is.
func (f *Forge) WantToken(token string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.token = token
}

// Quota has the forge tell of how many requests are left, until a time in Unix seconds. Behind the last
// it refuses.
func (f *Forge) Quota(left int, resets int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left, f.resets = left, resets
}

// Limit has the forge answer so many requests, and as many more each time that this much has passed.
func (f *Forge) Limit(size int, every time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left, f.size, f.every, f.resets = size, size, every, time.Now().Add(every).Unix()
}

// Fault has requests answered by what it returns, where that is not nil; they are counted from 1 on.
func (f *Forge) Fault(fault func(n int, r *http.Request) http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

// Requests are all that came.
func (f *Forge) Requests() []Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.requests)
}

// Answer is a fault that answers so, with a message as forges have them.
func Answer(status int, message string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
	}
}

// RoundTrip answers without a network.
func (f *Forge) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

// ServeHTTP answers a request.
func (f *Forge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	f.requests = append(f.requests, Request{Path: r.URL.Path, Query: r.URL.RawQuery, Token: token, Conditional: r.Header.Get("If-None-Match") != ""})
	seen := &f.requests[len(f.requests)-1]
	note := &noting{ResponseWriter: w, status: http.StatusOK}
	defer func() { seen.Status = note.status }()
	if f.fault != nil {
		if h := f.fault(len(f.requests), r); h != nil {
			h(note, r)
			return
		}
	}
	f.answer(note, r, token)
}

type noting struct {
	http.ResponseWriter
	status int
}

func (n *noting) WriteHeader(status int) {
	n.status = status
	n.ResponseWriter.WriteHeader(status)
}

// apis are below which paths the kinds have their APIs.
var apis = map[string]string{"github": "/api/v3", "gitlab": "/api/v4", "gitea": "/api/v1", "gitee": "/api/v5"}

func (f *Forge) answer(w http.ResponseWriter, r *http.Request, token string) {
	if f.token != "" && token != f.token {
		Answer(http.StatusUnauthorized, "Bad credentials")(w, r)
		return
	}
	if now := time.Now(); f.every > 0 && now.Unix() >= f.resets {
		f.left, f.resets = f.size, now.Add(f.every).Unix()
	}
	if f.left >= 0 {
		prefix := map[string]string{"gitlab": "RateLimit-"}[f.Kind]
		if prefix == "" {
			prefix = "X-RateLimit-"
		}
		w.Header().Set(prefix+"Remaining", strconv.Itoa(max(f.left-1, 0)))
		w.Header().Set(prefix+"Reset", strconv.FormatInt(f.resets, 10))
		if f.left == 0 {
			status := http.StatusForbidden
			if f.Kind == "gitlab" {
				status = http.StatusTooManyRequests
			}
			Answer(status, "API rate limit exceeded for 203.0.113.7.")(w, r)
			return
		}
		f.left--
	}
	path := r.URL.EscapedPath()
	if i := strings.Index(path, apis[f.Kind]); i >= 0 {
		path = path[i+len(apis[f.Kind]):]
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if len(parts) != 3 || parts[2] != map[bool]string{true: "projects", false: "repos"}[f.Kind == "gitlab"] {
		Answer(http.StatusNotFound, "Not Found")(w, r)
		return
	}
	name, _ := url.PathUnescape(parts[1])
	a := f.accounts[name]
	if a == nil || a.user != (parts[0] == "users") {
		Answer(http.StatusNotFound, "Not Found")(w, r)
		return
	}
	f.page(w, r, a.repos)
}

func (f *Forge) page(w http.ResponseWriter, r *http.Request, repos []Repo) {
	q := r.URL.Query()
	n, size := 1, 30
	if v, err := strconv.Atoi(q.Get("page")); err == nil && v > 0 {
		n = v
	}
	for _, name := range []string{"per_page", "limit"} {
		if v, err := strconv.Atoi(q.Get(name)); err == nil && v > 0 {
			size = min(v, 100)
		}
	}
	if f.Page > 0 {
		size = min(size, f.Page)
	}
	from, to := min((n-1)*size, len(repos)), min(n*size, len(repos))
	last := max((len(repos)+size-1)/size, 1)
	list := []any{}
	for _, repo := range repos[from:to] {
		list = append(list, forms[f.Kind](repo))
	}
	body, _ := json.Marshal(list)
	link := func(n int, rel string) string {
		to := *r.URL
		to.Scheme, to.Host = "http", r.Host
		if r.URL.Scheme != "" {
			to.Scheme = r.URL.Scheme
		}
		q.Set("page", strconv.Itoa(n))
		to.RawQuery = q.Encode()
		return fmt.Sprintf(`<%s>; rel="%s"`, to.String(), rel)
	}
	var links []string
	if n < last {
		links = append(links, link(n+1, "next"), link(last, "last"))
	}
	if n > 1 {
		links = append(links, link(1, "first"), link(n-1, "prev"))
	}
	if len(links) > 0 && f.Kind != "gitee" {
		w.Header().Set("Link", strings.Join(links, ", "))
	}
	next := ""
	if n < last {
		next = strconv.Itoa(n + 1)
	}
	switch total := strconv.Itoa(len(repos)); f.Kind {
	case "gitlab":
		w.Header().Set("X-Total", total)
		w.Header().Set("X-Total-Pages", strconv.Itoa(last))
		w.Header().Set("X-Page", strconv.Itoa(n))
		w.Header().Set("X-Per-Page", strconv.Itoa(size))
		w.Header().Set("X-Next-Page", next)
	case "gitea":
		w.Header().Set("X-Total-Count", total)
	case "gitee":
		w.Header().Set("total_count", total)
		w.Header().Set("total_page", strconv.Itoa(last))
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if f.Kind == "github" || f.Kind == "gitlab" {
		etag := fmt.Sprintf(`W/"%x"`, sha256.Sum256(body))
		w.Header().Set("ETag", etag)
		if r.Header.Get("If-None-Match") == etag {
			if f.left >= 0 {
				f.left++ // what is the same is not counted
				for _, prefix := range []string{"X-RateLimit-", "RateLimit-"} {
					if w.Header().Get(prefix+"Remaining") != "" {
						w.Header().Set(prefix+"Remaining", strconv.Itoa(f.left))
					}
				}
			}
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	_, _ = w.Write(body)
}
