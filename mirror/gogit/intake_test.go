package gogit

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"gitmirror/internal/disk"
	"gitmirror/internal/gittest"
	"gitmirror/internal/upstream"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/fetch"
)

// packed is a pack of git's with deltas of both kinds, and the ids of what is in it, sorted.
func packed(t *testing.T) (pack []byte, ids []string) {
	t.Helper()
	repo, err := upstream.Create(t.TempDir() + "/x.git")
	if err != nil {
		t.Fatal(err)
	}
	if err := repo.Edit(func(e *upstream.Edit) {
		for i := range 12 {
			e.Commit("main", fmt.Sprint(i), map[string]string{"f": strings.Repeat("a line\n", 20) + fmt.Sprint(i), "d/g": strings.Repeat(fmt.Sprint(i), 60)})
		}
		e.Tag("v1", "main", "one")
	}); err != nil {
		t.Fatal(err)
	}
	ids = strings.Fields(gittest.Run(t, repo.Dir, "rev-list", "--objects", "--no-object-names", "--all"))
	slices.Sort(ids)
	cmd := exec.Command("git", "pack-objects", "--stdout", "--all", "--revs", "-q", "--window=20")
	cmd.Dir, cmd.Env = repo.Dir, upstream.Environ(repo.Dir)
	if pack, err = cmd.Output(); err != nil {
		t.Fatal(err)
	}
	return pack, ids
}

