package gittest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"gitmirror/internal/upstream"
)

// Prune takes an object out of a repository, whatever leads to it: the others are loose
// afterwards.
func Prune(t testing.TB, dir, oid string) {
	t.Helper()
	packs, err := filepath.Glob(filepath.Join(dir, "objects/pack/pack-*"))
	if err != nil {
		t.Fatal(err)
	}
	aside := t.TempDir()
	for _, p := range packs {
		if err := os.Rename(p, filepath.Join(aside, filepath.Base(p))); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range packs {
		if filepath.Ext(p) != ".pack" {
			continue
		}
		pack, err := os.Open(filepath.Join(aside, filepath.Base(p)))
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("git", "unpack-objects", "-q")
		cmd.Dir, cmd.Env, cmd.Stdin = dir, upstream.Environ(dir), pack
		out, err := cmd.CombinedOutput()
		_ = pack.Close()
		if err != nil {
			t.Fatalf("git unpack-objects: %v\n%s", err, out)
		}
	}
	if err := os.Remove(filepath.Join(dir, "objects", oid[:2], oid[2:])); err != nil {
		t.Fatal(err)
	}
}
