package fetch_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitmirror/internal/gitflaw"
	"gitmirror/internal/upstream"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/fetch"
)

func TestFetchBringsWhatIsNamedAndNoMore(t *testing.T) { both(t, testFetchBringsWhatIsNamedAndNoMore) }

func testFetchBringsWhatIsNamedAndNoMore(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	g.edit(t, func(e *upstream.Edit) {
		e.Commit("main", "one", map[string]string{"a": "a"})
		e.Commit("secret", "two", map[string]string{"b": "b"})
		e.Tag("v1", "main", "version")
	})
	main, tag, other := g.tip(t, "main"), g.tip(t, "refs/tags/v1"), g.tip(t, "secret")
	if err := g.fetch(t, g.up.URL("x.git"), main, tag); err != nil {
		t.Fatal(err)
	}
	missing, err := g.fetcher.Missing(t.Context(), g.live.Dir(), []string{main, tag, other, g.tip(t, "main^{tree}")}, nil)
	if err != nil || len(missing) != 1 || missing[0] != other {
		t.Errorf("missing %v, %v, want %s alone", missing, err, other)
	}
	out, err := exec.Command("git", "-C", g.live.Dir(), "-c", "safe.directory=*", "fsck", "--strict", main, tag).CombinedOutput()
	if err != nil {
		t.Errorf("fsck: %v\n%s", err, out)
	}
	g.edit(t, func(e *upstream.Edit) { e.Commit("main", "three", map[string]string{"c": "c"}) })
	if err := g.fetch(t, g.up.URL("x.git"), g.tip(t, "main")); err != nil {
		t.Fatal(err)
	}
	if err := g.fetch(t, "http://127.0.0.1:1/nobody"); err != nil {
		t.Errorf("fetching nothing asked somebody: %v", err)
	}
	if missing, err := g.fetcher.Missing(t.Context(), g.live.Dir(), nil, nil); missing != nil || err != nil {
		t.Errorf("missing of nothing: %v, %v", missing, err)
	}
}

// tree is the content of a tree object with one entry.
func tree(t *testing.T, mode, name, oid string) string {
	t.Helper()
	raw, err := hex.DecodeString(oid)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s %s\x00%s", mode, name, raw)
}

func commit(tree, author string) string {
	return fmt.Sprintf("tree %s\nauthor %s\ncommitter %s\n\nmessage\n", tree, author, author)
}

const honest = "A <a@example.invalid> 1700000000 +0000"

// Objects that a client's git may be attacked by are refused, by the id of what is wrong
// with them. Where that is accepted they are taken, and so they are from a peer: it was
// accepted when they came, and may not be any more.
func TestDangerousObjectsAreRefused(t *testing.T) { both(t, testDangerousObjectsAreRefused) }

func testDangerousObjectsAreRefused(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	url := g.up.URL("x.git")
	blob := g.object(t, "blob", "x")
	modules := g.object(t, "blob", "[submodule \"x\"]\n\tpath = x\n\turl = --upload-pack=touch /tmp/pwned\n")
	linked := g.object(t, "blob", "target")
	for name, c := range map[string]struct{ content, flaw string }{
		".git":                      {tree(t, "40000", ".git", g.object(t, "tree", tree(t, "100644", "config", blob))), "hasDotgit"},
		"..":                        {tree(t, "40000", "..", g.object(t, "tree", tree(t, "100644", "x", blob))), "hasDotdot"},
		"a slash in a name":         {tree(t, "100644", "a/b", blob), "fullPathname"},
		"evil .gitmodules":          {tree(t, "100644", ".gitmodules", modules), "gitmodulesUrl"},
		"symbolic .gitmodules":      {tree(t, "120000", ".gitmodules", linked), "gitmodulesSymlink"},
		"git~1":                     {tree(t, "40000", "git~1", g.object(t, "tree", tree(t, "100644", "config", blob))), "hasDotgit"},
		"stray line end":            {tree(t, "100644", ".gitmodules", g.object(t, "blob", oddModules)), gitflaw.PathCR},
		"tree with an unknown blob": {tree(t, "100644", "x", strings.Repeat("1", 40)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			tip := g.object(t, "commit", commit(g.object(t, "tree", c.content), honest))
			if _, err := g.repo.Git("update-ref", "refs/heads/evil", tip); err != nil {
				t.Fatal(err)
			}
			limits := fetch.Limits{Accept: []string{"badEmail"}, Set: "gitmirror repo set x"}
			f := g.within(t, limits, way(t, url), url, tip)
			switch {
			case f == nil || f.Class != failure.Corrupt:
				t.Fatalf("%v", f)
			case c.flaw == "":
				if strings.Contains(f.Message, "--accept") {
					t.Errorf("nobody can accept this: %s", f.Message)
				}
				return
			case !strings.HasSuffix(f.Message, ": gitmirror repo set x --accept-flaws badEmail,"+c.flaw) || !strings.Contains(f.Message, "object "):
				t.Errorf("no object and flaw are named: %s", f.Message)
			}
			limits.Accept = append(limits.Accept, c.flaw)
			if f := g.within(t, limits, way(t, url), url, tip); f != nil {
				t.Errorf("accepted: %v", f)
			}
			if f := g.within(t, fetch.Limits{}, nil, url, tip); f != nil {
				t.Errorf("from a peer: %v", f)
			}
		})
	}
	tip := g.object(t, "tree", "nonsense")
	if _, err := g.repo.Git("update-ref", "refs/tags/evil", tip); err != nil {
		t.Fatal(err)
	}
	if f := g.within(t, fetch.Limits{Accept: gitflaw.Acceptable}, way(t, url), url, tip); f == nil || f.Class != failure.Corrupt {
		t.Errorf("no object at all: %v", f)
	}
	g.refuses(t, url, failure.Corrupt, tip)
}

