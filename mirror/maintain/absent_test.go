package maintain

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gitmirror/internal/upstream"
	"gitmirror/mirror/git"
)

// faultyGit puts a git before the real one that first runs what is in the returned file, where there
// is one, when it is to do that. Beside the file, with .n behind its name, is a line for each time.
func faultyGit(t *testing.T, what string) (script string) {
	t.Helper()
	bin, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script = filepath.Join(dir, "script")
	text := fmt.Sprintf("#!/bin/sh\nif [ \"$1\" = %[3]s ] && [ -e %[1]s ]; then echo >>%[1]s.n; . %[1]s; fi\nexec %[2]s \"$@\"\n", script, bin, what)
	if err := os.WriteFile(filepath.Join(dir, "git"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return script
}

// A git that could not look says nothing of what is here: no object goes for its word, whichever
// of the walks it is, and what is to be done is done when it can look again.
func TestNothingGoesWhereGitCannotLook(t *testing.T) {
	for _, end := range []string{"kill -9 $$", "exit 127", "echo 'fatal: Out of memory, malloc failed' >&2; exit 128", "echo 'fatal: pack has bad object at offset 12' >&2; exit 128"} {
		for _, walks := range []string{"[123567]", "1", "2", "3"} {
			if walks != "[123567]" && end != "exit 127" {
				continue
			}
			script := faultyGit(t, "rev-list")
			g := newRig(t)
			g.push("main", 100)
			g.edit(func(e *upstream.Edit) {
				e.Branch("topic", "main")
				e.Commit("topic", "more", map[string]string{"more": noise(1, 3000)})
			})
			topic := g.tip("topic")
			g.arrive(topic)
			if err := g.copy.Prepare(g.table(), nil); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(script, fmt.Appendf(nil, "case $(wc -l <%s.n) in %s) %s;; esac\n", script, walks, end), 0o600); err != nil {
				t.Fatal(err)
			}
			meter := g.cfg.Meter
			g.cfg.Meter = new(failing)
			g.tend(Gather)
			if !g.has(topic) || !g.has(topic+":more") {
				t.Errorf("%q at walks %s: the candidate's tip is gone", end, walks)
			}
			if s := g.Status("01REPO"); s.Failure == "" {
				t.Errorf("%q at walks %s: it is not said: %+v", end, walks, s)
			}
			if err := os.Remove(script); err != nil {
				t.Fatal(err)
			}
			g.cfg.Meter = meter
			g.tend(Gather)
			if s := g.Status("01REPO"); s.Failure != "" || !g.has(topic) || g.packs() != 1 {
				t.Errorf("%q at walks %s: when it can look again: %+v, %d packs", end, walks, s, g.packs())
			}
			g.whole()
		}
	}
}

// Only what is in no pack, nor loose, is not there.
func TestAbsenceIsSeen(t *testing.T) {
	g := newRig(t)
	g.edit(func(e *upstream.Edit) {
		e.Commit("main", "one", map[string]string{"f": "1", "d/g": "1"})
		e.Commit("main", "two", map[string]string{"f": "2", "d/g": "2"})
		e.Tag("v1", "main", "one")
	})
	dir := g.up.Dir // all is loose in it
	tag, tip, below := g.tip("v1"), g.tip("main"), g.tip("main~1")
	objects := g.cfg.Objects
	connected := func(whole ...string) error { return objects.Connected(t.Context(), dir, []string{tag}, whole) }
	if err := connected(); err != nil {
		t.Fatal(err)
	}
	for name, walked := range map[string]bool{"v1": true, "main": true, "main~1": true, "main^{tree}": true, "main:d": true, "main:f": false, "main~1:d/g": false} {
		oid := g.tip(name)
		path := filepath.Join(dir, "objects", oid[:2], oid[2:])
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := connected(); !errors.Is(err, ErrAbsent) {
			t.Errorf("without %s: %v", name, err)
		}
		if err := os.WriteFile(path, []byte("not zlib"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := connected(); (err != nil) != walked || errors.Is(err, ErrAbsent) {
			t.Errorf("with a damaged %s: %v", name, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "objects", below[:2], below[2:])); err != nil {
		t.Fatal(err)
	}
	if err := connected(below); err == nil || errors.Is(err, ErrAbsent) {
		t.Errorf("what is to be whole is not there: %v", err)
	}
	if err := connected(tip); err != nil {
		t.Errorf("what is below what is whole: %v", err)
	}
	var failed *git.Error
	if err := connected(); !errors.As(err, &failed) || !strings.Contains(err.Error(), below) {
		t.Errorf("%v", err)
	}
}

// An object is found in whatever pack it lies in, by an index that can be read.
func TestHas(t *testing.T) {
	g := newRig(t)
	first, second := g.push("main", 100), g.push("main", 100)
	for _, oid := range []string{first, second, g.tip("main:main1"), g.tip("main^{tree}")} {
		if here, err := has(g.disk, g.copy.Dir(), oid); !here || err != nil {
			t.Errorf("%s: %v, %v", oid, here, err)
		}
	}
	for _, digit := range "0123456789abcdef" {
		if here, err := has(g.disk, g.copy.Dir(), strings.Repeat(string(digit), 40)); here || err != nil {
			t.Errorf("%c: %v, %v", digit, here, err)
		}
	}
	indexes, err := filepath.Glob(filepath.Join(g.copy.Dir(), "objects/pack/*.idx"))
	if err != nil {
		t.Fatal(err)
	}
	for _, index := range indexes {
		if err := os.Chmod(index, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(index, indexHead+fanout); err != nil {
			t.Fatal(err)
		}
	}
	if here, err := has(g.disk, g.copy.Dir(), strings.Repeat("0", 40)); here || !errors.Is(err, errIndex) {
		t.Errorf("with indexes that are cut off: %v, %v", here, err)
	}
}
