package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
)

// packs are the pack files of a node's copy, by extension.
func (p *proc) packs(id, ext string) []string {
	p.t.Helper()
	list, err := filepath.Glob(filepath.Join(p.Dir, "repos", "*", id+".git", "objects", "pack", "*."+ext))
	if err != nil || len(list) == 0 {
		p.t.Fatalf("no packs of %s on %s: %v", id, p.Name, err)
	}
	return list
}

// wipePacks takes the objects of a copy away.
func (p *proc) wipePacks(id string) {
	p.t.Helper()
	for _, ext := range []string{"pack", "idx"} {
		for _, f := range p.packs(id, ext) {
			if err := os.Remove(f); err != nil {
				p.t.Fatal(err)
			}
		}
	}
}

// wipeObjects deletes a copy's objects with the directory they are in.
func (p *proc) wipeObjects(id string) {
	p.t.Helper()
	dirs, err := filepath.Glob(filepath.Join(p.Dir, "repos", "*", id+".git", "objects"))
	if err != nil || len(dirs) != 1 {
		p.t.Fatalf("%d copies, %v", len(dirs), err)
	}
	if err := os.RemoveAll(dirs[0]); err != nil {
		p.t.Fatal(err)
	}
}

// flipPacks changes bytes in the middle of a copy's objects.
func (p *proc) flipPacks(id string) {
	p.t.Helper()
	for _, f := range p.packs(id, "pack") {
		data, err := os.ReadFile(f)
		if err != nil {
			p.t.Fatal(err)
		}
		for i := len(data) / 3; i < 2*len(data)/3; i++ {
			data[i] ^= 0x55
		}
		if err := os.Chmod(f, 0o644); err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(f, data, 0o644); err != nil {
			p.t.Fatal(err)
		}
	}
}

// clone clones once, and wants it whole.
func (p *proc) clone(name string) {
	p.t.Helper()
	dir := filepath.Join(p.t.TempDir(), "clone.git")
	if out, err := gittest.Try(p.t, p.t.TempDir(), "clone", "--quiet", "--mirror", p.gitURL(name), dir); err != nil {
		p.t.Errorf("clone of %s from %s: %v\n%s", name, p.Name, err, out)
		return
	}
	gittest.Run(p.t, dir, "fsck", "--strict")
}

// A copy whose objects are lost or damaged is found out by the first client, who
// gets the pack from another copy in the same answer; then it heals.
func TestBrokenCopyIsStreamedAndHeals(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*proc, string){"lost packs": (*proc).wipePacks, "flipped bytes": (*proc).flipPacks, "lost objects": (*proc).wipeObjects} {
		t.Run(name, func(t *testing.T) {
			f, up := newCluster(t, 3), newForge(t)
			up.sample("a")
			row := f.nodes[0].add(up, "a", 2)
			var replica *proc
			for _, c := range row.Copies {
				if c.Node != row.Owner {
					replica = f.node(c.Node)
				}
			}
			spoil(replica, row.ID)
			replica.clone("a")
			testlog.EventuallyIn(t, time.Minute, "the copy to be whole again", func() bool {
				r, err := f.nodes[0].client.Repo(t.Context(), "a")
				if err != nil || r.State != api.StateReady {
					return false
				}
				dirs, err := filepath.Glob(filepath.Join(replica.Dir, "repos", "*", row.ID+".git"))
				if err != nil || len(dirs) != 1 {
					return false
				}
				_, err = gittest.Try(t, dirs[0], "fsck", "--full")
				return err == nil
			})
			up.push("a", "at the end")
			up.shows("a", f.nodes)
			if n := up.clones("a"); n != 1 {
				t.Errorf("upstream saw %d clones: a copy heals from another", n)
			}
		})
	}
}

// A copy that lost its objects while the node was down is found out at the
// start, before any client asks.
func TestCopyLostWhileDownHealsAtStart(t *testing.T) {
	t.Parallel()
	f, up := newCluster(t, 3), newForge(t)
	up.sample("a")
	row := f.nodes[0].add(up, "a", 3)
	replica := f.others(f.node(row.Owner))[0]
	replica.stop()
	replica.wipePacks(row.ID)
	replica.start(nil)
	testlog.EventuallyIn(t, time.Minute, "the copy to be whole again", func() bool {
		dirs, err := filepath.Glob(filepath.Join(replica.Dir, "repos", "*", row.ID+".git", "objects", "pack", "*.pack"))
		return err == nil && len(dirs) > 0
	})
	f.nodes[0].await("a", "ready", func(r *api.Repo) bool { return r.State == api.StateReady && oneGeneration(r) })
	replica.clone("a")
}

// A node on which many copies break at once is sick: it serves none of them and
// throws none away, stays a member, streams what it is asked for, and goes on
// when they can be read again.
func TestManyBrokenCopiesAreASickNode(t *testing.T) {
	t.Parallel()
	f, up := newCluster(t, 3), newForge(t)
	names, ids := []string{}, map[string]string{}
	for i := range 6 {
		name := fmt.Sprintf("r%d", i)
		up.sample(name)
		ids[name] = f.nodes[0].add(up, name, 3).ID
		names = append(names, name)
	}
	sick := f.others(f.leader())[0]
	other := f.others(sick)[0]
	sick.stop()
	aside := filepath.Join(t.TempDir(), "aside")
	moved := map[string]string{}
	for _, name := range names[:5] {
		for _, ext := range []string{"pack", "idx"} {
			for _, file := range sick.packs(ids[name], ext) {
				to := filepath.Join(aside, name, filepath.Base(file))
				if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(file, to); err != nil {
					t.Fatal(err)
				}
				moved[to] = file
			}
		}
	}
	sick.start(nil)
	testlog.EventuallyIn(t, time.Minute, "the node to be seen as sick", func() bool {
		n, err := other.client.Node(t.Context(), sick.Name)
		return err == nil && n.Sick != nil
	})
	if s, err := other.client.Status(t.Context()); err != nil || s.Verdict != api.Degraded {
		t.Errorf("status %+v, %v: want degraded", s, err)
	}
	for _, name := range names {
		sick.clone(name)
		other.await(name, "owned by a node that serves", func(r *api.Repo) bool { return r.Owner != sick.Name && r.Owner != "" })
	}
	if got := sick.readyz(""); got != 200 {
		t.Errorf("/readyz of a node that streams is %d", got)
	}
	trash, err := os.ReadDir(filepath.Join(sick.Dir, "trash"))
	if err != nil || len(trash) > 0 {
		t.Errorf("%d copies were thrown away, %v", len(trash), err)
	}
	for from, to := range moved {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	testlog.EventuallyIn(t, 2*time.Minute, "the node to be well again", func() bool {
		s, err := other.client.Status(t.Context())
		return err == nil && s.Verdict == api.Healthy
	})
	for _, name := range names {
		up.push(name, "at the end")
		up.shows(name, f.nodes)
	}
}
