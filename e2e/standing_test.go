package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/internal/testlog"
)

// A fresh node at a dead one's address is taken in, and nothing else waits for
// it: the dead one's repos go on, and it may come back elsewhere.
func TestFreshNodeAtADeadOnesAddress(t *testing.T) {
	t.Parallel()
	f, up := newCluster(t, 3), newForge(t)
	for _, name := range []string{"a", "b", "c"} {
		up.sample(name)
		f.nodes[0].add(up, name, 2)
	}
	dead := f.others(f.leader())[0]
	rest := f.others(dead)
	dead.Kill()
	testlog.Eventually(t, dead.Name+" to be seen as down", func() bool { return rest[0].stateOf(dead.Name) == "down" })
	fresh := newProc(t, "n4")
	fresh.HTTP, fresh.Peer = "http://127.0.0.1:0", dead.Peer
	fresh.start(nil, "--join", rest[0].Peer)
	f.nodes = append(f.nodes, fresh)
	for _, name := range []string{"a", "b", "c"} {
		up.push(name, "after the death")
		up.shows(name, f.others(dead))
	}
	dead.HTTP, dead.Peer, dead.client = "", "", nil
	dead.start(nil, "--join", rest[0].Peer)
	f.settled(4)
}

// A node that cannot be reached at the address it gives leaves nothing behind.
func TestUnreachableAddressIsNotWrittenDown(t *testing.T) {
	t.Parallel()
	f := newCluster(t, 1)
	lost := newProc(t, "n2")
	lost.refused(2, []string{"--join", f.nodes[0].Peer, "--advertise", "127.0.0.1:0"}, "127.0.0.1:0")
	lost.refused(6, []string{"--join", f.nodes[0].Peer, "--advertise", f.nodes[0].Peer}, "another node")
	nodes, err := f.nodes[0].client.Nodes(t.Context())
	if err != nil || len(nodes.Nodes) != 1 {
		t.Errorf("nodes %+v, %v", nodes, err)
	}
}

// duplicate copies a node's data directory, its socket too.
func (p *proc) duplicate() *proc {
	p.t.Helper()
	twin := newProc(p.t, p.Name)
	if out, err := exec.Command("cp", "-a", p.Dir+"/.", twin.Dir).CombinedOutput(); err != nil {
		p.t.Fatalf("%v: %s", err, out)
	}
	return twin
}

func TestCopiedDirectoryIsNoSecondNode(t *testing.T) {
	t.Parallel()
	f, up := newCluster(t, 3), newForge(t)
	up.sample("a")
	f.nodes[0].add(up, "a", 3)
	victim := f.nodes[2]
	seed := []string{"--join", f.nodes[0].Peer}
	twin := victim.duplicate()
	twin.refused(6, nil, "copy of n3's, which runs at "+victim.Peer)
	// The original ends; a copy made now takes its place, and the original is the
	// copy from then on.
	victim.stop()
	twin = victim.duplicate()
	twin.start(nil, seed...)
	f.nodes[2] = twin
	f.settled(3)
	victim.refused(6, nil, "copy of n3's")
	up.push("a", "at the end")
	up.shows("a", f.nodes)
}

// Two processes of one directory that start while no member is there to ask find each
// other when one comes.
func TestTwinsThatStartAloneFindEachOther(t *testing.T) {
	t.Parallel()
	f := newCluster(t, 3)
	for _, p := range f.nodes {
		p.stop()
	}
	one := f.nodes[2]
	two := one.duplicate()
	one.start(nil)
	two.start(nil)
	f.nodes[0].start(nil)
	f.nodes[1].start(nil)
	testlog.EventuallyIn(t, 30*time.Second, "one of them to end", func() bool { return !one.Running() || !two.Running() })
	for _, p := range []*proc{one, two} {
		if !p.Running() {
			p.ends(6, "data directory is a copy") // of whoever says so: the process itself, or the cluster at its peers
		}
	}
	for _, p := range f.nodes[:2] {
		testlog.EventuallyIn(t, 30*time.Second, "the others to go on, as "+p.Name+" sees it", func() bool {
			s, err := p.client.Status(t.Context())
			return err == nil && s.Leader != ""
		})
	}
}

// A process that was paused while another took its place ends when it wakes up.
func TestPausedProcessFindsAnotherInItsPlace(t *testing.T) {
	t.Parallel()
	f, up := newCluster(t, 3), newForge(t)
	up.sample("a")
	f.nodes[0].add(up, "a", 3)
	old := f.others(f.leader())[0]
	old.signal(syscall.SIGSTOP)
	twin := old.duplicate()
	twin.start(nil, "--join", f.leader().Peer)
	for i, p := range f.nodes {
		if p == old {
			f.nodes[i] = twin
		}
	}
	f.settled(3)
	testlog.EventuallyIn(t, 30*time.Second, "the twin to be taken for the node", func() bool {
		list, err := f.nodes[0].client.Nodes(t.Context())
		return err == nil && slices.ContainsFunc(list.Nodes, func(n api.Node) bool { return n.Name == old.Name && n.Peer == twin.Peer })
	})
	old.signal(syscall.SIGCONT)
	old.ends(6, "the data directory is a copy")
	up.push("a", "at the end")
	up.shows("a", f.nodes)
}

