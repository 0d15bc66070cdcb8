package store_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitmirror/internal/testlog"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
)

func TestOpenSweepsWhatAKilledRunLeft(t *testing.T) {
	root := t.TempDir()
	r := ensure(t, reopen(t, root))
	one := generation(1, "refs/heads/main")
	prepare(t, r, one)
	activate(t, r, one)
	// A pack without an index may be all that is left.
	for _, f := range []string{"objects/pack/pack-1.pack", "objects/pack/pack-1.idx", "objects/pack/pack-1.rev", "objects/pack/pack-2.pack"} {
		write(t, filepath.Join(r.Dir(), f))
	}
	clean := files(t, root)
	for _, f := range []string{
		"packed-refs.lock", "HEAD.lock", "config.lock", "packed-refs.tmp", "repo.json.tmp", "packed-refs.candidate.tmp",
		"objects/pack/tmp_pack_XYZ", "objects/pack/tmp_idx_XYZ",
		"objects/pack/pack-1.keep", "objects/pack/multi-pack-index.lock",
	} {
		write(t, filepath.Join(r.Dir(), f))
	}
	write(t, filepath.Join(root, "staging", "earlier", "01JREPO1.123", "objects/pack/tmp_pack_1"))
	write(t, filepath.Join(root, "repos", "zz", "01JZZ.git.making", "HEAD"))
	if d := cmp.Diff(clean, files(t, reopenedRoot(t, root))); d != "" {
		t.Errorf("after a sweep:\n%s", d)
	}
	shows(t, reopen(t, root).Repo(id), one)
}

func reopenedRoot(t *testing.T, root string) string {
	reopen(t, root)
	return root
}

func TestHalfMadeRepositoryIsMadeAnew(t *testing.T) {
	root := t.TempDir()
	s := reopen(t, root)
	write(t, filepath.Join(root, "repos", "o1", id+".git.making", "objects", "rubbish"))
	r := ensure(t, s)
	if out, err := exec.Command("git", "-C", r.Dir(), "-c", "safe.directory=*", "fsck", "--strict").CombinedOutput(); err != nil {
		t.Errorf("git does not take it for a repository: %v\n%s", err, out)
	}
	if left := files(t, filepath.Join(root, "repos")); slices.ContainsFunc(left, func(f string) bool { return strings.Contains(f, "making") || strings.Contains(f, "rubbish") }) {
		t.Errorf("remains: %v", left)
	}
}

// A directory that is not ours is neither used nor overwritten.
func TestForeignDirectoryIsLeftAlone(t *testing.T) {
	root := t.TempDir()
	foreign := filepath.Join(root, "repos", "o1", id+".git", "precious")
	write(t, foreign)
	s := reopen(t, root)
	if s.Repo(id) != nil {
		t.Error("took a directory without repo.json for a repository")
	}
	if _, err := s.Ensure(id, "acme/big"); err == nil || !strings.Contains(err.Error(), "in the way") {
		t.Errorf("Ensure over a foreign directory: %v", err)
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Error(err)
	}
}

func TestUnlawfulIDs(t *testing.T) {
	s := reopen(t, t.TempDir())
	for _, bad := range []string{"", "a", "../../etc", "abc/def", "abc.def", "-rf-", strings.Repeat("a", 65), "ab\x00cd"} {
		if _, err := s.Ensure(bad, "x"); err == nil {
			t.Errorf("made a repository with id %q", bad)
		}
	}
}

