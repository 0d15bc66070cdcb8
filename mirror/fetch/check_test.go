package fetch_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"gitmirror/internal/gittest"
	"gitmirror/internal/upstream"
	"gitmirror/mirror/failure"
)

// git fsck is asked with the ids that this git knows, whatever others there are; flaws that a
// mirror may take are none to it, and what is missing is.
func TestCheckFindsWhatIsWrongAndNoMore(t *testing.T) { both(t, testCheckFindsWhatIsWrongAndNoMore) }

func testCheckFindsWhatIsWrongAndNoMore(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	g.edit(t, func(e *upstream.Edit) {
		e.Commit("main", "one", map[string]string{"a": "a"})
		e.Commit("main", "two", map[string]string{"b": "b"})
	})
	// A date that old histories have, and a fetch lets through.
	tree := g.tip(t, "main^{tree}")
	flawed := g.object(t, "commit", commit(tree, "A<a@example.invalid> 1700000000 +0000"))
	if _, err := g.repo.Git("update-ref", "refs/heads/flawed", flawed); err != nil {
		t.Fatal(err)
	}
	main := g.tip(t, "main")
	if err := g.fetch(t, g.up.URL("x.git"), main, flawed); err != nil {
		t.Fatal(err)
	}
	for name, oid := range map[string]string{"main": main, "flawed": flawed} {
		gittest.Run(t, g.live.Dir(), "-c", "safe.directory=*", "update-ref", "refs/heads/"+name, oid)
	}
	if err := g.fetcher.Check(t.Context(), g.live.Dir(), []string{main}); err != nil {
		t.Errorf("a whole copy: %v", err)
	}
	gittest.Prune(t, g.live.Dir(), g.tip(t, "main:a"))
	var f *failure.Error
	if err := g.fetcher.Check(t.Context(), g.live.Dir(), []string{main}); !errors.As(err, &f) || f.Class != failure.Corrupt {
		t.Errorf("a copy that lacks a file: %v", err)
	}
}

// What readers find their way by is read through: git itself does not look at its checksum.
func TestVerifyFindsDamagedCharts(t *testing.T) { both(t, testVerifyFindsDamagedCharts) }

func testVerifyFindsDamagedCharts(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	g.edit(t, func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"a": "a"}) })
	main := g.tip(t, "main")
	if err := g.fetch(t, g.up.URL("x.git"), main); err != nil {
		t.Fatal(err)
	}
	gittest.Run(t, g.live.Dir(), "-c", "safe.directory=*", "update-ref", "refs/heads/main", main)
	gittest.Run(t, g.live.Dir(), "-c", "safe.directory=*", "multi-pack-index", "write", "--bitmap")
	gittest.Run(t, g.live.Dir(), "-c", "safe.directory=*", "commit-graph", "write", "--reachable")
	for _, pattern := range []string{"objects/pack/multi-pack-index", "objects/pack/multi-pack-index-*.bitmap", "objects/info/commit-graph"} {
		found, err := filepath.Glob(filepath.Join(g.live.Dir(), pattern))
		if err != nil || len(found) != 1 {
			t.Fatal(pattern, found, err)
		}
		data, err := os.ReadFile(found[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := g.fetcher.Verify(t.Context(), g.live.Dir(), []string{main}); err != nil {
			t.Errorf("a whole copy: %v", err)
		}
		spoilt := append([]byte(nil), data...)
		spoilt[len(spoilt)-21] ^= 1
		if err := errors.Join(os.Remove(found[0]), os.WriteFile(found[0], spoilt, 0o644)); err != nil {
			t.Fatal(err)
		}
		if err := g.fetcher.Verify(t.Context(), g.live.Dir(), []string{main}); err == nil {
			t.Errorf("%s is spoilt, and that is not found", pattern)
		}
		if err := os.WriteFile(found[0], data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