func TestOldFlawsAreAccepted(t *testing.T) { both(t, testOldFlawsAreAccepted) }

func testOldFlawsAreAccepted(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	blob := g.object(t, "blob", "x")
	plain := g.object(t, "tree", tree(t, "100644", "x", blob))
	tips := []string{
		g.object(t, "commit", commit(plain, "A <a@example.invalid> 1700000000 +07")),
		g.object(t, "commit", commit(plain, "A <a@example.invalid>1700000000 +0000")),
		g.object(t, "commit", commit(plain, "A<a@example.invalid> 1700000000 +0000")),
		g.object(t, "commit", commit(plain, "A <a@example.invalid> 0001700000000 +0000")),
		g.object(t, "commit", commit(plain, "<a@example.invalid> 1700000000 +0000")),
		g.object(t, "commit", commit(g.object(t, "tree", tree(t, "040000", "dir", plain)), honest)),
	}
	tips = append(tips, g.object(t, "tag", "object "+tips[0]+"\ntype commit\ntag v1\n\nno tagger\n"))
	for i, tip := range tips {
		if _, err := g.repo.Git("update-ref", fmt.Sprintf("refs/tags/t%d", i), tip); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.fetch(t, g.up.URL("x.git"), tips...); err != nil {
		t.Error(err)
	}
}

func TestUpstreamWithAMissingObject(t *testing.T) { both(t, testUpstreamWithAMissingObject) }

func testUpstreamWithAMissingObject(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	g.edit(t, func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"a": "alpha", "b": "beta"}) })
	tip, blob := g.tip(t, "main"), g.tip(t, "main:a")
	if err := os.Remove(filepath.Join(g.repo.Dir, "objects", blob[:2], blob[2:])); err != nil {
		t.Fatal(err)
	}
	g.refuses(t, g.up.URL("x.git"), failure.Corrupt, tip)
	// A tip that is not there at all: the upstream may have moved on meanwhile.
	g.refuses(t, g.up.URL("x.git"), failure.Protocol, strings.Repeat("1", 40))
}

func TestTamperedPacks(t *testing.T) { both(t, testTamperedPacks) }

func testTamperedPacks(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	g.edit(t, func(e *upstream.Edit) {
		for i := range 50 {
			e.Commit("main", "c", map[string]string{"f": strings.Repeat(fmt.Sprintf("%d ", i), 500)})
		}
	})
	tip := g.tip(t, "main")
	for _, share := range []int{10, 50, 99} {
		// Of an answer without progress: how much git says before the pack depends on
		// how fast the machine is.
		quiet := inPack(t, func(pack []byte) []byte { return pack })
		url := g.tampered(t, func(b []byte) []byte { b = quiet(b); return b[:len(b)*share/100] })
		g.refuses(t, url, failure.Network, tip)
	}
	for name, change := range map[string]func([]byte){
		"checksum at the end": func(pack []byte) { pack[len(pack)-3] ^= 1 },
		"within an object":    func(pack []byte) { pack[len(pack)/2] ^= 1 },
		"2^32-1 objects":      func(pack []byte) { copy(pack[8:], "\xff\xff\xff\xff") },
		"no object":           func(pack []byte) { copy(pack[8:], "\x00\x00\x00\x00") },
	} {
		t.Log(name)
		g.refuses(t, g.tampered(t, inPack(t, func(pack []byte) []byte { change(pack); return pack })), failure.Corrupt, tip)
	}
	g.refuses(t, g.tampered(t, inPack(t, func(pack []byte) []byte { return pack[:len(pack)/2] })), failure.Network, tip)
	g.refuses(t, g.tampered(t, inPack(t, func(pack []byte) []byte { pack[7] = 9; return pack })), failure.Protocol, tip) // version 9
	if err := g.fetch(t, g.up.URL("x.git"), tip); err != nil {
		t.Errorf("an honest answer afterwards: %v", err)
	}
}