// taken reads a pack as it comes, and returns the ids of what is in it.
func taken(t *testing.T, pack []byte, memory int64) (ids []string, err error) {
	t.Helper()
	var d *disk.Disk
	file, err := d.OpenFile(filepath.Join(t.TempDir(), "pack"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	in := &intake{ctx: t.Context(), file: file, memory: memory, over: New(Config{Memory: memory}).tooMuch,
		look: func(id plumbing.Hash, _ plumbing.ObjectType, _ []byte) error {
			ids = append(ids, id.String())
			return nil
		}}
	if err := in.receive(bytes.NewReader(pack)); err != nil {
		return nil, err
	}
	if err := in.resolve(); err != nil {
		return nil, err
	}
	if in.held != 0 {
		t.Errorf("%d bytes are held at the end", in.held)
	}
	slices.Sort(ids)
	return ids, in.sort()
}

// A pack of which bytes are others is refused, and takes nothing with it. Where its checksum fits
// it is another pack, or one that is packed otherwise.
func TestSpoiltPacksAreRefused(t *testing.T) {
	pack, want := packed(t)
	if got, err := taken(t, pack, 1<<30); err != nil || !slices.Equal(got, want) {
		t.Fatalf("%d objects of %d, %v", len(got), len(want), err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 1000 {
		spoilt := slices.Clone(pack)
		for range 1 + r.IntN(3) {
			spoilt[r.IntN(len(spoilt)-20)] ^= byte(1 << r.IntN(8))
		}
		fits := r.IntN(2) == 0
		if fits {
			sum := sha1.Sum(spoilt[:len(spoilt)-20])
			copy(spoilt[len(spoilt)-20:], sum[:])
		} else if r.IntN(2) == 0 {
			spoilt = spoilt[:r.IntN(len(spoilt))]
		}
		if _, err := taken(t, spoilt, 1<<30); err == nil && !fits && !bytes.Equal(spoilt, pack) {
			t.Error("a spoilt pack is taken")
		}
	}
}

// What is put together is held no longer than it is needed: a long row of deltas takes no more
// memory than a short one, and what takes too much ends.
func TestMemoryOfDeltas(t *testing.T) {
	pack, _ := packed(t)
	if _, err := taken(t, pack, 4200); err != nil {
		t.Errorf("twelve versions of a small file: %v", err)
	}
	var f *failure.Error
	if _, err := taken(t, pack, 200); !errors.As(err, &f) || f.Class != failure.OutOfMemory {
		t.Errorf("%v, want that there is no memory", err)
	}
	bomb, _ := gittest.DeltaBomb(1<<20, 50)
	if _, err := taken(t, bomb, 10<<20); !errors.As(err, &f) || f.Class != failure.OutOfMemory {
		t.Errorf("a small delta that makes 50 MiB: %v", err)
	}
}

// Where there are more links than are remembered, a walk finds out what is missing; where that is
// too much as well, it ends.
func TestMemoryOfWalks(t *testing.T) {
	dir := t.TempDir()
	pack, ids := packed(t)
	gittest.Run(t, dir, "init", "--quiet", "--bare", ".")
	cmd := exec.Command("git", "index-pack", "--stdin")
	cmd.Dir, cmd.Env, cmd.Stdin = dir, upstream.Environ(dir), bytes.NewReader(pack)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	tip := strings.TrimSpace(gittest.Run(t, dir, "cat-file", "--batch-check=%(objectname) %(objecttype)", "--batch-all-objects"))
	for _, l := range strings.Split(tip, "\n") {
		if id, kind, _ := strings.Cut(l, " "); kind == "tag" {
			tip = id
		}
	}
	for most, want := range map[int]string{1000: "", 12: "so many objects", 5: "so many commits"} {
		r, err := New(Config{}).open(dir)
		if err != nil {
			t.Fatal(err)
		}
		r.most = most
		err = r.proof(t.Context()).connected(hashes([]string{tip}), nil)
		r.close()
		if want == "" && err != nil || want != "" && (failure.Of(err).Class != failure.OutOfMemory || !strings.Contains(err.Error(), want)) {
			t.Errorf("%d objects where %d are remembered: %v, want %q", len(ids), most, err, want)
		}
		if err != nil && !errors.Is(evidence(t.Context(), err), fetch.ErrInconclusive) {
			t.Errorf("that there is no memory is taken for damage: %v", err)
		}
	}
	if _, err := New(Config{Memory: 4 << 10}).open(dir); failure.Of(err).Class != failure.OutOfMemory {
		t.Errorf("an index that is too large: %v", err)
	}
	l := &looker{links: links{}, most: 1}
	commit := "tree " + strings.Repeat("1", 40) + "\nparent " + strings.Repeat("2", 40) + "\n"
	if err := l.look(plumbing.ZeroHash, plumbing.CommitObject, []byte(commit)); err != nil || l.links != nil {
		t.Errorf("%d links are remembered, %v", len(l.links), err)
	}
}

// A library that panics ends what it was to do, and says nothing of a copy.
func TestAPanicIsAnError(t *testing.T) {
	err := guarded(func() error { panic("out of range") })
	if f := failure.Of(err); f.Class != failure.Corrupt || !strings.Contains(f.Message, "out of range") {
		t.Errorf("of a fetch: %v", err)
	}
	if err := evidence(context.Background(), err); !errors.Is(err, fetch.ErrInconclusive) {
		t.Errorf("of a copy: %v", err)
	}
}

// Trees that lie too deep in each other end a walk, before they end the process.
func TestNestedTrees(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "objects/pack")
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	id, tips := plumbing.ComputeHash(plumbing.TreeObject, nil), map[int]plumbing.Hash{}
	const depth = mostNested + 100
	pack := append([]byte("PACK"), 0, 0, 0, 2, 0, 0, byte((depth+1)>>8), byte((depth+1)&0xff))
	pack = append(pack, packedObject(plumbing.TreeObject, nil)...)
	for i := range depth {
		tree := append([]byte("40000 d\x00"), id[:]...)
		id = plumbing.ComputeHash(plumbing.TreeObject, tree)
		pack = append(pack, packedObject(plumbing.TreeObject, tree)...)
		tips[i] = id
	}
	sum := sha1.Sum(pack)
	name := filepath.Join("objects/pack", fmt.Sprintf("pack-%x.pack", sum))
	if err := os.WriteFile(filepath.Join(dir, name), append(pack, sum[:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	o := New(Config{})
	if err := o.Index(t.Context(), dir, name); err != nil {
		t.Fatal(err)
	}
	if err := o.Connected(t.Context(), dir, []string{tips[mostNested-10].String()}, nil); err != nil {
		t.Errorf("trees that may lie as deep as that: %v", err)
	}
	if err := o.Connected(t.Context(), dir, []string{tips[depth-1].String()}, nil); !errors.Is(err, errNested) {
		t.Errorf("trees that lie too deep: %v", err)
	}
}