func TestNodeRemovedWhilePausedEnds(t *testing.T) {
	t.Parallel()
	f, up := newCluster(t, 3), newForge(t)
	up.sample("a")
	f.nodes[0].add(up, "a", 2)
	lost := f.others(f.leader())[0]
	rest := f.others(lost)
	lost.signal(syscall.SIGSTOP)
	testlog.Eventually(t, lost.Name+" to be seen as down", func() bool { return rest[0].stateOf(lost.Name) == "down" })
	testlog.Eventually(t, "its removal", func() bool {
		_, _, code := rest[0].command("node", "rm", lost.Name, "--yes")
		return code == 0
	})
	lost.signal(syscall.SIGCONT)
	lost.ends(6, "this node was removed from the cluster")
}

// readyz is the status of a probe, 0 without an answer.
func (p *proc) readyz(query string) int {
	resp, err := http.Get(p.HTTP + "/readyz" + query)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

func TestReadyWantsALeader(t *testing.T) {
	t.Parallel()
	f := newCluster(t, 3)
	last := f.nodes[2]
	if got := last.readyz(""); got != http.StatusOK {
		t.Errorf("/readyz is %d in a healthy cluster", got)
	}
	all(f.nodes[:2], (*proc).Kill)
	testlog.Eventually(t, "/readyz to say that there is no leader", func() bool { return last.readyz("") == http.StatusServiceUnavailable })
	if got := last.readyz("?noleader"); got != http.StatusOK {
		t.Errorf("/readyz?noleader is %d", got)
	}
	last.Kill()
	last.start(nil)
	if a, b := last.readyz(""), last.readyz("?noleader"); a != http.StatusServiceUnavailable || b != http.StatusOK {
		t.Errorf("restarted without a quorum: /readyz %d, /readyz?noleader %d", a, b)
	}
	all(f.nodes[:2], func(p *proc) { p.start(nil) })
	f.settled(3)
	testlog.Eventually(t, "/readyz to be well again", func() bool { return last.readyz("") == http.StatusOK && last.readyz("?noleader") == http.StatusOK })
}

// A peer that proposes what nobody can apply is told so, and nobody falls.
func TestGarbageDoesNotEnterTheLog(t *testing.T) {
	t.Parallel()
	f := newCluster(t, 3)
	leader := f.leader()
	s, err := leader.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range [][]byte{[]byte("garbage"), {}, bytes.Repeat([]byte{0xff}, 1000), {0x08, 0x63, 0x10, 0x01}} {
		rq, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+leader.Peer+"/peer/v1/propose", bytes.NewReader(entry))
		if err != nil {
			t.Fatal(err)
		}
		rq.Header.Set("X-Gitmirror-Cluster", s.ClusterID)
		resp, err := http.DefaultClient.Do(rq)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%.20x was answered with %s\n%s", entry, resp.Status, text)
		}
	}
	f.settled(3)
	for _, p := range f.nodes {
		if !p.Running() {
			t.Errorf("%s has ended", p.Name)
		}
	}
}

// A clock that is wrong by years is only wrong: it neither tells the cluster the
// time, nor stops or hurries anything.
func TestOneClockIsYearsAhead(t *testing.T) {
	t.Parallel()
	f := &cluster{t: t, flags: []string{"--replace-after", "4s"}}
	f.join("n1", "GITMIRROR_TEST_CLOCK=26280h") // it founds, and leads at first
	for i := 2; i <= 4; i++ {
		f.join(fmt.Sprintf("n%d", i))
	}
	f.settled(4)
	up := newForge(t)
	up.sample("a")
	f.nodes[0].add(up, "a", 2)
	first := f.nodes[1].await("a", "ready", func(r *api.Repo) bool { return r.State == "ready" })
	var lost *proc
	for _, p := range f.others(f.nodes[0], f.leader()) {
		for _, c := range first.Copies {
			if c.Node == p.Name {
				lost = p
			}
		}
	}
	if lost == nil {
		t.Fatalf("copies %+v are on the leader and the founder alone", first.Copies)
	}
	lost.Kill()
	f.others(lost)[0].await("a", "copied elsewhere", func(r *api.Repo) bool {
		ready := 0
		for _, c := range r.Copies {
			if c.Node != lost.Name && c.State == "ready" {
				ready++
			}
		}
		return ready == 2
	})
	up.push("a", "after the replacement")
	up.shows("a", f.others(lost))
	f.others(lost)[0].await("a", "changed at a time that the others' clocks show", func(r *api.Repo) bool {
		return r.Generation == first.Generation+1 && time.Since(*r.LastChange).Abs() < time.Hour
	})
}
