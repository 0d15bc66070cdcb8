package mirror_test

import (
	"os"
	"path/filepath"
	"testing"

	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/mirror"
)

// files are those below a node's directory.
func files(t *testing.T, dir, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// discarded is a node whose only copy, of generation 1, was removed, and the book it goes by.
func discarded(t *testing.T) (*node, *book) {
	t.Helper()
	up := gittest.Upstream(t)
	sample(t, up, "x.git")
	b := newBook()
	n := startNode(t, b, t.TempDir())
	b.add("repox", up.URL("x.git"))
	n.roles["repox"] = mirror.Owner
	b.tell()
	testlog.Eventually(t, "the clone", func() bool { return n.generation("repox") == 1 })
	if err := n.engine.Remove(t.Context(), "repox"); err != nil {
		t.Fatal(err)
	}
	return n, b
}

// A copy that was removed comes back with all it had.
func TestACopyIsTakenBack(t *testing.T) {
	n, _ := discarded(t)
	if err := n.engine.TakeBack("repox"); err != nil {
		t.Fatal(err)
	}
	if g := n.generation("repox"); g != 1 || len(files(t, n.dir, "trash/*")) != 0 {
		t.Errorf("it is back at generation %d", g)
	}
}

// What comes back is tested: what cannot be read is thrown away again, and that for good.
func TestACopyThatIsTakenBackIsTested(t *testing.T) {
	n, b := discarded(t)
	for _, pack := range files(t, n.dir, "trash/*/objects/pack/*.pack") {
		if err := os.Truncate(pack, 20); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.engine.TakeBack("repox"); err != nil {
		t.Fatal(err)
	}
	b.tell()
	testlog.Eventually(t, "the damage to be found", func() bool { return len(files(t, n.dir, "trash/repox.*.damaged.git")) == 1 })
}
