package serve_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitmirror/internal/upstream"
	"gitmirror/mirror/refs"
)

// Whatever git can ask our upstream, it gets the same from us.
func TestLsRemoteIsTheUpstreams(t *testing.T) {
	g := newRig(t)
	g.publish(t, nil, sample)
	each(t, func(t *testing.T, version string) {
		for _, args := range [][]string{nil, {"HEAD"}, {"refs/heads/*"}, {"--tags"}, {"main", "v1"}, {"nothing"}} {
			ask := func(url string) string {
				return run(t, t.TempDir(), append([]string{"-c", version, "ls-remote", "--symref", url}, args...)...)
			}
			if d := cmp.Diff(ask(g.upstream.Dir), ask(g.url)); d != "" {
				t.Errorf("ls-remote %v:\n%s", args, d)
			}
		}
	})
}

func TestCloneFetchAndDeepen(t *testing.T) {
	g := newRig(t)
	g.publish(t, nil, sample)
	mainBefore, _ := g.upstream.Git("rev-parse", "main")
	each(t, func(t *testing.T, version string) {
		dir := t.TempDir()
		clone := func(name string, args ...string) string {
			run(t, dir, slices.Concat([]string{"-c", version, "clone", "--quiet"}, args, []string{g.url, name})...)
			return filepath.Join(dir, name)
		}
		full := clone("full")
		run(t, full, "fsck", "--strict")
		if got := run(t, full, "rev-parse", "HEAD", "v1^{commit}"); got != mainBefore+"\n"+mainBefore {
			t.Errorf("HEAD and v1 are %s", got)
		}
		mirror := clone("mirror", "--mirror")
		want, _ := g.upstream.Git("for-each-ref")
		if d := cmp.Diff(want, run(t, mirror, "for-each-ref")); d != "" {
			t.Errorf("clone --mirror:\n%s", d)
		}
		shallow := clone("shallow", "--depth=1")
		if n := run(t, shallow, "rev-list", "--count", "HEAD"); n != "1" {
			t.Errorf("a clone of depth 1 has %s commits", n)
		}
		run(t, shallow, "-c", version, "fetch", "--quiet", "--deepen=1")
		if n := run(t, shallow, "rev-list", "--count", "HEAD"); n == "1" {
			t.Error("deepening brought nothing")
		}
		run(t, shallow, "-c", version, "fetch", "--quiet", "--unshallow")
		if n, all := run(t, shallow, "rev-list", "--count", "HEAD"), run(t, full, "rev-list", "--count", "HEAD"); n != all {
			t.Errorf("unshallowed to %s of %s commits", n, all)
		}
		since := clone("since", "--shallow-since="+strings.TrimSpace(run(t, full, "log", "-1", "--format=%ct", "main~1")))
		if n := run(t, since, "rev-list", "--count", "HEAD"); n == run(t, full, "rev-list", "--count", "HEAD") {
			t.Errorf("--shallow-since brought all %s commits", n)
		}
		single := clone("single", "--single-branch", "--branch=side", "--no-tags")
		if got := run(t, single, "for-each-ref", "--format=%(refname)", "refs/remotes"); strings.Contains(got, "main") {
			t.Errorf("a single branch: %s", got)
		}
		run(t, single, "fsck", "--strict")
	})
}

func TestPartialClone(t *testing.T) {
	g := newRig(t)
	g.publish(t, nil, sample)
	each(t, func(t *testing.T, version string) {
		dir := t.TempDir()
		run(t, dir, "-c", version, "clone", "--quiet", "--no-checkout", "--filter=blob:none", g.url, "p")
		p := filepath.Join(dir, "p")
		missing := run(t, p, "rev-list", "--objects", "--all", "--missing=print")
		if !strings.Contains(missing, "\n?") {
			t.Error("nothing was left out")
		}
		run(t, p, "-c", version, "checkout", "--quiet", "main")
		if got, err := os.ReadFile(filepath.Join(p, "a.txt")); err != nil || string(got) != "omega" {
			t.Errorf("checked out %q, %v", got, err)
		}
		run(t, p, "-c", version, "log", "-p", "--all")
		run(t, p, "fsck")
	})
}

func TestIncrementalFetchFollows(t *testing.T) {
	g := newRig(t)
	g.publish(t, nil, sample)
	each(t, func(t *testing.T, version string) {
		dir := t.TempDir()
		run(t, dir, "-c", version, "clone", "--quiet", "--mirror", g.url, "m")
		m := filepath.Join(dir, "m")
		g.publish(t, nil, func(e *upstream.Edit) {
			e.Commit("main", "more", map[string]string{"more-" + version: "x"})
			e.Rewrite("side")
			e.Commit("side", "anew", map[string]string{"c.txt": version})
			e.Tag("tag-"+version, "main", "a tag")
		})
		run(t, m, "-c", version, "fetch", "--quiet", "--prune")
		want, _ := g.upstream.Git("for-each-ref")
		if d := cmp.Diff(want, run(t, m, "for-each-ref")); d != "" {
			t.Errorf("after a fetch:\n%s", d)
		}
		run(t, m, "fsck", "--strict")
	})
}

