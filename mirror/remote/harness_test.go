package remote_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"go.uber.org/goleak"

	"gitmirror/internal/gittest"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/remote"
	"gitmirror/mirror/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	oidA     = strings.Repeat("a", 40)
	oidB     = strings.Repeat("b", 40)
	prefixes = []string{"refs/heads/", "refs/tags/"}
)

const (
	advertisement = "application/x-git-upload-pack-advertisement"
	result        = "application/x-git-upload-pack-result"
	service       = "# service=git-upload-pack\n"
)

var (
	capsV2   = gittest.Packets(service, "0000", "version 2\n", "agent=git/2.39\n", "ls-refs=unborn\n", "object-format=sha1\n", "0000")
	branches = gittest.Packets(oidA+" HEAD symref-target:refs/heads/main\n", oidA+" refs/heads/main\n", "0000")
)

// forge is an upstream whose answers a test decides.
type forge struct {
	*httptest.Server
	mu       sync.Mutex
	requests []string // method and path, in order
	conns    map[string]bool
	handle   http.HandlerFunc
}

func startForge(t *testing.T, handle http.HandlerFunc) *forge {
	t.Helper()
	f := &forge{conns: map[string]bool{}, handle: handle}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

func (f *forge) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests = append(f.requests, r.Method+" "+r.URL.Path)
	f.conns[r.RemoteAddr] = true
	handle := f.handle
	f.mu.Unlock()
	handle(w, r)
}

// become changes what the forge answers from now on.
func (f *forge) become(handle http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handle, f.requests, f.conns = handle, nil, map[string]bool{}
}

func (f *forge) asked() (requests []string, conns int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests, len(f.conns)
}

// v2 is a forge that speaks protocol 2 and shows refs.
func v2(refs string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			answer(advertisement, capsV2)(w, r)
		} else {
			answer(result, refs)(w, r)
		}
	}
}

func answer(contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write([]byte(body))
	}
}

func status(code int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
	}
}

// client returns Remotes whose connections end with the test.
func client(t *testing.T, cfg remote.Config) *remote.Remotes {
	t.Helper()
	if cfg.Transport == nil {
		tr := remote.NewTransport((&net.Dialer{}).DialContext)
		t.Cleanup(tr.CloseIdleConnections)
		cfg.Transport = tr
	}
	return remote.New(cfg)
}

// show asks an upstream, and parses what it shows.
func show(ctx context.Context, c *remote.Remotes, url string) (*wire.Advert, *remote.Answer, error) {
	answer, err := c.Open(url).LsRefs(ctx, prefixes)
	if err != nil {
		return nil, nil, err
	}
	advert, err := answer.Parse(ctx, wire.Limits{Refs: 200_000, Bytes: 32 << 20})
	if err != nil {
		answer.Close()
		return nil, nil, err
	}
	return advert, answer, nil
}

// shown is an answer, and what counts of it.
type shown struct {
	*wire.Advert
	content string
}

func check(t *testing.T, c *remote.Remotes, url string) shown {
	t.Helper()
	answer, err := c.Open(url).LsRefs(t.Context(), prefixes)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Close()
	var content strings.Builder
	if n, err := answer.WriteTo(&content); err != nil || int(n) != content.Len() {
		t.Fatal(n, err)
	}
	advert, err := answer.Parse(t.Context(), wire.Limits{Refs: 200_000})
	if err != nil {
		t.Fatal(err)
	}
	return shown{advert, content.String()}
}

// fails asks an upstream that has to fail, and checks that its failure can be shown.
func fails(t *testing.T, c *remote.Remotes, url string, class failure.Class) *failure.Error {
	t.Helper()
	begin := time.Now()
	res, _, err := show(t.Context(), c, url)
	var f *failure.Error
	if !errors.As(err, &f) {
		t.Fatalf("%s: %+v, %v, want class %s", url, res, err, class)
	}
	if f.Class != class {
		t.Errorf("%s: class %s (%s), want %s", url, f.Class, f.Message, class)
	}
	if f.Message == "" || len(f.Message) > 400 || strings.ContainsFunc(f.Message, unicode.IsControl) || strings.Contains(f.Message, "CANARY") {
		t.Errorf("%s: message %q", url, f.Message)
	}
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("%s: failed only after %s", url, d)
	}
	return f
}
