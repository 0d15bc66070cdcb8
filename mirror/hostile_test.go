package mirror_test

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
	"gitmirror/mirror"
	"gitmirror/mirror/failure"
)

func owned(t *testing.T, b *book, n *node, urls map[string]string) {
	t.Helper()
	for id, url := range urls {
		b.add(id, url)
		b.mu.Lock()
		n.roles[id] = mirror.Owner
		b.mu.Unlock()
	}
	b.tell()
}

func arrives(t *testing.T, n *node, id string, generation uint64) {
	t.Helper()
	testlog.Eventually(t, fmt.Sprintf("generation %d of %s", generation, id), func() bool { return n.generation(id) >= generation })
}

func failsAs(t *testing.T, n *node, id string, class failure.Class) mirror.Status {
	t.Helper()
	var s mirror.Status
	testlog.Eventually(t, fmt.Sprintf("%s to fail as %s", id, class), func() bool {
		s, _ = n.engine.Status(id)
		return s.Failure != nil && s.Failure.Class == class
	})
	return s
}

// nothingStaged checks that no work is left on the node's disk.
func nothingStaged(t *testing.T, n *node) {
	t.Helper()
	testlog.Eventually(t, "staging to be empty", func() bool {
		left, err := filepath.Glob(filepath.Join(n.dir, "staging", "*", "repo*"))
		return err == nil && len(left) == 0
	})
	tmp, err := filepath.Glob(filepath.Join(n.dir, "repos", "*", "*", "objects", "pack", "tmp_*"))
	if err != nil || len(tmp) > 0 {
		t.Errorf("temporary packs in a live repository: %v %v", tmp, err)
	}
}

// requestsFor intercepts what is asked of one repository.
func requestsFor(up *upstream.Server, repo string, answer func(w http.ResponseWriter, r *http.Request) bool) {
	up.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		return strings.HasPrefix(r.URL.Path, "/"+repo+"/") && answer(w, r)
	})
}

func wantsPack(r *http.Request) bool {
	return r.Method == http.MethodPost && !strings.HasPrefix(r.UserAgent(), "git/gitmirror")
}

func TestLostUpstreamKeepsItsMirrorAndDelaysNobody(t *testing.T) {
	up := gittest.Upstream(t)
	sample(t, up, "lost.git")
	good := sample(t, up, "good.git")
	b := newBook()
	n := startNode(t, b, t.TempDir())
	owned(t, b, n, map[string]string{"repolost": up.URL("lost.git"), "repogood": up.URL("good.git")})
	arrives(t, n, "repolost", 1)
	arrives(t, n, "repogood", 1)
	before := lsRemote(t, n.http.URL+"/repolost")
	requestsFor(up, "lost.git", func(w http.ResponseWriter, _ *http.Request) bool { http.NotFound(w, nil); return true })
	failsAs(t, n, "repolost", failure.NotFound)
	gittest.Edit(t, good, func(e *upstream.Edit) { e.Commit("main", "more", map[string]string{"d": "d"}) })
	arrives(t, n, "repogood", 2)
	if after := lsRemote(t, n.http.URL+"/repolost"); after != before {
		t.Errorf("a lost upstream changed its mirror:\n%s", after)
	}
	up.Intercept(nil)
	if _, err := n.engine.Sync(t.Context(), "repolost"); err != nil {
		t.Fatal(err)
	}
	if s, _ := n.engine.Status("repolost"); s.Failure != nil || s.Failures != 0 {
		t.Errorf("after a success: %d failures, %v", s.Failures, s.Failure)
	}
}

func TestHangingHostDelaysOnlyItsOwn(t *testing.T) {
	bad, good := gittest.Upstream(t), gittest.Upstream(t)
	bad.Intercept(func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true })
	sample(t, good, "x.git")
	b := newBook()
	n := startNode(t, b, t.TempDir(), func(c *mirror.Config) { c.Checks, c.ChecksPerHost, c.FetchesPerHost = 4, 2, 2 })
	urls := map[string]string{}
	for i := range 8 {
		urls[fmt.Sprintf("repobad%d", i)] = bad.URL(fmt.Sprint(i))
	}
	owned(t, b, n, urls)
	owned(t, b, n, map[string]string{"repogood": good.URL("x.git")})
	arrives(t, n, "repogood", 1)
}

