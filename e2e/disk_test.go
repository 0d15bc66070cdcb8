package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gitmirror/api"
	"gitmirror/internal/testlog"
)

// smallDisk mounts a file system of that many MiB for one node. It takes root.
func smallDisk(t *testing.T, mib string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a small disk takes root")
	}
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+mib+"m"); err != nil {
		t.Fatalf("mount a small disk: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// fill leaves that many MiB of a disk free, and returns what has to go for it to
// be as it was.
func fill(t *testing.T, dir string, leave uint64) (ballast string) {
	t.Helper()
	ballast = filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for { // what is free is less a moment later, where somebody else writes
		var s syscall.Statfs_t
		if err := syscall.Statfs(dir, &s); err != nil {
			t.Fatal(err)
		}
		switch err := syscall.Fallocate(int(f.Fd()), 0, 0, int64(s.Bavail)*s.Bsize-int64(leave<<20)); err {
		case nil:
			return ballast
		case syscall.ENOSPC:
		default:
			t.Fatal(err)
		}
	}
}

func (p *proc) diskOf(name string) string {
	n, err := p.client.Node(p.t.Context(), name)
	if err != nil || n.Disk == nil {
		return ""
	}
	return n.Disk.Class
}

// A node whose disk is full gives what it owns to others, says so, keeps serving
// what it has, and goes on by itself when there is room again.
func TestFullDiskMovesOwnershipAndSaysSo(t *testing.T) {
	t.Parallel()
	f, up := &cluster{t: t}, newForge(t)
	disk := smallDisk(t, "300")
	small := newProc(t, "n1")
	small.Dir = filepath.Join(disk, "data")
	f.nodes = append(f.nodes, small)
	small.start(nil)
	f.join("n2")
	f.join("n3")
	f.settled(3)
	names := []string{"a", "b", "c", "d", "e", "f"}
	for _, name := range names {
		up.sample(name)
		small.add(up, name, 2)
	}
	ownedBy := func(node string) (list []string) {
		for _, name := range names {
			if r, err := f.nodes[1].client.Repo(t.Context(), name); err == nil && r.Owner == node {
				list = append(list, name)
			}
		}
		return list
	}
	if len(ownedBy("n1")) == 0 {
		t.Fatal("n1 owns nothing: nothing is tested")
	}
	ballast := fill(t, disk, 6) // 2 %
	testlog.Eventually(t, "the full disk to be seen", func() bool { return f.nodes[1].diskOf("n1") == "full" })
	testlog.Eventually(t, "its repos to be owned by others", func() bool { return len(ownedBy("n1")) == 0 })
	s, err := f.nodes[1].client.Status(t.Context())
	if err != nil || s.Verdict != api.Degraded {
		t.Errorf("status %+v, %v: want degraded", s, err)
	}
	if out, _, _ := f.nodes[1].command("status"); !strings.Contains(out, "the disk of n1 is full") {
		t.Errorf("status does not name the disk:\n%s", out)
	}
	for _, name := range names {
		up.push(name, "while n1 is full")
		up.shows(name, f.nodes) // n1 streams what it cannot take
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	testlog.Eventually(t, "a healthy cluster", func() bool {
		s, err := f.nodes[1].client.Status(t.Context())
		return err == nil && s.Verdict == api.Healthy && f.nodes[1].diskOf("n1") == ""
	})
	for _, name := range names {
		f.nodes[1].await(name, "at one generation everywhere", oneGeneration)
	}
}

// The last bytes of a disk are the raft log's.
func TestADiskWithoutAByteKeepsTheLogGoing(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "200")
	p := newProc(t, "n1")
	p.Dir = filepath.Join(disk, "data")
	f := &cluster{t: t, nodes: []*proc{p}}
	p.start(nil)
	f.settled(1)
	reserve := filepath.Join(p.Dir, "raft", "reserve")
	testlog.Eventually(t, "the reserve to be there", func() bool { _, err := os.Stat(reserve); return err == nil })
	ballast := fill(t, disk, 0)
	testlog.Eventually(t, "the reserve to be given up", func() bool { _, err := os.Stat(reserve); return os.IsNotExist(err) })
	testlog.Eventually(t, "the full disk to be seen", func() bool { return p.diskOf("n1") == "full" })
	up := newForge(t)
	up.sample("a")
	p.write(func() error {
		_, err := p.client.Add(t.Context(), api.AddRepo{URL: up.URL("a"), Name: "a", Interval: "1s"}, "a")
		return err
	})
	p.await("a", "waiting for room", func(r *api.Repo) bool {
		return r.State == api.StatePending && strings.Contains(r.Reason, "the disk of n1 is full")
	})
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	p.await("a", "ready", func(r *api.Repo) bool { return r.State == api.StateReady })
	testlog.Eventually(t, "the reserve to be back", func() bool { _, err := os.Stat(reserve); return err == nil })
}

// A node that ends while its disk is full starts again, and serves what it has.
func TestANodeStartsOnAFullDisk(t *testing.T) {
	t.Parallel()
	up := newForge(t)
	disk := smallDisk(t, "150")
	p := newProc(t, "n1")
	p.Dir = filepath.Join(disk, "data")
	f := &cluster{t: t, nodes: []*proc{p}}
	p.start(nil)
	f.settled(1)
	up.sample("a")
	p.add(up, "a", 1)
	testlog.Eventually(t, "the reserve to be there", func() bool {
		_, err := os.Stat(filepath.Join(p.Dir, "raft", "reserve"))
		return err == nil
	})
	p.Kill()
	ballast := fill(t, disk, 0)
	p.start(nil)
	f.settled(1)
	p.await("a", "there", func(r *api.Repo) bool { return r.Generation > 0 })
	p.clone("a")
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	up.push("a", "when there is room again")
	up.shows("a", f.nodes)
}
