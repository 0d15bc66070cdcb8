package mirror_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
)

// Who reads the files of a copy is the first to see that its packs are gone: nobody clones an index. It is then tested
// as what a client could not clone.
func TestACopyWhoseFilesCannotBeReadIsTested(t *testing.T) {
	for _, open := range []bool{false, true} {
		t.Run(fmt.Sprintf("open before %v", open), func(t *testing.T) {
			_, _, n := mirrored(t)
			lose := func() {
				t.Helper()
				packs, err := filepath.Glob(filepath.Join(n.dir, "repos", "*", "repox.git", "objects", "pack", "*"))
				if err != nil || len(packs) == 0 {
					t.Fatal(packs, err)
				}
				for _, pack := range packs {
					if err := os.Remove(pack); err != nil {
						t.Fatal(err)
					}
				}
			}
			if !open {
				lose()
			}
			files, done, err := n.engine.Files("repox", 1, "")
			if open {
				if err != nil || n.engine.Suspected("repox") {
					t.Fatal(err)
				}
				lose()
				for _, err = range files.Files() {
				}
				done()
			}
			if err == nil {
				t.Error("it has files without packs")
			}
			testlog.Eventually(t, "a test of the copy", func() bool { return n.engine.Suspected("repox") })
		})
	}
}

// What is asked for wrongly says nothing of a copy.
func TestAWrongRefRaisesNoSuspicion(t *testing.T) {
	up := gittest.Upstream(t)
	r := sample(t, up, "x.git")
	gittest.Run(t, r.Dir, "tag", "blob", "main:a.txt")
	b := newBook()
	n := startNode(t, b, t.TempDir())
	owned(t, b, n, map[string]string{"repox": up.URL("x.git")})
	arrives(t, n, "repox", 1)
	for _, ref := range []string{"refs/heads/none", "refs/tags/blob"} {
		if _, _, err := n.engine.Files("repox", 1, ref); err == nil {
			t.Errorf("%s has files", ref)
		}
	}
	if _, _, err := n.engine.Files("repox", 2, ""); err == nil {
		t.Error("there is no such generation")
	}
	n.stop()
	if n.engine.Suspected("repox") {
		t.Error("its copy was tested")
	}
}