func TestHangingFetchesLeaveRoomForOthers(t *testing.T) {
	bad, good := gittest.Upstream(t), gittest.Upstream(t)
	urls := map[string]string{}
	for i := range 6 {
		name := fmt.Sprintf("bad%d.git", i)
		sample(t, bad, name)
		urls[fmt.Sprintf("repobad%d", i)] = bad.URL(name)
	}
	hanging := make(chan bool, 100)
	bad.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if !wantsPack(r) {
			return false
		}
		hanging <- true
		<-r.Context().Done()
		return true
	})
	sample(t, good, "x.git")
	b := newBook()
	n := startNode(t, b, t.TempDir(), func(c *mirror.Config) { c.Fetches = 3 })
	owned(t, b, n, urls)
	for range 2 {
		<-hanging
	}
	owned(t, b, n, map[string]string{"repogood": good.URL("x.git")})
	arrives(t, n, "repogood", 1)
}

// However many clones of a host are under way, and wait, what is pushed to the others of
// that host arrives.
func TestAPushArrivesWhileAnImportHangs(t *testing.T) {
	up := gittest.Upstream(t)
	here := sample(t, up, "here.git")
	b := newBook()
	n := startNode(t, b, t.TempDir())
	owned(t, b, n, map[string]string{"repohere": up.URL("here.git")})
	arrives(t, n, "repohere", 1)
	const imported = 20
	urls := map[string]string{}
	for i := range imported {
		name := fmt.Sprintf("new%d.git", i)
		sample(t, up, name)
		urls[fmt.Sprintf("reponew%d", i)] = up.URL(name)
	}
	var asked atomic.Int32
	up.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/here.git/") {
			return false
		}
		if wantsPack(r) {
			<-r.Context().Done()
			return true
		}
		if r.Method == http.MethodPost {
			asked.Add(1)
		}
		return false
	})
	owned(t, b, n, urls)
	testlog.Eventually(t, "all of the import to have been asked", func() bool { return asked.Load() >= imported })
	gittest.Edit(t, here, func(e *upstream.Edit) { e.Commit("main", "later", map[string]string{"later": "x"}) })
	if out, err := n.engine.Sync(t.Context(), "repohere"); err != nil || out.Generation != 2 {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestStalledFetchFreesItsSlot(t *testing.T) {
	up := gittest.Upstream(t)
	sample(t, up, "x.git")
	up.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if wantsPack(r) {
			<-r.Context().Done()
			return true
		}
		return false
	})
	b := newBook()
	n := startNode(t, b, t.TempDir(), func(c *mirror.Config) { c.Stall = 300 * time.Millisecond })
	owned(t, b, n, map[string]string{"repox": up.URL("x.git")})
	failsAs(t, n, "repox", failure.Timeout)
	nothingStaged(t, n)
	if s, _ := n.engine.Status("repox"); s.Syncing {
		t.Error("still said to be syncing")
	}
}

func TestBrokenPackPublishesNothing(t *testing.T) {
	up := gittest.Upstream(t)
	sample(t, up, "x.git")
	up.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !wantsPack(r) {
			return false
		}
		w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
		_, _ = w.Write([]byte("000dpackfile\n0024\x01PACK\x00\x00\x00\x02\x00\x00\x00\x05"))
		return true
	})
	b := newBook()
	n := startNode(t, b, t.TempDir())
	owned(t, b, n, map[string]string{"repox": up.URL("x.git")})
	failsAs(t, n, "repox", failure.Network)
	nothingStaged(t, n)
	if got := b.published(); len(got) != 0 || n.generation("repox") != 0 {
		t.Errorf("published %v", got)
	}
	up.Intercept(nil)
	if res, err := n.engine.Sync(t.Context(), "repox"); err != nil || res.Failure != nil {
		t.Fatal(res.Failure, err)
	}
	if !same(t, n, "repox", up, "x.git") {
		t.Error("a later success differs from upstream")
	}
}

