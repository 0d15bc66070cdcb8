package mirror_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
	"gitmirror/mirror"
)

// flip changes one bit in the middle of each pack of a node's copy.
func (n *node) flip(t *testing.T, id string) {
	t.Helper()
	packs, err := filepath.Glob(filepath.Join(n.dir, "repos", "*", id+".git", "objects", "pack", "*.pack"))
	if err != nil || len(packs) == 0 {
		t.Fatalf("no packs of %s: %v", id, err)
	}
	for _, p := range packs {
		data, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 1
		if err := os.Chmod(p, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// git sends packs as they lie on the disk: the holder of a damaged copy, the only
// one there is, hears of it from who copies, looks itself, and clones anew.
func TestAHolderHearsThatItsCopyIsDamaged(t *testing.T) {
	up := gittest.Upstream(t)
	r := sample(t, up, "x.git")
	noise := make([]byte, 100_000) // most of the pack: a blob, which git does not read to send it
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	gittest.Edit(t, r, func(e *upstream.Edit) { e.Commit("main", "noise", map[string]string{"noise": string(noise)}) })
	b := newBook()
	owner := startNode(t, b, t.TempDir())
	owned(t, b, owner, map[string]string{"repox": up.URL("x.git")})
	arrives(t, owner, "repox", 1)
	owner.flip(t, "repox")

	replica := startNode(t, b, t.TempDir())
	replica.roles["repox"] = mirror.Replica
	b.tell()
	testlog.Eventually(t, "both to have a copy that is whole", func() bool {
		if s, _ := owner.engine.Status("repox"); s.Failure != nil {
			t.Errorf("upstream is well, and the repo fails: %s", s.Failure)
		}
		return owner.generation("repox") > 0 && replica.generation("repox") > 0 && same(t, replica, "repox", up, "x.git")
	})
	for _, n := range []*node{owner, replica} {
		dir := filepath.Join(t.TempDir(), "clone.git")
		gittest.Run(t, t.TempDir(), "clone", "--quiet", "--mirror", n.http.URL+"/repox", dir)
		gittest.Run(t, dir, "fsck", "--strict")
	}
}

// A peer's word alone takes nothing out of service.
func TestADoubtIsNoEvidence(t *testing.T) {
	_, _, n := mirrored(t)
	n.engine.Doubt("repox")
	n.engine.Doubt("nobody")
	n.stop() // waits for the test to end
	trash, err := os.ReadDir(filepath.Join(n.dir, "trash"))
	if err != nil || len(trash) != 0 {
		t.Errorf("the trash holds %v, %v", trash, err)
	}
}

// git does not see a pack that has no index: it gets one, before what is in it is
// given up. Upstream is gone, and there is no other copy.
func TestALostIndexIsMadeAnew(t *testing.T) {
	for _, running := range []bool{true, false} {
		t.Run(fmt.Sprintf("while it runs %v", running), func(t *testing.T) {
			up := gittest.Upstream(t)
			sample(t, up, "x.git")
			b := newBook()
			dir := t.TempDir()
			n := startNode(t, b, dir)
			owned(t, b, n, map[string]string{"repox": up.URL("x.git")})
			arrives(t, n, "repox", 1)
			before := lsRemote(t, n.http.URL+"/repox")
			up.Close()
			if !running {
				n.stop()
			}
			indexes, err := filepath.Glob(filepath.Join(dir, "repos", "*", "*", "objects", "pack", "*.idx"))
			if err != nil || len(indexes) == 0 {
				t.Fatal(indexes, err)
			}
			for _, index := range indexes {
				if err := os.Remove(index); err != nil {
					t.Fatal(err)
				}
			}
			if running {
				n.engine.Doubt("repox")
			} else {
				b.nodes = nil
				n = startNode(t, b, dir)
				n.roles["repox"] = mirror.Owner
				b.tell()
			}
			testlog.Eventually(t, "a clone that is whole", func() bool {
				clone := filepath.Join(t.TempDir(), "clone.git")
				_, err := gittest.Try(t, t.TempDir(), "clone", "--quiet", "--mirror", n.http.URL+"/repox", clone)
				return err == nil
			})
			if after := lsRemote(t, n.http.URL+"/repox"); after != before {
				t.Errorf("it shows\n%s\nand showed\n%s", after, before)
			}
			if trash, err := os.ReadDir(filepath.Join(dir, "trash")); err != nil || len(trash) != 0 {
				t.Errorf("the trash holds %v, %v", trash, err)
			}
		})
	}
}