// onPack answers requests for a pack.
func onPack(up *upstream.Server, answer http.HandlerFunc) {
	up.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		answer(w, r)
		return true
	})
}

func TestUpstreamFailuresHaveTheirClass(t *testing.T) { both(t, testUpstreamFailuresHaveTheirClass) }

func testUpstreamFailuresHaveTheirClass(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	g.edit(t, func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"a": "a"}) })
	tip := g.tip(t, "main")
	for code, class := range map[int]failure.Class{
		401: failure.Auth, 403: failure.Auth, 404: failure.NotFound, 410: failure.NotFound, 429: failure.RateLimited, 500: failure.Network, 503: failure.Network,
	} {
		g.up.Intercept(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(code); return true })
		g.refuses(t, g.up.URL("x.git"), class, tip)
	}
	g.refuses(t, "http://127.0.0.1:1/x", failure.Network, tip)
}

// Git falls back to the dumb protocol when a server offers it, and takes loose
// objects and packs from there that no fsck has seen.
func TestDumbServerIsRefused(t *testing.T) { both(t, testDumbServerIsRefused) }

func testDumbServerIsRefused(t *testing.T, of engine) {
	for name, packed := range map[string]bool{"loose": false, "packed": true} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, 0, of)
			blob := g.object(t, "blob", "x")
			evil := g.object(t, "tree", tree(t, "40000", ".git", g.object(t, "tree", tree(t, "100644", "config", blob))))
			tip := g.object(t, "commit", commit(evil, honest))
			for _, args := range [][]string{{"update-ref", "refs/heads/main", tip}, {"update-server-info"}} {
				if _, err := g.repo.Git(args...); err != nil {
					t.Fatal(err)
				}
			}
			if packed {
				if _, err := g.repo.Git("repack", "-a", "-d"); err != nil {
					t.Fatal(err)
				}
			}
			dumb := httptest.NewServer(http.FileServer(http.Dir(g.repo.Dir)))
			defer dumb.Close()
			g.refuses(t, dumb.URL, failure.Protocol, tip)
		})
	}
}

func TestStalledFetchIsKilled(t *testing.T) { both(t, testStalledFetchIsKilled) }

func testStalledFetchIsKilled(t *testing.T, of engine) {
	g := newRig(t, 300*time.Millisecond, of)
	g.edit(t, func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"a": "a"}) })
	tip := g.tip(t, "main")
	for name, answer := range map[string]http.HandlerFunc{
		"before the answer": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"in mid-answer": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
			_, _ = w.Write([]byte("000dpackfile\n"))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
		"talking for ever": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
			_, _ = w.Write([]byte("000dpackfile\n"))
			for i := 0; r.Context().Err() == nil; i++ {
				text := fmt.Sprintf("\x02\x1b[31mCounting objects: %d\r", i)
				fmt.Fprintf(w, "%04x%s", len(text)+4, text)
				_ = http.NewResponseController(w).Flush()
				select {
				case <-r.Context().Done():
				case <-time.After(20 * time.Millisecond):
				}
			}
		},
	} {
		onPack(g.up, answer)
		begin := time.Now()
		f := g.refuses(t, g.up.URL("x.git"), failure.Timeout, tip)
		if d := time.Since(begin); d > 20*time.Second {
			t.Errorf("%s: killed only after %s (%s)", name, d, f.Message)
		}
	}
}

func TestCancelledFetchEnds(t *testing.T) { both(t, testCancelledFetchEnds) }

func testCancelledFetchEnds(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	g.edit(t, func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"a": "a"}) })
	ctx, cancel := context.WithCancel(t.Context())
	onPack(g.up, func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
	st, err := g.store.Stage(g.live)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.fetcher.Fetch(ctx, st, fetch.Source{Peer: g.up.URL("x.git")}, []string{g.tip(t, "main")}); err == nil {
		t.Error("a cancelled fetch succeeded")
	}
}

func TestDeniedAddressIsRefused(t *testing.T) { both(t, testDeniedAddressIsRefused) }

func testDeniedAddressIsRefused(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	url := g.up.URL("x.git")
	f := g.within(t, fetch.Limits{}, wayAllowed(t, url), url, strings.Repeat("1", 40))
	if f == nil || f.Class != failure.Refused || strings.Contains(f.Message, "socks") {
		t.Errorf("%v", f)
	}
	if n := len(g.up.Requests()); n > 0 {
		t.Errorf("a denied address got %d requests", n)
	}
}
