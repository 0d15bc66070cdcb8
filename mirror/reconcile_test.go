package mirror_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
)

// A table that a client finds unreadable is dealt with then, and not when upstream is
// looked at next.
func TestAnUnreadableTableIsDealtWithAtOnce(t *testing.T) {
	up := gittest.Upstream(t)
	sample(t, up, "x.git")
	b := newBook()
	n := startNode(t, b, t.TempDir())
	owned(t, b, n, map[string]string{"repox": up.URL("x.git")})
	arrives(t, n, "repox", 1)
	b.mu.Lock()
	row := b.rows["repox"]
	row.Policy.Interval = time.Hour
	b.rows["repox"] = row
	b.mu.Unlock()
	b.tell()
	if _, err := n.engine.Sync(t.Context(), "repox"); err != nil { // nothing is left to do
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(copyDir(t, n, "repox"), "packed-refs"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	testlog.Eventually(t, "the table to be read anew", func() bool {
		runtime.GC() // it is kept only for as long as somebody needs it
		_, err := n.engine.Open("repox", false)
		return err != nil
	})
	testlog.Eventually(t, "the copy to heal", func() bool {
		_, err := n.engine.Open("repox", false)
		return err == nil && same(t, n, "repox", up, "x.git")
	})
}
