package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitmirror/internal/testlog"
)

const unitFile = "../docs/gitmirror.service"

// The unit in docs is one that systemd takes, hardened, and starts a node with a line that we
// take.
func TestTheUnit(t *testing.T) {
	text, err := os.ReadFile(unitFile)
	if err != nil {
		t.Fatal(err)
	}
	_, line, found := strings.Cut(string(text), "\nExecStart=")
	line, _, _ = strings.Cut(line, "\n")
	words := strings.Fields(line)
	if !found || len(words) != 4 || filepath.Base(words[0]) != "gitmirror" || words[1] != "start" || words[2] != "--data" {
		t.Fatalf("it starts %q, want gitmirror start --data DIR", line)
	}
	// What comes with the unit is what its directory has.
	dir := t.TempDir()
	for _, args := range [][]string{{"init", "--insecure-peers", "--peer", "192.0.2.1:7655"}, {"validate"}} {
		if out, err := exec.Command(binary, append(append([]string{"config"}, args...), words[2], dir)...).CombinedOutput(); err != nil {
			t.Errorf("config %s: %v\n%s", args[0], err, out)
		}
	}

	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("there is no systemd-analyze here: the unit is not verified")
		return
	}
	unit := filepath.Join(t.TempDir(), "gitmirror.service")
	if err := os.WriteFile(unit, []byte(strings.Replace(string(text), words[0], binary, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", unit).CombinedOutput(); err != nil || strings.Contains(string(out), unit) {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	if out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=20", unit).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
}

// supervisor is systemd's end of sd_notify.
type supervisor struct {
	path string
	said chan string // in order; a datagram each
}

func supervise(t *testing.T) *supervisor {
	t.Helper()
	dir, err := os.MkdirTemp("", "notify") // short: a socket's path has a hundred bytes
	if err != nil {
		t.Fatal(err)
	}
	s := &supervisor{filepath.Join(dir, "s"), make(chan string, 1000)}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: s.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = conn.Close(), os.RemoveAll(dir) })
	go func() {
		for buf := make([]byte, 4096); ; {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			s.said <- string(buf[:n])
		}
	}()
	return s
}

func (s *supervisor) env() []string {
	return append(os.Environ(), "NOTIFY_SOCKET="+s.path, "WATCHDOG_USEC=200000")
}

// hears waits for a line, and returns what came until then.
func (s *supervisor) hears(t *testing.T, line string) string {
	t.Helper()
	var all strings.Builder
	for end := time.After(time.Minute); ; {
		select {
		case m := <-s.said:
			all.WriteString(m + "\n")
			if strings.Contains("\n"+m+"\n", "\n"+line+"\n") {
				return all.String()
			}
		case <-end:
			t.Fatalf("%s was not said, but\n%s", line, all.String())
		}
	}
}

// systemd is told when a node serves, that it runs, and that it stops.
func TestSystemdIsToldHowANodeIs(t *testing.T) {
	s := supervise(t)
	p := newProc(t, "n1")
	p.Env = s.env()
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := s.hears(t, "READY=1")
	if !strings.Contains(before, "STATUS=node n1 of cluster ") || strings.Contains(before, "STOPPING=1") {
		t.Errorf("it said\n%s", before)
	}
	s.hears(t, "WATCHDOG=1")
	s.hears(t, "WATCHDOG=1")
	if err := p.Stop(30 * time.Second); err != nil {
		t.Error(err)
	}
	s.hears(t, "STOPPING=1")

	// Who cannot be told is not waited for.
	p.Env = append(os.Environ(), "NOTIFY_SOCKET="+s.path+"/nowhere")
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	testlog.Eventually(t, "a word about it in the log", func() bool { return strings.Contains(p.tail(), "cannot tell systemd") })
}
