package maintain

import (
	"errors"
	"os"
	"slices"
	"sync/atomic"
	"testing"

	"gitmirror/internal/disk"
	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
	"gitmirror/mirror/refs"
)

var errKilled = errors.New("this process was killed")

// A node may be killed between any two things that maintenance does to the disk: the copy is
// whole, nothing half-done is left when it starts again, and the work comes to its end then.
// With GITMIRROR_LONG=1 it is killed between any two, else at every fifth.
func TestKilledAnywhere(t *testing.T) {
	step := int64(5)
	if os.Getenv("GITMIRROR_LONG") != "" {
		step = 1
	}
	for _, job := range []Job{Join, Gather} {
		g := newRig(t)
		for range 5 {
			g.push("main", 300)
		}
		g.edit(func(e *upstream.Edit) {
			e.Branch("never", "main")
			e.Commit("never", "in no table", map[string]string{"never": noise(7, 1000)})
		})
		g.arrive(g.tip("never"))
		g.edit(func(e *upstream.Edit) { e.Commit("main", "on", map[string]string{"on": noise(8, 1000)}) })
		table := g.table()
		table.Refs = slices.DeleteFunc(table.Refs, func(r refs.Ref) bool { return r.Name == "refs/heads/never" })
		g.arrive(g.tip("main"))
		g.activate(table)
		before := g.root
		for at := int64(1); ; at += step {
			g.root = t.TempDir()
			if err := os.CopyFS(g.root, os.DirFS(before)); err != nil {
				t.Fatal(err)
			}
			var ops atomic.Int64
			var armed, died atomic.Bool
			g.open(disk.New(func(disk.Op) error {
				if armed.Load() && ops.Add(1) >= at {
					died.Store(true)
					return errKilled
				}
				return nil
			}))
			g.cfg.Meter, g.cfg.Log = new(failing), testlog.New(t)
			g.look()
			armed.Store(true)
			g.do(t.Context(), g.cares["01REPO"], job)
			g.depart(t.Context())
			g.open(nil)
			err := g.copy.Reindex(func(dir, pack string) error { // as each start does
				_, err := gittest.Try(t, dir, "-c", "safe.directory=*", "index-pack", pack)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			g.whole()
			g.tend(job)
			g.whole()
			if n := g.packs(); n > bound(0) {
				t.Errorf("%s, killed at %d: %d packs in the end", job, at, n)
			}
			if never := g.has(g.tip("never")); never == (job == Gather) {
				t.Errorf("%s, killed at %d: what no table has is there: %v", job, at, never)
			}
			if t.Failed() {
				return
			}
			if !died.Load() {
				t.Logf("%s: it does %d things to the disk", job, ops.Load())
				break
			}
		}
	}
}