// The path of the data directory may hold what a pattern would not take
// literally.
func TestRootWithBrackets(t *testing.T) {
	root := filepath.Join(t.TempDir(), "da[ta]*?")
	r := ensure(t, reopen(t, root))
	write(t, filepath.Join(r.Dir(), "packed-refs.lock"))
	s := reopen(t, root)
	if r = s.Repo(id); r == nil {
		t.Fatal("a repository is not found again")
	}
	if _, err := os.Stat(filepath.Join(r.Dir(), "packed-refs.lock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("not swept: %v", err)
	}
	st, err := s.Stage(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, ext := range []string{".pack", ".idx"} {
		write(t, filepath.Join(st.Dir(), "objects/pack/pack-1"+ext))
	}
	if err := errors.Join(st.Adopt(), st.Remove()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(r.Dir(), "objects/pack/pack-1.idx")); err != nil {
		t.Errorf("not adopted: %v", err)
	}
}

func TestTrash(t *testing.T) {
	root, now := t.TempDir(), time.Now()
	s := reopen(t, root)
	r := ensure(t, s)
	one := generation(1, "refs/heads/main")
	prepare(t, r, one)
	activate(t, r, one)
	release, err := r.Acquire()
	if err != nil {
		t.Fatal(err)
	}
	trashed := make(chan error, 1)
	go func() { trashed <- s.Trash(id, now) }()
	testlog.Eventually(t, "the repository to leave the table", func() bool { return s.Repo(id) == nil })
	select {
	case err := <-trashed:
		t.Fatalf("trashed under a reader: %v", err)
	default:
	}
	if _, err := os.Stat(filepath.Join(r.Dir(), "packed-refs")); err != nil {
		t.Errorf("the directory went from under a reader: %v", err)
	}
	release()
	release() // harmless
	if err := <-trashed; err != nil {
		t.Fatal(err)
	}
	if _, err := r.Acquire(); !errors.Is(err, store.ErrGone) {
		t.Errorf("acquire after trash: %v, want ErrGone", err)
	}
	if err := r.Prepare(one, nil); !errors.Is(err, store.ErrGone) {
		t.Errorf("prepare after trash: %v, want ErrGone", err)
	}
	if err := s.Trash(id, now); err != nil {
		t.Errorf("trashing what is not there: %v", err)
	}
	shows(t, ensure(t, s), &refs.Table{}) // the same id can begin anew

	for _, step := range []struct {
		after time.Duration
		want  int
	}{{store.TrashAfter - time.Second, 1}, {store.TrashAfter + time.Second, 0}} {
		if err := s.EmptyTrash(now.Add(step.after)); err != nil {
			t.Fatal(err)
		}
		if left, err := os.ReadDir(filepath.Join(root, "trash")); err != nil || len(left) != step.want {
			t.Errorf("after %s the trash holds %d, want %d (%v)", step.after, len(left), step.want, err)
		}
	}
}

func TestTrashThatFailsTakesNothingOutOfService(t *testing.T) {
	root := t.TempDir()
	s := reopen(t, root)
	r := ensure(t, s)
	if err := os.Remove(filepath.Join(root, "trash")); err != nil {
		t.Fatal(err)
	}
	if err := s.Trash(id, time.Now()); err == nil {
		t.Fatal("trashed without a trash")
	}
	if s.Repo(id) != r {
		t.Error("the repository is out of service, but still on disk")
	}
	release, err := r.Acquire()
	if err != nil {
		t.Fatal(err)
	}
	release()
}

// A copy that is made anew, while the old one waits for its readers to leave, is not what is
// thrown away.
func TestTrashTakesNoCopyThatWasMadeSince(t *testing.T) {
	root := t.TempDir()
	s := reopen(t, root)
	old := ensure(t, s)
	release, err := old.Acquire()
	if err != nil {
		t.Fatal(err)
	}
	trashed := make(chan error, 1)
	go func() { trashed <- s.Trash(id, time.Now()) }()
	testlog.Eventually(t, "the old copy to be out of service", func() bool { return s.Repo(id) == nil })
	fresh := ensure(t, s)
	release()
	if err := <-trashed; err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(fresh.Dir()); err != nil || s.Repo(id) != fresh {
		t.Errorf("the new copy: %v", err)
	}
	if _, err := old.Acquire(); err == nil {
		t.Error("the old copy is still to be had")
	}
	if list, err := os.ReadDir(filepath.Join(root, "trash")); err != nil || len(list) != 1 {
		t.Errorf("%d in the trash, %v", len(list), err)
	}
}