// A client that wants or has much compresses its request.
func TestCompressedRequests(t *testing.T) {
	g := newRig(t)
	g.publish(t, nil, func(e *upstream.Edit) {
		for i := range 200 {
			e.Commit(fmt.Sprintf("b%03d", i), "one", map[string]string{"f": fmt.Sprint(i)})
		}
		e.Commit("main", "one", map[string]string{"f": "main"})
	})
	each(t, func(t *testing.T, version string) {
		g.mu.Lock()
		g.encoding = nil
		g.mu.Unlock()
		dir := t.TempDir()
		run(t, dir, "-c", version, "clone", "--quiet", "--mirror", g.url, "m")
		run(t, filepath.Join(dir, "m"), "fsck", "--strict")
		g.mu.Lock()
		defer g.mu.Unlock()
		if !slices.Contains(g.encoding, "gzip") {
			t.Errorf("encodings %q: the test no longer tests what it should", g.encoding)
		}
	})
}

func TestUnbornDetachedAndAbsentHead(t *testing.T) {
	g := newRig(t)
	_, err := g.upstream.Git("symbolic-ref", "HEAD", "refs/heads/trunk")
	must(t, err)
	g.publish(t, nil, nil)
	dir := t.TempDir()
	run(t, dir, "-c", "protocol.version=2", "clone", "--quiet", g.url, "empty")
	if got := run(t, filepath.Join(dir, "empty"), "symbolic-ref", "HEAD"); got != "refs/heads/trunk" {
		t.Errorf("an empty clone is on %s, want the unborn branch of the upstream", got)
	}
	run(t, dir, "-c", "protocol.version=0", "clone", "--quiet", g.url, "empty0")

	g.publish(t, nil, sample) // trunk is still unborn, beside branches
	run(t, dir, "clone", "--quiet", "--no-checkout", g.url, "unborn")
	if got := run(t, filepath.Join(dir, "unborn"), "for-each-ref", "--format=%(refname)"); !strings.Contains(got, "refs/remotes/origin/main") {
		t.Errorf("a clone of a repository whose HEAD is unborn has %s", got)
	}

	inside, err := g.upstream.Git("rev-parse", "main~1") // no branch's tip: a client would take it for that branch
	must(t, err)
	_, err = g.upstream.Git("update-ref", "--no-deref", "HEAD", inside)
	must(t, err)
	g.publish(t, nil, nil)
	each(t, func(t *testing.T, version string) {
		dir := t.TempDir()
		run(t, dir, "-c", version, "clone", "--quiet", g.url, "detached")
		d := filepath.Join(dir, "detached")
		if got := run(t, d, "rev-parse", "HEAD"); got != inside {
			t.Errorf("HEAD is %s, want %s", got, inside)
		}
		if out, err := try(t, d, "symbolic-ref", "-q", "HEAD"); err == nil {
			t.Errorf("HEAD is on %s, want it detached", out)
		}
	})

	g.activate(t, &refs.Table{Generation: g.table.Generation + 1, Refs: g.table.Refs})
	each(t, func(t *testing.T, version string) {
		if out := run(t, t.TempDir(), "-c", version, "ls-remote", g.url); strings.Contains(out, "HEAD") || !strings.Contains(out, "refs/heads/main") {
			t.Errorf("without HEAD:\n%s", out)
		}
	})
}

// Kept tips are no news to clients, but peers see them, and who knows an
// object's id gets it: partial clones need that.
func TestPrivateRefsAreHidden(t *testing.T) {
	g := newRig(t)
	must(t, g.upstream.Edit(sample))
	lost, err := g.upstream.Git("rev-parse", "side")
	must(t, err)
	table := g.publish(t, []refs.Ref{{Name: "refs/gitmirror/kept/1700000000/heads/x", OID: lost}}, nil)
	each(t, func(t *testing.T, version string) {
		dir := t.TempDir()
		if out := run(t, dir, "-c", version, "ls-remote", g.url); strings.Contains(out, "gitmirror") {
			t.Errorf("shown to a client:\n%s", out)
		}
		if out := run(t, dir, "-c", version, "ls-remote", g.url, "refs/gitmirror/*"); out != "" {
			t.Errorf("shown to a client that asks:\n%s", out)
		}
		run(t, dir, "-c", version, "clone", "--quiet", "--mirror", g.url, "m")
		if out := run(t, filepath.Join(dir, "m"), "for-each-ref"); strings.Contains(out, "gitmirror") {
			t.Errorf("cloned:\n%s", out)
		}
		run(t, dir, "init", "--quiet", "--bare", "known")
		run(t, filepath.Join(dir, "known"), "-c", version, "fetch", "--quiet", g.url, lost)
		g.mu.Lock()
		g.includePrivate = true
		g.mu.Unlock()
		if out := run(t, dir, "-c", version, "ls-remote", g.url); !strings.Contains(out, table.Refs[0].Name) {
			t.Errorf("not shown to a peer:\n%s", out)
		}
		g.mu.Lock()
		g.includePrivate = false
		g.mu.Unlock()
	})
}