func TestDangerousObjectPublishesNothing(t *testing.T) {
	up := gittest.Upstream(t)
	r := sample(t, up, "x.git")
	b := newBook()
	n := startNode(t, b, t.TempDir())
	owned(t, b, n, map[string]string{"repox": up.URL("x.git")})
	arrives(t, n, "repox", 1)
	before := lsRemote(t, n.http.URL+"/repox")
	blob, err := r.Git("rev-parse", "main:a.txt")
	if err != nil {
		t.Fatal(err)
	}
	id, err := hex.DecodeString(blob)
	if err != nil {
		t.Fatal(err)
	}
	// mktree may refuse such a tree; hash-object --literally takes any bytes.
	raw := exec.Command("git", "hash-object", "-t", "tree", "-w", "--literally", "--stdin")
	raw.Dir, raw.Env, raw.Stdin = r.Dir, upstream.Environ(r.Dir), strings.NewReader("100644 .git\x00"+string(id))
	tree, err := raw.Output()
	if err != nil {
		t.Fatal(err)
	}
	evil, err := r.Git("-c", "user.name=n", "-c", "user.email=e@x", "commit-tree", "-m", "evil", strings.TrimSpace(string(tree)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Git("update-ref", "refs/heads/evil", evil); err != nil {
		t.Fatal(err)
	}
	failsAs(t, n, "repox", failure.Corrupt)
	nothingStaged(t, n)
	if after := lsRemote(t, n.http.URL+"/repox"); after != before {
		t.Errorf("a refused object changed what is served:\n%s", after)
	}
	if err := exec.Command("git", "-C", copyDir(t, n, "repox"), "cat-file", "-e", evil).Run(); err == nil {
		t.Error("the object is in the live repository")
	}
}

func copyDir(t *testing.T, n *node, id string) string {
	t.Helper()
	c, err := n.engine.Open(id, false)
	if err != nil {
		t.Fatal(err)
	}
	return c.Dir()
}

func TestFailuresAreAskedLessAndLess(t *testing.T) {
	up := gittest.Upstream(t)
	code, wait := http.StatusNotFound, ""
	up.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Retry-After", wait)
		w.WriteHeader(code)
		return true
	})
	b := newBook()
	n := startNode(t, b, t.TempDir())
	owned(t, b, n, map[string]string{"repox": up.URL("x.git")})
	failsAs(t, n, "repox", failure.NotFound)
	last := time.Duration(0)
	for range 5 {
		if _, err := n.engine.Sync(t.Context(), "repox"); err != nil {
			t.Fatal(err)
		}
		s, _ := n.engine.Status("repox")
		next := time.Until(s.NextCheck)
		if next < last {
			t.Errorf("after %d failures asked again in %s, before that in %s", s.Failures, next, last)
		}
		last = next
	}
	if last < 10*time.Minute {
		t.Errorf("after 6 failures asked again in %s", last)
	}
	code, wait = http.StatusTooManyRequests, "3600"
	if _, err := n.engine.Sync(t.Context(), "repox"); err != nil {
		t.Fatal(err)
	}
	if s, _ := n.engine.Status("repox"); time.Until(s.NextCheck) < time.Hour-time.Minute || s.Failure.Class != failure.RateLimited {
		t.Errorf("%s, asked again in %s, but the upstream said an hour", s.Failure.Class, time.Until(s.NextCheck))
	}
}

func TestRemoveEndsAHangingFetch(t *testing.T) {
	up := gittest.Upstream(t)
	sample(t, up, "x.git")
	hanging := make(chan bool, 10)
	up.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if wantsPack(r) {
			hanging <- true
			<-r.Context().Done()
			return true
		}
		return false
	})
	b := newBook()
	n := startNode(t, b, t.TempDir())
	owned(t, b, n, map[string]string{"repox": up.URL("x.git")})
	<-hanging
	if err := n.engine.Remove(t.Context(), "repox"); err != nil {
		t.Fatal(err)
	}
	nothingStaged(t, n)
	if _, ok := n.engine.Status("repox"); ok {
		t.Error("still there")
	}
	if trash, err := os.ReadDir(filepath.Join(n.dir, "trash")); err != nil || len(trash) != 1 {
		t.Errorf("trash holds %d, %v", len(trash), err)
	}
}
