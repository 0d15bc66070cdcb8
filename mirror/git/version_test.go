package git_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitmirror/mirror/git"
)

// fakeGit puts a git on PATH that answers as told.
func fakeGit(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "git"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
}

func TestVersionGate(t *testing.T) {
	for _, tc := range []struct {
		says string
		ok   bool
	}{
		{"2.37.0", true}, {"2.39.5", true}, {"2.39.5 (Apple Git-154)", true}, {"2.45.0.windows.1", true}, {"2.100.1", true}, {"3.0", true},
		{"10.1.2", true}, {"2.52.GIT", true}, {"2.36.6", false}, {"2.4.11", false}, {"1.99.0", false}, {"2", false}, {"", false}, {"banana", false}, {"2.x.1", false},
	} {
		fakeGit(t, fmt.Sprintf("echo 'git version %s'", tc.says))
		r, err := git.New(t.Context(), git.Config{Home: filepath.Join(t.TempDir(), "home")})
		switch {
		case tc.ok && err != nil:
			t.Errorf("%q: %v", tc.says, err)
		case !tc.ok && !errors.Is(err, git.ErrTooOld):
			t.Errorf("%q: %v, want ErrTooOld", tc.says, err)
		case !tc.ok && !strings.Contains(err.Error(), "2.37 or newer"):
			t.Errorf("%q: %v does not say what is needed", tc.says, err)
		}
		if r != nil {
			if r.Version() != tc.says {
				t.Errorf("version %q, want %q", r.Version(), tc.says)
			}
			r.Close()
		}
	}
}

func TestNoGit(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := git.New(t.Context(), git.Config{Home: t.TempDir()})
	if !errors.Is(err, git.ErrMissing) || !strings.Contains(err.Error(), "install git") {
		t.Errorf("%v, want ErrMissing with advice", err)
	}
	fakeGit(t, "echo broken >&2; exit 3")
	if _, err := git.New(t.Context(), git.Config{Home: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("a git that fails: %v", err)
	}
}

func TestFailureIsSaidOnOneCleanLine(t *testing.T) {
	fakeGit(t, `[ "$1" = version ] && { echo git version 2.40.0; exit; }
[ "$1" = --exec-path ] && { echo /usr/lib/git-core; exit; }
printf 'Receiving objects:  50%% (1/2)\rhint: do this\nfatal: \033[31mred\007 \302\233x\nsecond\n' >&2
exit 7`)
	r := newRunner(t, git.Config{Home: t.TempDir()})
	_, err := r.Command(t.Context(), t.TempDir(), "fetch").Output()
	var gerr *git.Error
	if !errors.As(err, &gerr) || gerr.Stderr != "fatal: [31mred x; second" {
		t.Fatalf("%q", err)
	}
	if want := "git fetch: fatal: [31mred x; second (exit status 7)"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}

func TestTailKeepsTheEndOfEndlessOutput(t *testing.T) {
	tail := &git.Tail{}
	if !tail.LastWrite().IsZero() || tail.Phase() != "" {
		t.Error("something was written to a new Tail")
	}
	for range 1000 {
		if n, err := fmt.Fprintf(tail, "noise %s\n", strings.Repeat("x", 500)); n != 507 || err != nil {
			t.Fatal(n, err)
		}
	}
	fmt.Fprint(tail, "remote: Resolving deltas: 50%\r")
	if p := tail.Phase(); p != "remote" {
		t.Errorf("phase %q, want the remote's", p)
	}
	fmt.Fprint(tail, "Resolving deltas:  50% (1/2)\rResolving deltas: 100% (2/2), done.\n")
	if p := tail.Phase(); p != "Resolving deltas" {
		t.Errorf("phase %q", p)
	}
	fmt.Fprint(tail, "fatal: the end\n")
	if s := tail.String(); !strings.HasSuffix(s, "fatal: the end") || len(s) > 4096 {
		t.Errorf("%d bytes, ends in %q", len(s), s[max(0, len(s)-30):])
	}
	if tail.LastWrite().IsZero() {
		t.Error("no time of the last write")
	}
}
