package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gitmirror/api"
	"gitmirror/internal/crashpoint"
	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
)

// Copies are put in order and verified on all nodes when somebody asks for it, and so is said.
func TestCopiesAreKeptOnAllNodes(t *testing.T) {
	t.Parallel()
	f, up := newCluster(t, 2), newForge(t)
	up.sample("a")
	f.nodes[0].add(up, "a", 2)
	for i := range 3 {
		up.push("a", fmt.Sprint("push ", i))
		up.shows("a", f.nodes)
	}
	for _, line := range []string{"gc", "verify"} {
		out, stderr, code := f.nodes[1].command("repo", line, "a")
		if code != 0 || !strings.Contains(out, "on n1") || !strings.Contains(out, "n2") {
			t.Errorf("repo %s: %d %s %s", line, code, out, stderr)
		}
	}
	row := f.nodes[1].row("a")
	for _, c := range row.Copies {
		if c.Upkeep == nil || c.Upkeep.Read == nil || c.Upkeep.Checked == nil || c.Upkeep.Collected == nil || len(c.Upkeep.Waiting) > 0 {
			t.Errorf("the copy on %s: %+v", c.Node, c.Upkeep)
		}
	}
	for _, p := range f.nodes {
		if n := len(p.packs(row.ID, "pack")); n != 1 {
			t.Errorf("%d packs on %s", n, p.Name)
		}
		p.clone("a")
	}
	if _, _, code := f.nodes[0].command("repo", "verify", "none"); code != 5 {
		t.Errorf("repo verify of nothing exits with %d", code)
	}
}

// A node that is killed at any point of it has a copy that is whole, and what it had half done is
// done, or gone, after the next start.
func TestKilledAtEachPointOfMaintenance(t *testing.T) {
	for _, label := range crashpoint.Tending {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			up := newForge(t)
			up.sample("a")
			large := label == crashpoint.GraphWritten || label == crashpoint.ChartsMade
			if large {
				up.edit("a", func(e *upstream.Edit) {
					for i := range 2600 { // four objects each
						e.Commit("main", fmt.Sprint(i), map[string]string{fmt.Sprint("d", i%40, "/f", i): fmt.Sprint(i)})
					}
				})
			}
			f := &cluster{t: t}
			p := f.join("n1", fmt.Sprintf("GITMIRROR_CRASHPOINT=%s:1:KILL", label))
			p.add(up, "a", 1)
			up.push("a", "a second pack")
			up.shows("a", f.nodes)
			if _, err := p.client.Maintain(t.Context(), "a", api.Collect); err != nil {
				t.Fatal(err)
			}
			p.mustDie(syscall.SIGKILL)
			p.start(nil)
			up.shows("a", []*proc{p})
			p.clone("a")
			if _, stderr, code := p.command("repo", "gc", "a"); code != 0 {
				t.Errorf("repo gc: %d %s", code, stderr)
			}
			p.clean()
			id := p.row("a").ID
			packs := p.packs(id, "pack")
			if len(packs) != 1 {
				t.Errorf("left are %v", packs)
			}
			if left, err := filepath.Glob(filepath.Join(filepath.Dir(packs[0]), "*.hidden")); err != nil || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
			testlog.Eventually(t, "charts, where they are worth while", func() bool {
				charts, err := filepath.Glob(filepath.Join(filepath.Dir(packs[0]), "multi-pack-index"))
				return err == nil && (len(charts) > 0) == large
			})
			p.clean()
			gittest.Run(t, filepath.Dir(filepath.Dir(filepath.Dir(packs[0]))), "-c", "safe.directory=*", "fsck", "--full")
		})
	}
}

// row is what a node says of a repo.
func (p *proc) row(name string) *api.Repo {
	p.t.Helper()
	return p.await(name, "told of", func(*api.Repo) bool { return true })
}
