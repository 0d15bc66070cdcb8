package git

import (
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Nothing is on a child's standard input before its memory is bounded: what it was sent
// for, and so what could take memory, is not known to it.
func TestInputWaitsForTheLimit(t *testing.T) {
	in := hold(strings.NewReader("x"))
	read := make(chan string)
	go func() { data, _ := io.ReadAll(in); read <- string(data) }()
	select {
	case <-read:
		t.Fatal("it was read before")
	case <-time.After(20 * time.Millisecond):
	}
	in.release()
	if got := <-read; got != "x" {
		t.Errorf("read %q", got)
	}
}

func TestTheLimitOfMemory(t *testing.T) {
	cmd := exec.Command("cat")
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	if err := limitMemory(cmd.Process, 123<<20); err != nil {
		t.Fatal(err)
	}
	var got unix.Rlimit
	if err := unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_DATA, nil, &got); err != nil || got.Cur != 123<<20 || got.Max != 123<<20 {
		t.Errorf("%+v, %v", got, err)
	}
}
