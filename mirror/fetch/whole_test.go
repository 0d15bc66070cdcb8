package fetch_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gitmirror/internal/upstream"
	"gitmirror/mirror/failure"
)

// without packs what the upstream has, but for one object, as a file PREFIX-ID.pack.
func (g *rig) without(t *testing.T, oid, prefix string) (pack string) {
	t.Helper()
	all, err := g.repo.Git("rev-list", "--objects", "--no-object-names", "--all")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("git", "pack-objects", prefix)
	cmd.Dir, cmd.Env = g.repo.Dir, upstream.Environ(g.repo.Dir)
	cmd.Stdin = strings.NewReader(strings.ReplaceAll(all+"\n", oid+"\n", ""))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return prefix + "-" + strings.TrimSpace(string(out)) + ".pack"
}

// A pack may be well made, and lack a blob.
func TestAPackThatLacksABlobIsRefused(t *testing.T) { both(t, testAPackThatLacksABlobIsRefused) }

func testAPackThatLacksABlobIsRefused(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	g.edit(t, func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"a": "alpha", "b": "beta"}) })
	tip, blob := g.tip(t, "main"), g.tip(t, "main:a")
	short, err := os.ReadFile(g.without(t, blob, filepath.Join(t.TempDir(), "pack")))
	if err != nil {
		t.Fatal(err)
	}
	g.refuses(t, g.tampered(t, inPack(t, func([]byte) []byte { return short })), failure.Corrupt, tip)
}

// The proof is ours: it does not lean on a check that git makes, or forgets to make.
func TestWhatGitTookIsProvedAgain(t *testing.T) {
	real, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	bin, packs := t.TempDir(), t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\ncase $1 in fetch) cat >/dev/null; cp %s/* objects/pack/; echo 'Receiving objects: 100%% (1/1)' >&2; exit 0;; esac\nexec %s \"$@\"\n", packs, real)
	if err := os.WriteFile(filepath.Join(bin, "git"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	path := os.Getenv("PATH")
	t.Setenv("PATH", bin+":"+path)
	g := newRig(t, 0, engines[0]) // its git takes anything
	t.Setenv("PATH", path)
	g.edit(t, func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"a": "alpha", "b": "beta"}) })
	tip, blob := g.tip(t, "main"), g.tip(t, "main:a")
	g.without(t, strings.Repeat("0", 40), filepath.Join(packs, "pack"))
	if err := g.fetch(t, g.up.URL("x.git"), tip); err != nil {
		t.Fatalf("all objects are there: %v", err)
	}
	for _, dir := range []string{packs, filepath.Join(g.live.Dir(), "objects/pack")} {
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			_ = os.Remove(f)
		}
	}
	g.without(t, blob, filepath.Join(packs, "pack"))
	g.refuses(t, g.up.URL("x.git"), failure.Corrupt, tip)
}
