// Package gittest is both ends of a mirror for tests: an upstream that is served,
// and the git client as a user of the mirror would run it, with no configuration
// of this machine.
package gittest

import (
	"os/exec"
	"strings"
	"testing"

	"gitmirror/internal/upstream"
)

// Try runs git in dir and returns all it printed.
func Try(t testing.TB, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir, cmd.Env = dir, upstream.Environ(dir)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Run is Try, and fails the test where git fails.
func Run(t testing.TB, dir string, args ...string) string {
	t.Helper()
	out, err := Try(t, dir, args...)
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// LsRemote is what a client is shown: every ref, HEAD and where it points.
func LsRemote(t testing.TB, url string) string {
	t.Helper()
	return Run(t, t.TempDir(), "ls-remote", "--symref", url)
}

// Upstream serves sample repositories until the test ends.
func Upstream(t testing.TB) *upstream.Server {
	t.Helper()
	s, err := upstream.Serve(t.TempDir(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Edit changes an upstream, or fails the test.
func Edit(t testing.TB, r *upstream.Repo, fn func(*upstream.Edit)) {
	t.Helper()
	if err := r.Edit(fn); err != nil {
		t.Fatal(err)
	}
}
