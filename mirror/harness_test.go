package mirror_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitmirror/internal/egress"
	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
	"gitmirror/mirror"
	"gitmirror/mirror/git"
	"gitmirror/mirror/refs"
)

// book stands in for the replicated log: it commits what the state machine
// would, and refuses what it would.
type book struct {
	mu      sync.Mutex
	rows    map[string]mirror.Assignment
	log     []mirror.Candidate
	nodes   []*node
	words   uint64                                     // that persons have said
	forgets bool                                       // what changed
	fate    func(mirror.Candidate) mirror.CommitStatus // nil: as the rules say
}

func (b *book) Publish(_ context.Context, c mirror.Candidate) (mirror.CommitStatus, error) {
	b.mu.Lock()
	if b.fate != nil {
		if o := b.fate(c); o != mirror.Committed {
			b.mu.Unlock()
			return o, fmt.Errorf("fate")
		}
	}
	row := b.rows[c.Repo]
	if row.Epoch != c.Epoch || row.Generation != c.FromGeneration {
		b.mu.Unlock()
		return mirror.Overtaken, fmt.Errorf("epoch %d generation %d", row.Epoch, row.Generation)
	}
	row.Lost = slices.DeleteFunc(slices.Clone(row.Lost), func(g mirror.Generation) bool { return slices.Contains(c.Recovered, g.Number) })
	if row.Generation > 0 && !c.Complete {
		row.Lost = append(row.Lost, mirror.Generation{Number: row.Generation, Digest: row.Digest})
	}
	row.Generation, row.Digest, row.PublicDigest, row.Refs, row.Head, row.Base = c.Generation, c.Digest, c.PublicDigest, c.Refs, c.Head, c.Base
	hear(&row, c.Heard, nil)
	b.rows[c.Repo] = row
	b.log = append(b.log, c)
	b.mu.Unlock()
	go b.tell()
	return mirror.Committed, nil
}

// hear forgets the words of persons that a check knew, as the log does. A test says one at
// a time.
func hear(row *mirror.Assignment, heard uint64, hold *mirror.Hold) {
	if heard == 0 || heard < row.Word {
		return
	}
	if row.Approved = nil; hold == nil {
		row.Released = nil
	}
	if len(row.Released) == 0 {
		row.Word = 0
	}
}

// report is what a node tells of a copy.
func (b *book) report(n *node, id string) {
	s, ok := n.engine.Status(id)
	b.mu.Lock()
	row := b.rows[id]
	had := row.Word
	if ok && s.Judged && n.roles[id] == mirror.Owner {
		hear(&row, s.Heard, s.Hold)
		b.rows[id] = row
	}
	b.mu.Unlock()
	if row.Word != had {
		b.tell()
	}
}

// tell gives every node its assignments.
func (b *book) tell() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.nodes {
		for id, row := range b.rows {
			if row.Role = n.roles[id]; row.Role != "" {
				n.assign(row)
			} else {
				n.unassign(id)
			}
		}
	}
}

func (b *book) published() []mirror.Candidate {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]mirror.Candidate(nil), b.log...)
}

type node struct {
	engine   *mirror.Engine
	http     *httptest.Server
	dir      string
	roles    map[string]mirror.Role
	book     *book
	peers    func() []*node
	expected []mirror.Expected // guarded by book.mu
	stop     func()

	mu    sync.Mutex
	given map[string]mirror.Assignment // what it was told last
}

// assign tells a node what it holds.
func (n *node) assign(a mirror.Assignment) {
	n.mu.Lock()
	n.given[a.ID] = a
	n.mu.Unlock()
	n.engine.Assign(a)
}

func (n *node) unassign(id string) {
	n.mu.Lock()
	delete(n.given, id)
	n.mu.Unlock()
	n.engine.Unassign(id)
}

func (n *node) Assignment(id string) (mirror.Assignment, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a, ok := n.given[id]
	return a, ok
}

func (n *node) For(id string) mirror.Holders {
	n.book.mu.Lock()
	defer n.book.mu.Unlock()
	h := mirror.Holders{Expected: n.expected}
	for _, p := range n.peers() {
		if s, ok := p.engine.Status(id); p != n && ok && s.Generation > 0 {
			h.Live = append(h.Live, source{p, id})
		}
	}
	return h
}

// Logged is what the last publish said.
func (n *node) Logged(id string) ([]refs.Change, bool) {
	n.book.mu.Lock()
	defer n.book.mu.Unlock()
	for _, c := range slices.Backward(n.book.log) {
		if c.Repo == id {
			return c.Changes, !c.Baseline && !n.book.forgets
		}
	}
	return nil, false
}

type source struct {
	peer *node
	id   string
}

