package e2e

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"gitmirror/api"
	"gitmirror/internal/crashpoint"
	"gitmirror/internal/testlog"
)

// gathering makes n nodes at addresses that are known before, of which none runs, and the line
// that all are started with.
func gathering(t *testing.T, expect string, n int) (list []*proc, line []string) {
	t.Helper()
	var peers []string
	for _, name := range []string{"n1", "n2", "n3", "n4"}[:n] {
		p := newProc(t, name)
		p.HTTP, p.Peer = "http://"+freeAddress(t), freeAddress(t)
		p.client = api.NewClient(p.HTTP)
		t.Cleanup(p.client.Close)
		list, peers = append(list, p), append(peers, p.Peer)
	}
	return list, []string{"--join", strings.Join(peers[:3], ","), "--bootstrap-expect", expect}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// begin starts a process, and delivers what came of it when it serves, or has ended.
func (p *proc) begin(env []string, line ...string) <-chan error {
	p.Env = append(os.Environ(), env...)
	started := make(chan error, 1)
	go func() { started <- p.Start(p.t.Context(), line...) }()
	return started
}

// Three nodes with one line, from the last to the first, are one cluster; a fourth with the
// same line joins it; and each is what it was when it is told its directory alone.
func TestOneLineFoundsOneCluster(t *testing.T) {
	nodes, line := gathering(t, "3", 4)
	var started []<-chan error
	for _, i := range []int{2, 1, 0} {
		started = append(started, nodes[i].begin(nil, line...))
	}
	for _, s := range started {
		if err := <-s; err != nil {
			t.Fatal(err)
		}
	}
	f := &cluster{t: t, nodes: nodes[:3]}
	f.settled(3)
	if err := <-nodes[3].begin(nil, line...); err != nil {
		t.Fatal(err)
	}
	f.nodes = nodes
	f.settled(4)
	id := ""
	for _, p := range nodes {
		s, err := p.client.Status(t.Context())
		if err != nil || id != "" && s.ClusterID != id {
			t.Fatalf("%s: %v, is of cluster %s and the others of %s", p.Name, err, s.ClusterID, id)
		}
		id = s.ClusterID
	}

	was := nodes[2]
	was.stop()
	again := exec.Command(binary, "start", "-o", "json", "--data", was.Dir)
	out, err := again.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := spawner.Start(again); err != nil {
		t.Fatal(err)
	}
	var is struct {
		Name, HTTP, Peer, ClusterID string
	}
	if err := json.NewDecoder(out).Decode(&is); err != nil || is.Name != was.Name || is.HTTP != was.HTTP || is.Peer != was.Peer {
		t.Errorf("with its directory alone it is %+v, %v; it was %s at %s and %s", is, err, was.Name, was.HTTP, was.Peer)
	}
	f.settled(4)
	_ = again.Process.Signal(syscall.SIGTERM)
	if err := again.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// The founder dies between the words of the others and the founding. The others found nothing;
// when it is back, there is one cluster.
func TestTheFounderIsKilledBeforeItFounds(t *testing.T) {
	nodes, line := gathering(t, "3", 3)
	started, at := map[*proc]<-chan error{}, map[*proc]string{}
	for _, p := range nodes {
		at[p] = p.HTTP
		p.Flags = []string{"--log-level", "info"}
		started[p] = p.begin([]string{"GITMIRROR_CRASHPOINT=" + crashpoint.WordsGiven + ":1:KILL"}, line...)
	}
	var founder *proc
	select {
	case <-started[nodes[0]]:
		founder = nodes[0]
	case <-started[nodes[1]]:
		founder = nodes[1]
	case <-started[nodes[2]]:
		founder = nodes[2]
	}
	if founder.Running() || founder.State().Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("%s was not killed\n%s", founder.Name, founder.tail())
	}
	for _, p := range nodes {
		if p != founder {
			testlog.Eventually(t, p.Name+" to say whose its word is", func() bool {
				return strings.Contains(p.tail(), p.Name+"'s word is "+founder.Name+"'s ("+founder.Peer+"), which is not here")
			})
			out, err := exec.Command(binary, "--addr", at[p], "status").CombinedOutput()
			if err == nil || !strings.Contains(string(out), "empty the --data directory of "+p.Name) {
				t.Errorf("status at %s does not say what it waits for: %v\n%s", p.Name, err, out)
			}
		}
	}
	started[founder] = founder.begin(nil, line...)
	for _, p := range nodes {
		if err := <-started[p]; err != nil {
			t.Fatalf("%s: %v", p.Name, err)
		}
	}
	(&cluster{t: t, nodes: nodes}).settled(3)
}

// A unit whose node waits for others has started, and says for whom it waits.
func TestSystemdIsToldWhoIsMissing(t *testing.T) {
	s := supervise(t)
	nodes, line := gathering(t, "3", 3)
	p := nodes[0]
	cmd := exec.Command(binary, append([]string{"start", "--name", p.Name, "--data", p.Dir, "--http", strings.TrimPrefix(p.HTTP, "http://"), "--peer", p.Peer}, line...)...)
	cmd.Env = s.env()
	if err := spawner.Start(cmd); err != nil {
		t.Fatal(err)
	}
	said := s.hears(t, "READY=1")
	for _, want := range []string{"STATUS=waits: 1 of 3 nodes are here: n1 (this node); 2 missing", nodes[1].Peer + ": ", "connection refused"} {
		if !strings.Contains(said, want) {
			t.Errorf("it did not say %q, but\n%s", want, said)
		}
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	s.hears(t, "STOPPING=1")
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}
