package child_test

import (
	"errors"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"gitmirror/internal/child"
)

// A child lives while goroutines and their threads come and go, in a group of its own, and
// ends with the spawner.
func TestAChildLivesAsLongAsItsSpawner(t *testing.T) {
	for range 50 { // on whichever thread it comes to be
		lives(t)
	}
}

func lives(t *testing.T) {
	s := child.New()
	cmd := exec.Command("sleep", "600")
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // this thread ends with the goroutine
		started <- s.Start(cmd)
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	for range 20 {
		done := make(chan struct{})
		go func() { runtime.LockOSThread(); close(done) }()
		<-done
	}
	if err := cmd.Process.Signal(syscall.Signal(0)); err != nil {
		t.Fatalf("it has ended: %v", err)
	}
	if group, err := syscall.Getpgid(cmd.Process.Pid); err != nil || group != cmd.Process.Pid {
		t.Errorf("its group is %d, %v", group, err)
	}
	s.Close()
	s.Close()
	late := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	defer late.Stop()
	_ = cmd.Wait()
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGKILL {
		t.Errorf("it ended with %v", cmd.ProcessState)
	}
	if err := s.Start(exec.Command("true")); !errors.Is(err, child.ErrClosed) {
		t.Errorf("a closed spawner says %v", err)
	}
}