func (s source) Name() string       { return "peer" }
func (s source) Generation() uint64 { return s.peer.generation(s.id) }
func (s source) Lost(_ context.Context, generation uint64) (*refs.Table, error) {
	return s.peer.engine.Lost(s.id, generation)
}
func (s source) Past(_ context.Context, digest refs.Digest) ([]byte, error) {
	return s.peer.engine.Past(s.id, digest)
}
func (s source) Doubt(context.Context) error { s.peer.engine.Doubt(s.id); return nil }
func (s source) URL() string                 { return s.peer.http.URL + "/" + s.id }
func (s source) Table(_ context.Context, generation uint64) (*refs.Table, error) {
	c, err := s.peer.engine.Open(s.id, true)
	if err != nil {
		return nil, err
	}
	if c.Table().Generation < generation {
		return nil, fmt.Errorf("peer is at generation %d", c.Table().Generation)
	}
	return c.Table(), nil
}

func startNode(t *testing.T, b *book, dir string, options ...func(*mirror.Config)) *node {
	t.Helper()
	n := &node{given: map[string]mirror.Assignment{}, roles: map[string]mirror.Role{}, book: b, peers: func() []*node { return b.nodes }}
	runner, err := git.New(t.Context(), git.Config{Home: filepath.Join(dir, "home")})
	if err != nil {
		t.Fatal(err)
	}
	policy, err := egress.NewPolicy([]string{"127.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	cfg := mirror.Config{
		Dir: dir, StartID: fmt.Sprint(time.Now().UnixNano()), Git: runner, Egress: policy, Publisher: b, Locator: n, Rows: n,
		Changed: func(id string) { b.report(n, id) }, Agent: "gitmirror/test", Log: testlog.New(t),
	}
	for _, o := range options {
		o(&cfg)
	}
	n.dir = dir
	n.engine, err = mirror.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	n.http = httptest.NewServer(n.handler())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.engine.Run(ctx) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("engine: %v", err)
		}
		n.http.Close()
		runner.Close()
	})
	t.Cleanup(n.stop)
	b.mu.Lock()
	b.nodes = append(b.nodes, n)
	b.mu.Unlock()
	return n
}

func (n *node) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, op, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		c, err := n.engine.Open(id, false)
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		if op == "info/refs" {
			c.Advertise(w, r)
		} else {
			_ = c.UploadPack(w, r)
		}
	})
}

func (n *node) generation(id string) uint64 {
	s, _ := n.engine.Status(id)
	return s.Generation
}

func newBook() *book { return &book{rows: map[string]mirror.Assignment{}} }

func (b *book) add(id, url string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows[id] = mirror.Assignment{ID: id, Name: "up/" + id, URLs: []string{url}, Epoch: 1, Remembers: true,
		Policy: mirror.Policy{Interval: 100 * time.Millisecond, RefPrefixes: []string{"refs/heads/", "refs/tags/"}}}
}

// mirrored is a node that owns a copy of x.git, as repox.
func mirrored(t *testing.T) (up *upstream.Server, b *book, n *node) {
	t.Helper()
	up = gittest.Upstream(t)
	sample(t, up, "x.git")
	b = newBook()
	n = startNode(t, b, t.TempDir())
	owned(t, b, n, map[string]string{"repox": up.URL("x.git")})
	arrives(t, n, "repox", 1)
	return up, b, n
}

// policy changes that of a row, and tells the engines.
func (b *book) policy(id string, change func(*mirror.Policy)) {
	b.mu.Lock()
	row := b.rows[id]
	change(&row.Policy)
	b.rows[id] = row
	b.mu.Unlock()
	b.tell()
}

func sample(t *testing.T, s *upstream.Server, name string) *upstream.Repo {
	t.Helper()
	r, err := s.Repo(name)
	if err != nil {
		t.Fatal(err)
	}
	gittest.Edit(t, r, func(e *upstream.Edit) {
		e.Commit("main", "one", map[string]string{"a.txt": "a"})
		e.Commit("side", "two", map[string]string{"b.txt": "b"})
		e.Commit("main", "merge", map[string]string{"c.txt": "c"}, "side")
		e.Branch("topic", "side")
		e.Commit("alone", "on its own", map[string]string{"x.txt": "x"})
		e.LightTag("light", "main")
		e.Tag("v1", "main", "version one")
	})
	return r
}

// lsRemote is what a client sees: every ref, HEAD and the peeled tags, in both
// protocol versions the same. What changes while it looks, it looks at again.
func lsRemote(t *testing.T, url string) string {
	t.Helper()
	look := func(version string) string {
		return gittest.Run(t, t.TempDir(), "-c", "protocol.version="+version, "ls-remote", "--symref", url)
	}
	for v2 := look("2"); ; {
		v0, again := look("0"), look("2")
		if v0 == v2 {
			return v2
		}
		if again == v2 {
			t.Errorf("%s: protocol 2 and 0 differ:\n%s", url, cmp.Diff(v2, v0))
			return v2
		}
		v2 = again
	}
}

func same(t *testing.T, n *node, id string, up *upstream.Server, name string) bool {
	t.Helper()
	return lsRemote(t, n.http.URL+"/"+id) == lsRemote(t, up.URL(name))
}
