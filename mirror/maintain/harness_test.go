package maintain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gitmirror/internal/clock"
	"gitmirror/internal/disk"
	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
	"gitmirror/mirror/git"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/space"
	"gitmirror/mirror/store"
)

// rig is a copy that is maintained, and the upstream whose generations it gets, a pack for each.
type rig struct {
	*Maintainer
	t     *testing.T
	root  string
	clock *clock.Manual
	disk  *disk.Disk
	up    *upstream.Repo
	copy  *store.Repo
	have  []string // tips that have come
	freed int64
	reads int
	jobs  []Job // that were done
	fails Job   // is to

	suspected []error // what has had it tested
}

var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func newRig(t *testing.T) *rig {
	t.Helper()
	up, err := upstream.Create(filepath.Join(t.TempDir(), "up.git"))
	if err != nil {
		t.Fatal(err)
	}
	g := &rig{t: t, root: t.TempDir(), clock: clock.NewManual(epoch), up: up}
	g.open(nil)
	return g
}

// open begins a run of a node.
func (g *rig) open(d *disk.Disk) {
	g.t.Helper()
	s, err := store.Open(store.Config{Dir: g.root, StartID: "run", Clock: g.clock, Disk: d, Log: testlog.New(g.t)})
	if err != nil {
		g.t.Fatal(err)
	}
	runner, err := git.New(g.t.Context(), git.Config{Home: filepath.Join(g.t.TempDir(), "home")})
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(runner.Close)
	g.disk = d
	g.Maintainer = New(Config{
		Clock: g.clock, Disk: d, Store: s, Objects: NewGit(runner, d), Copies: g, Space: space.New(d, g.root, 0, nil), Meter: g,
		Random: func() float64 { return 0.5 }, Log: testlog.New(g.t),
	})
	g.turn = 10 * time.Millisecond
	if g.copy, err = s.Ensure("01REPO", "acme/x"); err != nil {
		g.t.Fatal(err)
	}
}

func (g *rig) Read(_ context.Context, r *store.Repo) Verdict {
	g.reads++
	out, err := g.fsck()
	if err != nil {
		g.t.Errorf("git fsck: %v\n%s", err, out)
		return Broken
	}
	return Whole
}

func (g *rig) Check(ctx context.Context, r *store.Repo) Verdict { return g.Read(ctx, r) }

func (g *rig) Suspect(_ *store.Repo, err error) { g.suspected = append(g.suspected, err) }

func (g *rig) Maintained(job Job, failed bool, _ time.Duration) {
	g.jobs = append(g.jobs, job)
	if failed && job != g.fails {
		g.t.Errorf("%s failed: %s", job, g.cares["01REPO"].failure())
	}
}
func (g *rig) Freed(bytes int64) { g.freed += bytes }

func (g *rig) fsck() (string, error) {
	return gittest.Try(g.t, g.copy.Dir(), "-c", "safe.directory=*", "fsck", "--full", "--no-dangling")
}

// edit changes the upstream.
func (g *rig) edit(fn func(*upstream.Edit)) {
	g.t.Helper()
	gittest.Edit(g.t, g.up, fn)
}

func (g *rig) tip(name string) string {
	g.t.Helper()
	oid, err := g.up.Git("rev-parse", name)
	if err != nil {
		g.t.Fatal(err)
	}
	return oid
}

// arrive brings objects as a pack, as a fetch does.
func (g *rig) arrive(tips ...string) {
	g.t.Helper()
	release, err := g.copy.Acquire()
	if err != nil {
		g.t.Fatal(err)
	}
	defer release()
	st, err := g.cfg.Store.Stage(g.copy)
	if err != nil {
		g.t.Fatal(err)
	}
	cmd := exec.Command("git", "pack-objects", "--revs", "--delta-base-offset", "--quiet", "--non-empty", filepath.Join(st.Dir(), "objects/pack/pack"))
	var in strings.Builder
	for _, oid := range tips {
		fmt.Fprintln(&in, oid)
	}
	for _, oid := range g.have {
		fmt.Fprintln(&in, "^"+oid)
	}
	cmd.Dir, cmd.Env, cmd.Stdin = g.up.Dir, upstream.Environ(g.up.Dir), strings.NewReader(in.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		g.t.Fatalf("git pack-objects: %v\n%s", err, out)
	}
	if err := errors.Join(st.Adopt(), st.Remove()); err != nil {
		g.t.Fatal(err)
	}
	g.have = append(g.have, tips...)
}

