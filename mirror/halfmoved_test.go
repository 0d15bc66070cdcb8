package mirror_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
)

// A pack whose index a crash has kept from being moved in gets one at the next start, though no
// fetch brings it again.
func TestAPackThatWasMovedInByHalfIsMadeWhole(t *testing.T) {
	up, b, n := mirrored(t)
	n.stop()
	other := sample(t, up, "other.git")
	gittest.Edit(t, other, func(e *upstream.Edit) { e.Commit("main", "more", map[string]string{"more": "more"}) })
	gittest.Run(t, other.Dir, "repack", "-a", "-d", "-q")
	packs := files(t, other.Dir, "objects/pack/*.pack")
	to := files(t, n.dir, "repos/*/repox.git/objects/pack")
	if len(packs) != 1 || len(to) != 1 {
		t.Fatal(packs, to)
	}
	data, err := os.ReadFile(packs[0])
	if err != nil {
		t.Fatal(err)
	}
	pack := filepath.Join(to[0], filepath.Base(packs[0]))
	if err := os.WriteFile(pack, data, fs.FileMode(0o444)); err != nil {
		t.Fatal(err)
	}
	n = startNode(t, b, n.dir)
	testlog.Eventually(t, "its index", func() bool {
		_, err := os.Stat(strings.TrimSuffix(pack, ".pack") + ".idx")
		return err == nil
	})
	n.stop()
	gittest.Run(t, filepath.Dir(filepath.Dir(to[0])), "-c", "safe.directory=*", "cat-file", "-e", strings.TrimSpace(gittest.Run(t, other.Dir, "rev-parse", "main")))
}
