package demo

import (
	"context"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// What is served by itself can be asked for, and is gone when it ends.
func TestServe(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	ctx, end := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, 0, w); _ = w.Close() }()
	said := ""
	for b := make([]byte, 1024); !strings.Contains(said, "and push there"); {
		n, err := r.Read(b)
		if err != nil {
			t.Fatalf("%v, after\n%s", err, said)
		}
		said += string(b[:n])
	}
	url := regexp.MustCompile(`repo add (\S+) `).FindStringSubmatch(said)[1]
	if out, err := exec.Command("git", "ls-remote", url).CombinedOutput(); err != nil || !strings.Contains(string(out), "refs/heads/main") {
		t.Errorf("git ls-remote %s: %v\n%s", url, err, out)
	}
	for _, s := range samples() {
		if !strings.Contains(said, "/"+s.name+" ") {
			t.Errorf("%s is not told of:\n%s", s.name, said)
		}
	}
	end()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(tmp); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
	gone, stop := context.WithCancel(t.Context())
	stop()
	if err := Serve(gone, 0, nil); err != nil {
		t.Errorf("interrupted at once: %v", err)
	}
}
