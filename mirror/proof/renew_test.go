package proof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gitmirror/internal/gittest"
	"gitmirror/internal/upstream"
)

// rig is a copy, and a git that looks at it and is asked as little as may be.
type rig struct {
	t     *testing.T
	repo  *upstream.Repo
	known Proof
	asked []string // what the engine has done since the last renewal
	while func()   // something else happens while all is verified
}

func newRig(t *testing.T) *rig {
	t.Helper()
	repo, err := upstream.Create(filepath.Join(t.TempDir(), "copy.git"))
	if err != nil {
		t.Fatal(err)
	}
	g := &rig{t: t, repo: repo}
	for i := range 3 {
		g.push(fmt.Sprint(i))
	}
	g.git("repack", "-a", "-d", "--quiet")
	return g
}

func (g *rig) git(args ...string) string {
	g.t.Helper()
	return strings.TrimSpace(gittest.Run(g.t, g.repo.Dir, args...))
}

// push commits something, which is in a pack of its own.
func (g *rig) push(what string) {
	g.t.Helper()
	gittest.Edit(g.t, g.repo, func(e *upstream.Edit) { e.Commit("main", what, map[string]string{what: strings.Repeat(what, 50)}) })
	g.git("repack", "--quiet", "-d")
}

func (g *rig) ask(what string, args ...string) error {
	g.asked = append(g.asked, what)
	out, err := gittest.Try(g.t, g.repo.Dir, args...)
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return err
}

func (g *rig) Verify(_ context.Context, _ string, tips []string) error {
	if g.while != nil {
		g.while()
	}
	return g.ask("all", "fsck", "--full", "--strict")
}

func (g *rig) VerifyPack(_ context.Context, _, pack string) error {
	return g.ask("pack", "verify-pack", "objects/pack/"+pack+".idx")
}

func (g *rig) Clone(_ context.Context, _ string, tips []string) error {
	return g.ask("clone", "bundle", "create", "--quiet", filepath.Join(g.t.TempDir(), "x"), "--all")
}

func (g *rig) Connected(_ context.Context, _ string, tips, whole []string) error {
	g.asked = append(g.asked, "walk")
	cmd := exec.Command("git", "-c", "core.commitGraph=false", "rev-list", "--objects", "--quiet", "--stdin")
	in := strings.Join(tips, "\n") + "\n"
	for _, oid := range whole {
		in += "^" + oid + "\n"
	}
	cmd.Dir, cmd.Env, cmd.Stdin = g.repo.Dir, upstream.Environ(g.repo.Dir), strings.NewReader(in)
	return cmd.Run()
}

// renew renews the proof, by way of its file, and wants the engine to have been asked for that alone.
func (g *rig) renew(want ...string) error {
	g.t.Helper()
	g.asked = nil
	p, err := g.known.Renew(g.t.Context(), Copy{Engine: g, Dir: g.repo.Dir, Tips: []string{g.git("rev-parse", "main")}})
	if err == nil {
		g.known = p
		if !p.Empty() {
			if g.known, err = Decode(p.Encode()); err != nil {
				g.t.Fatal(err)
			}
		}
	}
	if !slices.Equal(g.asked, want) {
		g.t.Errorf("asked for %v, want %v (%v)", g.asked, want, err)
	}
	return err
}

// files are those of a copy that match.
func (g *rig) files(pattern string) []string {
	g.t.Helper()
	list, err := filepath.Glob(filepath.Join(g.repo.Dir, "objects", pattern))
	if err != nil || len(list) == 0 {
		g.t.Fatal(pattern, list, err)
	}
	return list
}

func (g *rig) write(path string, data []byte) {
	g.t.Helper()
	if err := errors.Join(os.Remove(path), os.WriteFile(path, data, 0o444)); err != nil {
		g.t.Fatal(err)
	}
}

// What was proved is not proved again: of a copy that is as it was, nothing is asked, and of one that has
// grown what has come.
func TestNothingIsProvedTwice(t *testing.T) {
	g := newRig(t)
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	ok(g.renew("all"))
	ok(g.renew())
	g.push("more")
	g.push("still more")
	ok(g.renew("pack", "pack", "walk"))
	ok(g.renew())
	g.git("multi-pack-index", "write", "--bitmap")
	g.git("commit-graph", "write", "--reachable")
	ok(g.renew("clone"))
	ok(g.renew())
	g.git("repack", "-a", "-d", "--quiet") // and nobody says of what
	ok(g.renew("all"))
	ok(g.renew())
}

