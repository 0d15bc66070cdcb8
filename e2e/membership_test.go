package e2e

import (
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/internal/testlog"
)

// command runs the command line as a person would.
func (p *proc) command(args ...string) (stdout, stderr string, code int) {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), binary, append(args, "--addr", p.HTTP)...)
	var out, errOut strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errOut
	_ = cmd.Run()
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

func (p *proc) stateOf(name string) string {
	n, err := p.client.Node(p.t.Context(), name)
	if err != nil {
		return ""
	}
	return n.State
}

func TestNodeRemovedForGood(t *testing.T) {
	f, up := newCluster(t, 3), newForge(t)
	for _, name := range []string{"a", "b", "c"} {
		up.sample(name)
		f.nodes[0].add(up, name, 2)
	}
	first, lost := f.nodes[0], f.nodes[2]
	if _, text, code := first.command("node", "rm", "n3", "--yes"); code != 6 || !strings.Contains(text, "Try:") {
		t.Errorf("removing a node that is up: exit %d\n%s", code, text)
	}
	lost.Kill()
	testlog.Eventually(t, "n3 to be seen as down", func() bool { return first.stateOf("n3") == "down" })
	if _, text, code := first.command("node", "rm", "n3", "--yes"); code != 0 {
		t.Fatalf("removing a node that is down: exit %d\n%s", code, text)
	}
	for _, name := range []string{"a", "b", "c"} {
		first.await(name, "on both nodes that are left", func(r *api.Repo) bool { return len(r.Copies) == 2 && oneGeneration(r) })
	}
	testlog.Eventually(t, "a healthy cluster of two", func() bool {
		s, err := first.client.Status(t.Context())
		return err == nil && s.Verdict == api.Healthy && len(s.Nodes) == 2 && s.Tolerates == 0
	})
	// It comes back, and is told.
	lost.refused(6, nil, "removed")
	for _, name := range []string{"a", "b", "c"} {
		up.push(name, "after the removal")
		up.shows(name, f.nodes[:2])
	}
}

// A node that is down for longer than --replace-after loses its copies to
// others; when it comes back it deletes what it was told to leave, and gets a
// share again.
func TestCopiesOfALostNodeAreReplaced(t *testing.T) {
	f := (&cluster{t: t, flags: []string{"--replace-after", "2s"}}).grow(3)
	up := newForge(t)
	names := []string{"a", "b", "c", "d"}
	for _, name := range names {
		up.sample(name)
		f.nodes[0].add(up, name, 2)
	}
	lost := f.others(f.leader())[0]
	rest := f.others(lost)
	lost.Kill()
	for _, name := range names {
		rest[0].await(name, "ready on the living", func(r *api.Repo) bool {
			ready := 0
			for _, c := range r.Copies {
				if c.Node != lost.Name && c.State == "ready" {
					ready++
				}
			}
			return ready == 2
		})
	}
	for _, name := range names {
		if n := up.clones(name); n != 1 {
			t.Errorf("upstream saw %d clones of %s, want 1: new copies come from peers", n, name)
		}
	}
	lost.start(nil)
	f.settled(3)
	testlog.EventuallyIn(t, time.Minute, "two copies each, evenly, nothing leaving", func() bool {
		s, err := rest[0].client.Status(t.Context())
		if err != nil {
			return false
		}
		for _, n := range s.Nodes {
			if n.Leaving != 0 || n.Copies < 2 || n.Copies > 3 {
				return false
			}
		}
		return s.Repos.ByState[api.StateReady] == len(names)
	})
	for _, name := range names {
		up.push(name, "at the end")
		up.shows(name, f.nodes)
	}
}

func TestOrderlyStopHandsLeadershipOver(t *testing.T) {
	f, up := newCluster(t, 3), newForge(t)
	up.sample("a")
	f.nodes[0].add(up, "a", 2)
	old := f.leader()
	rest := f.others(old)
	old.stop()
	began := time.Now()
	testlog.Eventually(t, "a successor", func() bool {
		s, err := rest[0].client.Status(t.Context())
		return err == nil && s.Leader != "" && s.Leader != old.Name
	})
	t.Logf("a successor was known %s after the process had ended", time.Since(began).Round(time.Millisecond))
	up.push("a", "after the stop")
	up.shows("a", rest)
	old.start(nil)
	f.settled(3)
	up.shows("a", f.nodes)
}

// A request that does not end holds an orderly stop up for a while; a second
// signal does not wait for it.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	p := newCluster(t, 1).nodes[0]
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.HTTP, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET /livez HTTP/1.1\r\nHost: x\r\n")); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGTERM)
	testlog.Eventually(t, "the stop to begin", func() bool { return strings.Contains(p.tail(), "msg=stopping") })
	p.signal(syscall.SIGTERM)
	<-p.Exited()
	if code := p.State().ExitCode(); code != 128+int(syscall.SIGTERM) {
		t.Errorf("exit code %d, want %d", code, 128+int(syscall.SIGTERM))
	}
}
