package serve_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
	"gitmirror/mirror/fetch"
	"gitmirror/mirror/git"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/serve"
	"gitmirror/mirror/store"
)

// rig serves a copy of an upstream repository, which stays beside it to
// compare with.
type rig struct {
	upstream *upstream.Repo
	store    *store.Store
	live     *store.Repo
	fetcher  *fetch.Fetcher
	server   *serve.Server
	url      string

	mu             sync.Mutex
	table          *refs.Table
	includePrivate bool
	encoding       []string                                      // of the requests for packs
	wrap           func(http.ResponseWriter) http.ResponseWriter // of answers to those, nil for none
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// suspected counts the repositories that serving has found wanting.
var suspected atomic.Int32

func newRig(t *testing.T) *rig { return newRigWith(t, nil) }

// newRigWith is newRig without git, where packs are made otherwise.
func newRigWith(t *testing.T, sender serve.Sender) *rig {
	t.Helper()
	g := &rig{}
	runner, err := git.New(t.Context(), git.Config{Home: t.TempDir()})
	must(t, err)
	t.Cleanup(runner.Close)
	packs := runner
	if sender != nil {
		packs = nil
	}
	server, err := serve.New(t.Context(), serve.Config{Git: packs, Sender: sender, Scratch: t.TempDir(), Agent: "gitmirror/test", Packs: 4, Log: testlog.New(t),
		Suspect: func(*store.Repo, error) { suspected.Add(1) }})
	must(t, err)
	g.server = server
	g.fetcher = fetch.New(runner, nil, 0)
	g.upstream, err = upstream.Create(t.TempDir() + "/x.git")
	must(t, err)
	g.store, err = store.Open(store.Config{Dir: t.TempDir(), StartID: "run", Log: testlog.New(t)})
	must(t, err)
	g.live, err = g.store.Ensure("01JREPO1", "acme/x")
	must(t, err)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		v := serve.View{Repo: g.live, Table: g.table, IncludePrivate: g.includePrivate}
		wrap := g.wrap
		if r.Method == http.MethodPost {
			g.encoding = append(g.encoding, r.Header.Get("Content-Encoding"))
		}
		g.mu.Unlock()
		switch {
		case strings.HasSuffix(r.URL.Path, "/info/refs"):
			server.Advertise(w, r, v)
		case strings.HasSuffix(r.URL.Path, "/git-upload-pack"):
			if wrap != nil {
				w = wrap(w)
			}
			if err := server.UploadPack(w, r, v); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
			}
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	g.url = s.URL + "/x.git"
	return g
}

// publish changes the upstream and serves what it then shows, with further
// refs of our own.
func (g *rig) publish(t *testing.T, private []refs.Ref, fn func(*upstream.Edit)) *refs.Table {
	t.Helper()
	if fn != nil {
		must(t, g.upstream.Edit(fn))
	}
	old, _ := g.live.Generation()
	table := &refs.Table{Generation: old + 1, Candidate: fmt.Sprint("C", old+1), Refs: private}
	if head, err := g.upstream.Git("symbolic-ref", "-q", "HEAD"); err == nil {
		table.Head = refs.Symbolic(head)
	} else {
		oid, err := g.upstream.Git("rev-parse", "HEAD")
		must(t, err)
		table.Head = refs.Head(oid)
	}
	out, err := g.upstream.Git("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/tags")
	must(t, err)
	for line := range strings.Lines(out) {
		name, oid, _ := strings.Cut(strings.TrimSpace(line), " ")
		table.Refs = append(table.Refs, refs.Ref{Name: name, OID: oid})
	}
	refs.Sort(table.Refs)
	_, err = g.upstream.Git("-c", "pack.window=0", "repack", "-a", "-d", "-q")
	must(t, err)
	out2, err := exec.Command("sh", "-c", `cp -f "$0"/objects/pack/pack-* "$1"/objects/pack/ 2>/dev/null; true`, g.upstream.Dir, g.live.Dir()).CombinedOutput()
	if err != nil {
		t.Fatalf("%v %s", err, out2)
	}
	must(t, g.fetcher.Peel(t.Context(), g.live.Dir(), table.Refs))
	g.activate(t, table)
	return table
}

// answers changes what answers for packs go through.
func (g *rig) answers(wrap func(http.ResponseWriter) http.ResponseWriter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wrap = wrap
}

func (g *rig) activate(t *testing.T, table *refs.Table) {
	t.Helper()
	must(t, g.live.Prepare(table, nil))
	if ok, err := g.live.Activate(table.Generation, table.Digest()); !ok || err != nil {
		t.Fatal(ok, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.table = table
}

func sample(e *upstream.Edit) {
	e.Commit("main", "one", map[string]string{"a.txt": "alpha", "dir/b.txt": "beta"})
	e.Commit("side", "two", map[string]string{"c.txt": "gamma"})
	e.Commit("main", "merge", map[string]string{"d.txt": strings.Repeat("delta ", 5000)}, "side")
	e.Commit("main", "last", map[string]string{"a.txt": "omega"})
	e.LightTag("light", "side")
	e.Tag("v1", "main", "version one")
}

// try runs git as a client in dir.
func try(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = dir, upstream.Environ(dir)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := try(t, dir, args...)
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// each runs fn for both versions of the protocol, with git's option for it.
func each(t *testing.T, fn func(t *testing.T, version string)) {
	for _, v := range []string{"0", "1", "2"} {
		t.Run("version "+v, func(t *testing.T) { fn(t, "protocol.version="+v) })
	}
}

var fixedTime = time.Unix(1_700_000_000, 0)

// damage flips bits throughout a pack.
func damage(t *testing.T, path string) {
	t.Helper()
	must(t, os.Chmod(path, 0o644))
	data, err := os.ReadFile(path)
	must(t, err)
	for i := 20; i < len(data)-20; i += 7 {
		data[i] ^= 0x55
	}
	must(t, os.WriteFile(path, data, 0o644))
}
