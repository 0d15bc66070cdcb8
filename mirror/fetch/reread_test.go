package fetch_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitmirror/internal/gittest"
	"gitmirror/internal/upstream"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/fetch"
	"gitmirror/mirror/proof"
)

// What was proved before hides nothing of what happens to a copy, whoever it is that reads it.
func TestRereadFindsWhateverIsDamaged(t *testing.T) { both(t, testRereadFindsWhateverIsDamaged) }

func testRereadFindsWhateverIsDamaged(t *testing.T, of engine) {
	flip := func(t *testing.T, path string) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 4
		if err := errors.Join(os.Remove(path), os.WriteFile(path, data, 0o444)); err != nil {
			t.Fatal(err)
		}
	}
	truncate := func(t *testing.T, path string) {
		if err := errors.Join(os.Chmod(path, 0o644), os.Truncate(path, 100)); err != nil {
			t.Fatal(err)
		}
	}
	remove := func(t *testing.T, path string) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for name, damage := range map[string]func(t *testing.T, g *rig, pack string){
		"a flipped bit":                 func(t *testing.T, _ *rig, pack string) { flip(t, pack) },
		"a flipped bit of an index":     func(t *testing.T, _ *rig, pack string) { flip(t, strings.TrimSuffix(pack, ".pack")+".idx") },
		"a pack that is cut off":        func(t *testing.T, _ *rig, pack string) { truncate(t, pack) },
		"an index that is cut off":      func(t *testing.T, _ *rig, pack string) { truncate(t, strings.TrimSuffix(pack, ".pack")+".idx") },
		"a pack that is gone":           func(t *testing.T, _ *rig, pack string) { remove(t, pack) },
		"an index that is gone":         func(t *testing.T, _ *rig, pack string) { remove(t, strings.TrimSuffix(pack, ".pack")+".idx") },
		"an object that is gone":        func(t *testing.T, g *rig, _ string) { gittest.Prune(t, g.live.Dir(), g.tip(t, "main:a")) },
		"no packs at all":               func(t *testing.T, g *rig, _ string) { removeAll(t, filepath.Join(g.live.Dir(), "objects/pack")) },
		"a commit-graph that is broken": commitGraph(flip),
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, 0, of)
			g.edit(t, func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"a": "alpha", "b": "beta"}) })
			main := g.tip(t, "main")
			if err := g.fetch(t, g.up.URL("x.git"), main); err != nil {
				t.Fatal(err)
			}
			packs, err := filepath.Glob(filepath.Join(g.live.Dir(), "objects/pack/*.pack"))
			if err != nil || len(packs) != 1 {
				t.Fatal(packs, err)
			}
			var known proof.Proof
			for i := range 2 {
				if known, err = g.fetcher.Reread(t.Context(), g.live.Dir(), []string{main}, known); err != nil || known.Empty() {
					t.Fatalf("a whole copy, the %d. time: %v, and it is proved: %+v", i+1, err, known)
				}
			}
			damage(t, g, packs[0])
			var f *failure.Error
			now, err := g.fetcher.Reread(t.Context(), g.live.Dir(), []string{main}, known)
			if !errors.As(err, &f) || f.Class != failure.Corrupt || errors.Is(err, fetch.ErrInconclusive) || !now.Empty() {
				t.Errorf("%v, and it is proved: %+v", err, now)
			}
		})
	}
}

func removeAll(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

func commitGraph(spoil func(t *testing.T, path string)) func(*testing.T, *rig, string) {
	return func(t *testing.T, g *rig, _ string) {
		gittest.Run(t, g.live.Dir(), "-c", "safe.directory=*", "update-ref", "refs/heads/main", g.tip(t, "main"))
		gittest.Run(t, g.live.Dir(), "-c", "safe.directory=*", "commit-graph", "write", "--reachable")
		spoil(t, filepath.Join(g.live.Dir(), "objects/info/commit-graph"))
	}
}

// A push is looked at when it is there, and no more than it: what it lacks is found, and the rest is not
// walked through again.
func TestRereadLooksAtWhatIsNew(t *testing.T) { both(t, testRereadLooksAtWhatIsNew) }

func testRereadLooksAtWhatIsNew(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	g.edit(t, func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"a": "alpha"}) })
	one := g.tip(t, "main")
	if err := g.fetch(t, g.up.URL("x.git"), one); err != nil {
		t.Fatal(err)
	}
	known, err := g.fetcher.Reread(t.Context(), g.live.Dir(), []string{one}, proof.Proof{})
	if err != nil {
		t.Fatal(err)
	}
	g.edit(t, func(e *upstream.Edit) { e.Commit("main", "two", map[string]string{"b": "beta"}) })
	two := g.tip(t, "main")
	if now, err := g.fetcher.Reread(t.Context(), g.live.Dir(), []string{two}, known); err == nil {
		t.Errorf("a tip that is not there, and it is proved: %+v", now)
	}
	g.without(t, g.tip(t, "main:b"), filepath.Join(g.live.Dir(), "objects/pack/pack"))
	if now, err := g.fetcher.Reread(t.Context(), g.live.Dir(), []string{two}, known); err == nil {
		t.Errorf("a push that lacks a file, and it is proved: %+v", now)
	}
	g.without(t, strings.Repeat("0", 40), filepath.Join(g.live.Dir(), "objects/pack/pack"))
	now, err := g.fetcher.Reread(t.Context(), g.live.Dir(), []string{two}, known)
	if err != nil || len(now.Files) != 6 {
		t.Errorf("all is there: %v; it is proved: %+v", err, now)
	}
}
