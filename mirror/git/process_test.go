package git_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"gitmirror/internal/testlog"
	"gitmirror/mirror/git"
)

const helperEnv = "GITMIRROR_TEST_HELPER_REPO"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperEnv); dir != "" {
		helper(dir)
	}
	goleak.VerifyTestMain(m)
}

// helper is a node that starts one child and never ends by itself.
func helper(dir string) {
	r, err := git.New(context.Background(), git.Config{Home: filepath.Join(dir, "home")})
	if err != nil {
		panic(err)
	}
	cmd := r.Command(context.Background(), dir, "cat-file", "--batch")
	cmd.Stdin = os.Stdin // stays open when we die: only the signal ends the child
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	fmt.Println(cmd.Process.Pid)
	_ = syscall.Pause()
}

func newRunner(t *testing.T, cfg git.Config) *git.Runner {
	t.Helper()
	r, err := git.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func repo(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	init := exec.Command("git", "init", "--quiet", "--bare", dir)
	init.Env = []string{"PATH=" + os.Getenv("PATH")}
	if out, err := init.CombinedOutput(); err != nil {
		t.Fatalf("git init: %v\n%s", err, out)
	}
	return dir
}

// startWaiting starts a child that waits on its standard input.
func startWaiting(t *testing.T, cmd *git.Cmd) int {
	t.Helper()
	in, w := io.Pipe()
	cmd.Stdin = in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close(); _ = cmd.Wait() })
	pid := cmd.Process.Pid
	testlog.Eventually(t, "the child to become git", func() bool { return strings.Contains(procFile(t, pid, "cmdline"), "cat-file") })
	return pid
}

func procFile(t *testing.T, pid int, name string) string {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// group lists the living processes of a process group.
func group(t *testing.T, pgid int) []string {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var alive []string
	for _, s := range stats {
		data, err := os.ReadFile(s)
		if err != nil {
			continue // gone meanwhile
		}
		_, rest, _ := strings.Cut(string(data), ") ")
		if f := strings.Fields(rest); len(f) > 2 && f[2] == strconv.Itoa(pgid) && f[0] != "Z" {
			alive = append(alive, string(data[:min(len(data), 60)]))
		}
	}
	return alive
}

func TestWholeGroupEndsWithItsContext(t *testing.T) {
	r := newRunner(t, git.Config{Home: t.TempDir()})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := r.CommandWith(ctx, repo(t), []git.Setting{{Key: "alias.hang", Value: "!sleep 1000 & sleep 1000"}}, "hang")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	testlog.Eventually(t, "grandchildren", func() bool { return strings.Count(strings.Join(group(t, pid), " "), "(sleep)") == 2 })
	cancel()
	if err := cmd.Wait(); err == nil {
		t.Error("a killed child reports success")
	}
	testlog.Eventually(t, "the group to end", func() bool { return len(group(t, pid)) == 0 })
}

func TestChildDiesWithItsNode(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	in, w, err := os.Pipe() // the test holds the writing end throughout
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	defer in.Close()
	node := exec.Command(self)
	node.Env = append(os.Environ(), helperEnv+"="+repo(t))
	node.Stdin, node.Stderr = in, os.Stderr
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if len(group(t, pid)) != 1 {
		t.Fatal("the child is not there, or not in a group of its own")
	}
	if err := node.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = node.Wait()
	testlog.Eventually(t, "the child to die with its node", func() bool { return len(group(t, pid)) == 0 })
}

// The kernel takes the end of the thread that started a child for the end of
// its parent, and Go ends threads.
func TestChildOutlivesThreads(t *testing.T) {
	r := newRunner(t, git.Config{Home: t.TempDir()})
	var pids []int
	for range 8 {
		pids = append(pids, startWaiting(t, r.Command(t.Context(), repo(t), "cat-file", "--batch")))
		var threads sync.WaitGroup
		for range 64 {
			threads.Go(func() { runtime.LockOSThread(); runtime.Gosched() }) // ends with its thread
		}
		threads.Wait()
	}
	for _, pid := range pids {
		if len(group(t, pid)) != 1 {
			t.Errorf("child %d died with a thread", pid)
		}
	}
}

func TestClosedRunnerStartsNothing(t *testing.T) {
	r, err := git.New(t.Context(), git.Config{Home: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	r.Close() // harmless
	if err := r.Command(t.Context(), t.TempDir(), "version").Run(); err == nil {
		t.Error("a closed Runner started a child")
	}
}

// The lock on the data directory outlives a killed node as long as its
// children do.
func TestChildHoldsTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	lock, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	r := newRunner(t, git.Config{Home: t.TempDir(), Lock: lock})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := r.Command(ctx, repo(t), "cat-file", "--batch")
	startWaiting(t, cmd)
	lock.Close()
	again, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := syscall.Flock(int(again.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
		t.Fatalf("lock while a child runs: %v, want it held", err)
	}
	cancel()
	testlog.Eventually(t, "the lock to come free", func() bool {
		return syscall.Flock(int(again.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
	})
}

func TestCancelAfterTheEndIsNoFailure(t *testing.T) {
	r := newRunner(t, git.Config{Home: t.TempDir()})
	cmd := r.Command(t.Context(), t.TempDir(), "version")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Cancel(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("cancelling a child that has ended: %v, want os.ErrProcessDone", err)
	}
}

// What is done gently gives way to whoever wants processor or disk, and what is not does not.
func TestAGentleChildGivesWay(t *testing.T) {
	r := newRunner(t, git.Config{Home: filepath.Join(t.TempDir(), "home")})
	for _, gentle := range []bool{true, false} {
		cmd := r.Command(t.Context(), repo(t), "cat-file", "--batch")
		in, out := io.Pipe()
		cmd.Stdin = in
		if gentle {
			cmd.Gently()
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		nice, err := unix.Getpriority(unix.PRIO_PROCESS, cmd.Process.Pid) // as the kernel has it: 20 - nice
		class, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, 1, uintptr(cmd.Process.Pid), 0)
		if err != nil || errno != 0 {
			t.Error(err, errno)
		}
		if lowest := nice == 1; lowest != gentle {
			t.Errorf("gently %v: its nice value is %d", gentle, 20-nice)
		}
		if idle := class>>13 == 3; idle != gentle {
			t.Errorf("gently %v: its class at the disk is %d", gentle, class>>13)
		}
		_ = out.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
}