// Whatever happens to the files of a copy is noticed when they are read the next time: a bit anywhere that is another,
// an end that is cut off, and a file that is not there.
func TestWhateverIsDamagedIsNoticed(t *testing.T) {
	g := newRig(t)
	g.push("more")
	g.git("-c", "pack.writeReverseIndex=true", "repack", "-a", "-d", "-f", "--quiet")
	g.git("multi-pack-index", "write", "--bitmap")
	g.git("commit-graph", "write", "--reachable")
	if err := g.renew("all"); err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"pack/*.pack", "pack/pack-*.idx", "pack/pack-*.rev", "pack/multi-pack-index", "pack/multi-pack-index-*.bitmap", "info/commit-graph"} {
		for _, path := range g.files(pattern) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 20 {
				other := bytes.Clone(data)
				other[i*(len(data)-1)/19] ^= 1 << (i % 8)
				g.write(path, other)
				if err := g.renew(); !errors.Is(err, ErrBroken) {
					t.Errorf("%s: a bit that is another: %v", filepath.Base(path), err)
				}
				g.write(path, data[:i*len(data)/20])
				if err := g.renew(); !errors.Is(err, ErrBroken) {
					t.Errorf("%s: %d bytes of %d: %v", filepath.Base(path), i*len(data)/20, len(data), err)
				}
			}
			g.write(path, data)
		}
	}
	if err := g.renew(); err != nil {
		t.Errorf("it is as it was: %v", err)
	}
	g.git("config", "core.multiPackIndex", "false") // else git reports what it names
	for _, pattern := range []string{"pack/*.pack", "pack/pack-*.idx"} {
		for _, path := range g.files(pattern) {
			if err := os.Rename(path, path+".away"); err != nil {
				t.Fatal(err)
			}
			if err := g.renew("all"); err == nil || errors.Is(err, ErrBroken) {
				t.Errorf("%s is away: %v", filepath.Base(path), err)
			}
			if err := os.Rename(path+".away", path); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := g.renew(); err != nil {
		t.Errorf("it is as it was: %v", err)
	}
}

// What takes the place of something else proves nothing, and what is well made may lack something.
func TestWhatIsAnotherIsVerified(t *testing.T) {
	g := newRig(t)
	if err := g.renew("all"); err != nil {
		t.Fatal(err)
	}
	// A push whose pack lacks a file.
	g.push("more")
	blob := g.git("rev-parse", "main:more")
	var short string
	for _, index := range g.files("pack/pack-*.idx") {
		base := strings.TrimSuffix(index, ".idx")
		out := gittest.Run(t, g.repo.Dir, "verify-pack", "-v", index)
		if !strings.Contains(out, blob) {
			continue
		}
		var ids []string
		for line := range strings.Lines(out) {
			if f := strings.Fields(line); len(f) > 4 && len(f[0]) == 40 && f[0] != blob {
				ids = append(ids, f[0])
			}
		}
		cmd := exec.Command("git", "pack-objects", "--quiet", "objects/pack/pack")
		cmd.Dir, cmd.Env, cmd.Stdin = g.repo.Dir, upstream.Environ(g.repo.Dir), strings.NewReader(strings.Join(ids, "\n")+"\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatal(err, string(out))
		}
		if err := errors.Join(os.Remove(base+".pack"), os.Remove(index)); err != nil {
			t.Fatal(err)
		}
		short = base
	}
	if short == "" {
		t.Fatal("no pack has it")
	}
	if err := g.renew("pack", "walk", "all"); err == nil {
		t.Error("a push that lacks a file is whole")
	}
	// What is left of a copy that lacks an object.
	g = newRig(t)
	if err := g.renew("all"); err != nil {
		t.Fatal(err)
	}
	gittest.Prune(t, g.repo.Dir, g.git("rev-parse", "main:1"))
	if err := g.renew("all"); err == nil {
		t.Error("an object is gone, and it is whole")
	}
}

// What is loose is in no file that was proved by.
func TestLooseObjectsProveNothing(t *testing.T) {
	g := newRig(t)
	if err := g.renew("all"); err != nil || g.known.Empty() {
		t.Fatal(err, g.known)
	}
	g.git("hash-object", "-w", "config")
	for range 2 {
		if err := g.renew("all"); err != nil || !g.known.Empty() {
			t.Errorf("%v, and it is proved: %+v", err, g.known)
		}
	}
}

// What comes while a copy is verified may have been a part of it, and what goes too.
func TestWhatChangesMeanwhileCounts(t *testing.T) {
	g := newRig(t)
	g.while = func() { g.push("meanwhile") }
	if err := g.renew("all"); err != nil {
		t.Fatal(err)
	}
	if n := len(g.known.Files); n != 4 {
		t.Fatalf("it is proved by %d files", n)
	}
	g.while = nil
	if err := g.renew("pack", "walk"); err != nil {
		t.Error(err)
	}
	g.known, g.while = Proof{}, func() { g.git("repack", "-a", "-d", "--quiet") }
	if err := g.renew("all"); err != nil || !g.known.Empty() {
		t.Errorf("%v; what it was proved by has gone, and it is proved: %+v", err, g.known)
	}
}

// Packs that are made of others prove what those did, once they have been read.
func TestMadePacksAreReadOnce(t *testing.T) {
	g := newRig(t)
	g.push("more")
	if err := g.renew("all"); err != nil {
		t.Fatal(err)
	}
	var gone, made []string
	for _, p := range g.files("pack/*.pack") {
		gone = append(gone, strings.TrimSuffix(filepath.Base(p), ".pack"))
	}
	g.git("repack", "-a", "-d", "--quiet")
	for _, p := range g.files("pack/*.pack") {
		made = append(made, strings.TrimSuffix(filepath.Base(p), ".pack"))
	}
	files, err := Made(nil, g.repo.Dir, made)
	if err != nil {
		t.Fatal(err)
	}
	g.known = g.known.Replaced(gone, files)
	if err := g.renew("pack"); err != nil {
		t.Error(err)
	}
	if err := g.renew(); err != nil {
		t.Error(err)
	}
	// A pack that goes before it was read was needed all the same.
	g.known = g.known.Replaced(made, files)
	for _, f := range g.known.Files {
		if !f.New {
			t.Errorf("%s was not looked at", f.Name)
		}
	}
	for _, p := range g.files("pack/pack-*") {
		if err := os.Remove(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.renew("all"); err == nil {
		t.Error("its only pack has gone, and it is whole")
	}
}
