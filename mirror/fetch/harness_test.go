package fetch_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/fetch"
	"gitmirror/mirror/remote"
	"gitmirror/mirror/store"
	"gitmirror/mirror/wire"
)

// rig is a store to fetch into and an upstream to fetch from.
type rig struct {
	up      *upstream.Server
	way     remote.Way
	repo    *upstream.Repo
	store   *store.Store
	live    *store.Repo
	fetcher objects
}

func newRig(t *testing.T, stall time.Duration, of engine) *rig {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	g := &rig{}
	var err error
	g.up, err = upstream.Serve(t.TempDir(), "127.0.0.1:0")
	must(err)
	t.Cleanup(func() { _ = g.up.Close() })
	g.repo, err = g.up.Repo("x.git")
	must(err)
	g.store, err = store.Open(store.Config{Dir: t.TempDir(), StartID: "run", Log: testlog.New(t)})
	must(err)
	g.live, err = g.store.Ensure("01JREPO1", "acme/x")
	must(err)
	g.fetcher = of.make(t, stall, 0)
	return g
}

// byWay has fetches go by a way to that upstream, as the engine's do; others are a peer's.
func (g *rig) byWay(t *testing.T, url string) {
	t.Helper()
	g.way = way(t, url)
}

func (g *rig) edit(t *testing.T, fn func(*upstream.Edit)) {
	t.Helper()
	if err := g.repo.Edit(fn); err != nil {
		t.Fatal(err)
	}
}

// tip is what git makes of a name in the upstream.
func (g *rig) tip(t *testing.T, name string) string {
	t.Helper()
	oid, err := g.repo.Git("rev-parse", name)
	if err != nil {
		t.Fatal(err)
	}
	return oid
}

// object puts an object into the upstream that git would not make by itself.
func (g *rig) object(t *testing.T, kind, content string) string {
	t.Helper()
	cmd := exec.Command("git", "hash-object", "-t", kind, "--literally", "-w", "--stdin")
	cmd.Dir, cmd.Env, cmd.Stdin = g.repo.Dir, upstream.Environ(g.repo.Dir), strings.NewReader(content)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// fetch stages the objects from url, adopting them when that succeeds, and
// leaves nothing behind.
func (g *rig) fetch(t *testing.T, url string, oids ...string) error {
	t.Helper()
	st, err := g.store.Stage(g.live)
	if err != nil {
		t.Fatal(err)
	}
	err = g.fetcher.Fetch(t.Context(), st, fetch.Source{Way: g.way, Peer: url}, oids)
	if err == nil {
		err = st.Adopt()
	}
	if err := st.Remove(); err != nil {
		t.Error(err)
	}
	return err
}

// refuses checks that a fetch fails with that class, and brought nothing into
// the live repository.
func (g *rig) refuses(t *testing.T, url string, class failure.Class, oids ...string) *failure.Error {
	t.Helper()
	err := g.fetch(t, url, oids...)
	var f *failure.Error
	if !errors.As(err, &f) {
		t.Fatalf("%v, want class %s", err, class)
	}
	if f.Class != class {
		t.Errorf("class %s (%s), want %s", f.Class, f.Message, class)
	}
	if f.Message == "" || strings.ContainsFunc(f.Message, unicode.IsControl) {
		t.Errorf("message %q", f.Message)
	}
	packs, err := os.ReadDir(filepath.Join(g.live.Dir(), "objects/pack"))
	if err != nil || len(packs) > 0 {
		t.Errorf("the live repository has %v, %v", packs, err)
	}
	return f
}

// inPack changes the pack within an answer and frames it anew.
func inPack(t *testing.T, change func(pack []byte) []byte) func([]byte) []byte {
	return func(answer []byte) []byte {
		var out bytes.Buffer
		w, p := wire.NewWriter(&out), wire.NewReader(bytes.NewReader(answer))
		var pack []byte
		for {
			kind, payload, err := p.Next()
			switch {
			case err != nil:
				t.Error(err)
				return nil
			case kind == wire.Delim:
				w.Delim()
			case kind != wire.Data:
				pack = change(pack)
				for len(pack) > 0 {
					n := min(len(pack), wire.MaxPayload-1)
					w.Line("%s", append([]byte{1}, pack[:n]...))
					pack = pack[n:]
				}
				w.Flush()
				return out.Bytes()
			case payload[0] == 1:
				pack = append(pack, payload[1:]...)
			case payload[0] != 2:
				w.Line("%s", payload)
			}
		}
	}
}

// tampered serves the upstream with the answers that bring packs changed.
func (g *rig) tampered(t *testing.T, change func(pack []byte) []byte) string {
	t.Helper()
	target, err := url.Parse(g.up.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(resp *http.Response) error {
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				return err
			}
			if bytes.Contains(body, []byte("packfile\n")) {
				body = change(body)
			}
			resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return nil
		},
	}
	s := httptest.NewServer(proxy)
	t.Cleanup(s.Close)
	return s.URL + "/x.git"
}

// served serves the upstream, but for answers that bring packs, which are written by
// write.
func (g *rig) served(t *testing.T, write func(w http.ResponseWriter, r *http.Request, body []byte)) string {
	t.Helper()
	inner := g.tampered(t, func(answer []byte) []byte { return answer })
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, err := http.NewRequestWithContext(r.Context(), r.Method, strings.TrimSuffix(inner, "/x.git")+r.URL.RequestURI(), r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		req.Header, req.ContentLength = r.Header.Clone(), r.ContentLength
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return
		}
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		if strings.HasSuffix(r.URL.Path, "/git-upload-pack") {
			write(w, r, body)
			return
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/x.git"
}
