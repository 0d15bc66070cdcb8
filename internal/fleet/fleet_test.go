package fleet_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitmirror/internal/child"
	"gitmirror/internal/fleet"
	"gitmirror/internal/testlog"
)

// node is one whose program is a script: it notes its arguments in the log.
func node(t *testing.T, script string) *fleet.Node {
	t.Helper()
	dir := t.TempDir()
	n := &fleet.Node{Binary: filepath.Join(dir, "program"), Name: "n1", Dir: filepath.Join(dir, "n1"), Log: filepath.Join(dir, "log"), Spawner: child.New()}
	if err := os.WriteFile(n.Binary, []byte("#!/bin/sh\necho \"$@\" >&2\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Spawner.Close)
	t.Cleanup(n.Kill)
	return n
}

func logged(t *testing.T, n *fleet.Node) string {
	t.Helper()
	data, err := os.ReadFile(n.Log)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

const serves = `echo '{"name":"n1","http":"http://127.0.0.1:8001","peer":"127.0.0.1:8002"}'
`

const waits = "while :; do sleep 0.02; done\n"

func TestANodeKeepsItsPortsAndItsLog(t *testing.T) {
	n := node(t, "trap 'exit 0' TERM\n"+serves+waits)
	if n.Running() {
		t.Error("it runs before it was started")
	}
	for range 2 {
		if err := n.Start(t.Context(), "--join", "x:1"); err != nil {
			t.Fatal(err)
		}
		if n.HTTP != "http://127.0.0.1:8001" || n.Peer != "127.0.0.1:8002" || !n.Running() {
			t.Errorf("%s, %s, running %t", n.HTTP, n.Peer, n.Running())
		}
		if err := n.Stop(time.Minute); err != nil || n.Running() {
			t.Errorf("it stopped with %v, running %t", err, n.Running())
		}
	}
	first, second, _ := strings.Cut(logged(t, n), "\n")
	if !strings.Contains(first, "--name n1 --http 127.0.0.1:0 --peer 127.0.0.1:0") || !strings.Contains(second, "--http 127.0.0.1:8001 --peer 127.0.0.1:8002") ||
		!strings.Contains(second, "--data n1") || !strings.Contains(second, "--join x:1") {
		t.Errorf("it was started with\n%s\n%s", first, second)
	}
}

func TestANodeThatDoesNotServe(t *testing.T) {
	ended := node(t, "exit 7")
	if err := ended.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "exit status 7") || ended.State().ExitCode() != 7 {
		t.Errorf("one that ended: %v", err)
	}
	silent := node(t, waits)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		testlog.Eventually(t, "the process to have begun", func() bool { _, err := os.Stat(silent.Log); return err == nil })
		cancel()
	}()
	if err := silent.Start(ctx); !errors.Is(err, context.Canceled) || silent.Running() {
		t.Errorf("one that was silent: %v, running %t", err, silent.Running())
	}
	absent := node(t, "")
	absent.Binary += "-not-there"
	if err := absent.Start(t.Context()); err == nil || absent.Running() || absent.Stop(time.Second) != nil {
		t.Errorf("one without a program: %v", err)
	}
}

func TestAnEndThatIsNotOrderlyIsTold(t *testing.T) {
	for name, script := range map[string]string{
		"did not end": "trap '' TERM\n" + serves + waits,
		"exit status": "trap 'exit 3' TERM\n" + serves + waits,
	} {
		n := node(t, script)
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := n.Stop(time.Second); err == nil || !strings.Contains(err.Error(), name) || n.Running() {
			t.Errorf("%v, running %t; want %q", err, n.Running(), name)
		}
	}
	n := node(t, serves+waits)
	if err := n.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.Kill()
	if status := n.State().Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
		t.Errorf("it was killed with %v", n.State())
	}
	<-n.Exited()
	n.Kill()
}
