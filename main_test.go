package main

import (
	"bufio"
	"errors"
	"net"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"gitmirror": main}) }

// The stories in testdata/script run the real program. Besides testscript's
// own commands they have
//
//	exits CODE PROGRAM ARGS...    run a program that must end with that code
//	until REGEXP PROGRAM ARGS...  run a program until it prints that, for a minute
//	forge NAME...                 serve sample repositories; $FORGE is where
//	push NAME                     add a commit to one of them
//	moved NAME OTHER              give one another name, and redirect there for good
//	index NAME FOLDER             have one of them be an index with the files of a folder, in which $FORGE is where
//	account KIND NAME REPO...     serve the API of a forge, where an account has those repositories; $API is where
//	node NAME ARGS...             start a node; $NAME_HTTP and $NAME_PEER are where
//	again NAME                    start one that was ended with its directory alone
//	end NAME SIGNAL               end it
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "until": until, "forge": forge, "index": makeIndex, "account": account, "push": push, "moved": moved, "node": startNode, "again": startAgain, "end": stopNode,
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("TMPDIR", env.WorkDir)
			return nil
		},
	})
}

func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until REGEXP PROGRAM ARGS...")
	}
	want := regexp.MustCompile("(?m)" + args[0])
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(time.Minute); ; <-again.C {
		err := ts.Exec(args[1], args[2:]...)
		if out := ts.ReadFile("stdout"); err == nil && want.MatchString(out) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s has not printed %s", args[1], args[0])
		}
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d\n%s%s", code, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// However the demo ends, its nodes end with it, and on an interruption it
// leaves no file behind.
func TestDemoLeavesNothingBehind(t *testing.T) {
	for _, tt := range []struct {
		name   string
		signal syscall.Signal
		code   int
		clean  bool
	}{{"interrupted", syscall.SIGINT, 130, true}, {"killed", syscall.SIGKILL, -1, false}} {
		t.Run(tt.name, func(t *testing.T) {
			tmp := t.TempDir()
			demo := exec.Command("gitmirror", "demo")
			demo.Env = append(os.Environ(), "TMPDIR="+tmp)
			var stderr strings.Builder
			demo.Stderr = &stderr
			stdout, err := demo.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := demo.Start(); err != nil {
				t.Fatal(err)
			}
			nodes := addresses(stdout, 3)
			_ = demo.Process.Signal(tt.signal)
			_ = demo.Wait()
			if len(nodes) != 3 {
				t.Fatalf("it named %d nodes: %v\n%s", len(nodes), nodes, &stderr)
			}
			if code := demo.ProcessState.ExitCode(); code != tt.code {
				t.Errorf("exit code %d, want %d\n%s", code, tt.code, &stderr)
			}
			for _, addr := range nodes {
				awaitSilence(t, addr)
			}
			left, err := os.ReadDir(tmp)
			if err != nil || tt.clean && len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// A node that waits to be let in ends at once: Ctrl-C is answered with silence and 130, the
// end of a service with 0.
func TestEndOfANodeThatWaitsToBeLetIn(t *testing.T) {
	for signal, code := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 0} {
		cmd := exec.Command("gitmirror", "start", "--name", "n1", "--data", t.TempDir(), "--http", "127.0.0.1:0", "--peer", "127.0.0.1:0", "--join", "127.0.0.1:1")
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(stderr)
		if !lines.Scan() || !strings.Contains(lines.Text(), "not joined yet") {
			t.Errorf("it begins with %q", lines.Text())
		}
		_ = cmd.Process.Signal(signal)
		for lines.Scan() {
			t.Errorf("%s: it says %q", signal, lines.Text())
		}
		_ = cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Errorf("%s: exit code %d, want %d", signal, got, code)
		}
	}
}

// addresses reads the host:port of n nodes off the demo's story.
func addresses(story interface{ Read([]byte) (int, error) }, n int) (found []string) {
	node := regexp.MustCompile(`^ +n\d +(http://\S+)`)
	for lines := bufio.NewScanner(story); len(found) < n && lines.Scan(); {
		if m := node.FindStringSubmatch(lines.Text()); m != nil {
			if u, err := url.Parse(m[1]); err == nil {
				found = append(found, u.Host)
			}
		}
	}
	return found
}

func awaitSilence(t *testing.T, addr string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-tick.C {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return
		}
		_ = conn.Close()
	}
	t.Errorf("a node still answers at %s", addr)
}
