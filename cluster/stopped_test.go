package cluster_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"gitmirror/cluster"
	"gitmirror/internal/clustertest"
	"gitmirror/internal/network"
	"gitmirror/internal/testlog"
)

// childEnv makes the test binary run TestChild as a node of its own.
const childEnv = "CLUSTER_TEST_CHILD"

// child is a node in another process, which can be stopped and killed.
type child struct {
	*exec.Cmd
	id    string
	addr  string
	stdin io.Closer
}

type childSetup struct{ ID, ClusterID, Dir, Join string }

func startChild(t *testing.T, clusterID, join string) *child {
	t.Helper()
	setup := childSetup{ID: uuid.NewString(), ClusterID: clusterID, Dir: t.TempDir(), Join: join}
	text, err := json.Marshal(setup)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("child: %v", err)
	}
	return &child{Cmd: cmd, id: setup.ID, addr: strings.TrimSpace(line), stdin: stdin}
}

func (c *child) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := c.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// TestChild is no test of its own: it is the process that startChild starts.
func TestChild(t *testing.T) {
	text := os.Getenv(childEnv)
	if text == "" {
		t.Skip("run by other tests")
	}
	var setup childSetup
	if err := json.Unmarshal([]byte(text), &setup); err != nil {
		t.Fatal(err)
	}
	port, err := cluster.Listen(network.Host, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := cluster.Open(context.Background(), cluster.Config{
		ID: setup.ID, Name: "child", ClusterID: setup.ClusterID, Dir: setup.Dir,
		FSM: new(clustertest.Counter),
	}, port)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Abort(context.Background())
	if _, err := c.JoinGossip(t.Context(), []string{setup.Join}); err != nil {
		t.Fatal(err)
	}
	os.Stdout.WriteString(port.Addr() + "\n")
	select {
	case err := <-c.Fatal():
		t.Fatal(err)
	case <-endOfInput():
	}
}

func endOfInput() <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	return ended
}

func TestStoppedProcessComesBackByItself(t *testing.T) {
	if testing.Short() {
		t.Skip("takes several seconds")
	}
	g := clustertest.New(t, 2, clustertest.Options{})
	c := startChild(t, g.Nodes[0].Config.ClusterID, g.Nodes[0].Addr())
	wait := func(want bool) time.Duration {
		start := time.Now()
		for _, n := range g.Nodes {
			testlog.Eventually(t, "the state of the child", func() bool { return member(n, c.id).Alive == want })
		}
		return time.Since(start).Round(10 * time.Millisecond)
	}
	wait(true)
	c.signal(t, syscall.SIGSTOP)
	t.Logf("SIGSTOP noticed by all after %v", wait(false))
	c.signal(t, syscall.SIGCONT)
	t.Logf("SIGCONT noticed by all after %v", wait(true))
	c.signal(t, syscall.SIGKILL)
	t.Logf("SIGKILL noticed by all after %v", wait(false))
}

// A node stops in good order while another is frozen in the middle of a call.
// Leadership goes to a voter that answers, and not to one that is frozen.
func TestLeadershipGoesToWhoAnswers(t *testing.T) {
	g := clustertest.New(t, 1, clustertest.Options{})
	leader := g.Nodes[0]
	c := startChild(t, leader.Config.ClusterID, leader.Addr())
	frozen := &clustertest.Node{Config: cluster.Config{ID: c.id, Name: "child", Advertise: c.addr}}
	g.Add(frozen)
	g.Promote(frozen) // raft would choose the first of those that are furthest ahead
	for range 2 {
		n := g.Start(false)
		g.Add(n)
		g.Promote(n)
	}
	testlog.Eventually(t, "all to be known to gossip", func() bool { return len(leader.Members()) == 4 })
	c.signal(t, syscall.SIGSTOP)
	testlog.Eventually(t, "the frozen one to be silent", func() bool {
		silent, _ := leader.Progress(c.id)
		other, _ := leader.Progress(g.Nodes[1].Config.ID)
		return other.Contact.Sub(silent.Contact) > 100*time.Millisecond
	})
	if heirs := leader.Heirs(); len(heirs) != 3 || heirs[2] != c.id {
		t.Errorf("the frozen one is %d. of %d that are tried", slices.Index(heirs, c.id)+1, len(heirs))
	}
	if err := leader.TransferLeadership(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if g.Leader() == leader {
		t.Error("it leads still")
	}
}

func TestAFrozenVoterHoldsUpNoStop(t *testing.T) {
	g := clustertest.New(t, 2, clustertest.Options{})
	c := startChild(t, g.Nodes[0].Config.ClusterID, g.Nodes[0].Addr())
	frozen := &clustertest.Node{Config: cluster.Config{ID: c.id, Name: "child", Advertise: c.addr}}
	g.Add(frozen)
	g.Promote(frozen)
	c.signal(t, syscall.SIGSTOP)
	leader := g.Leader()
	for range 3 { // it is called, and does not answer
		if _, _, err := leader.Apply(deadline(t), []byte("more")); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := leader.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
}