// table is what the upstream shows.
func (g *rig) table() *refs.Table {
	g.t.Helper()
	head, list, err := g.up.Refs()
	if err != nil {
		g.t.Fatal(err)
	}
	n, _ := g.copy.Generation()
	table := &refs.Table{Generation: n + 1, Candidate: fmt.Sprint("c", n+1), Head: refs.Head(head)}
	for _, r := range list {
		table.Refs = append(table.Refs, refs.Ref{Name: r[0], OID: r[1]})
	}
	return table
}

// generation has the copy follow the upstream.
func (g *rig) generation() *refs.Table {
	g.t.Helper()
	table := g.table()
	var news []string
	for _, r := range table.Refs {
		if !slices.Contains(g.have, r.OID) {
			news = append(news, r.OID)
		}
	}
	if len(news) > 0 {
		g.arrive(news...)
	}
	g.activate(table)
	return table
}

func (g *rig) activate(table *refs.Table) {
	g.t.Helper()
	if err := g.copy.Prepare(table, nil); err != nil {
		g.t.Fatal(err)
	}
	if ok, err := g.copy.Activate(table.Generation, table.Digest()); !ok || err != nil {
		g.t.Fatal(ok, err)
	}
}

// push is a commit on a branch, and its generation.
func (g *rig) push(branch string, size int) string {
	g.t.Helper()
	n, _ := g.copy.Generation()
	g.edit(func(e *upstream.Edit) {
		e.Commit(branch, fmt.Sprint("push ", n), map[string]string{fmt.Sprint(branch, n%50): noise(int(n), size)})
	})
	g.generation()
	return g.tip(branch)
}

// noise is text that does not become small.
func noise(seed, size int) string {
	var b bytes.Buffer
	for x := uint64(seed)*2654435761 + 12345; b.Len() < size; {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		fmt.Fprintf(&b, "%016x\n", x)
	}
	return b.String()
}

// tend does one job, and what follows from it.
func (g *rig) tend(job Job) {
	g.t.Helper()
	g.look()
	g.do(g.t.Context(), g.cares["01REPO"], job)
	g.depart(g.t.Context())
}

// has tells whether a new git finds an object in the copy.
func (g *rig) has(oid string) bool {
	_, err := gittest.Try(g.t, g.copy.Dir(), "-c", "safe.directory=*", "cat-file", "-e", oid)
	return err == nil
}

// packs counts those that git sees.
func (g *rig) packs() int {
	g.t.Helper()
	packs, err := g.copy.Packs()
	if err != nil {
		g.t.Fatal(err)
	}
	return len(packs)
}

// whole wants a copy that git finds nothing wrong with, and nothing half-done beside it.
func (g *rig) whole() {
	g.t.Helper()
	if out, err := g.fsck(); err != nil || strings.Contains(out, "missing") {
		g.t.Errorf("git fsck: %v\n%s", err, out)
	}
	live, err := g.copy.Table()
	if err != nil {
		g.t.Fatal(err)
	}
	for _, r := range live.Refs {
		if _, err := gittest.Try(g.t, g.copy.Dir(), "-c", "safe.directory=*", "-c", "core.commitGraph=false", "rev-list", "--objects", "--quiet", r.OID); err != nil {
			g.t.Errorf("%s is not whole: %v", r.Name, err)
		}
	}
	if left := g.litter(); len(left) > 0 {
		g.t.Errorf("left behind: %v", left)
	}
}

// litter is what should not stay for good.
func (g *rig) litter() (left []string) {
	g.t.Helper()
	err := filepath.WalkDir(g.root, func(path string, d os.DirEntry, err error) error {
		name, rel := d.Name(), strings.TrimPrefix(path, g.root)
		base, ext := strings.TrimSuffix(name, filepath.Ext(name)), filepath.Ext(name)
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(name, "tmp_"), ext == ".lock", ext == ".tmp", ext == ".keep", ext == ".hidden", strings.HasPrefix(rel, "/staging/run/"):
			left = append(left, rel)
		case ext == ".pack" || ext == ".rev":
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), base+".idx")); err != nil && strings.HasPrefix(name, "pack-") {
				left = append(left, rel)
			}
		}
		return nil
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return left
}
