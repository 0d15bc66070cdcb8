package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
)

func TestNothingShowsBeforeActivate(t *testing.T) {
	root := t.TempDir()
	r := ensure(t, reopen(t, root))
	shows(t, r, &refs.Table{})
	one, two := generation(1, "refs/heads/main"), generation(2, "refs/heads/main", "refs/heads/side")
	prepare(t, r, one)
	shows(t, r, &refs.Table{})
	activate(t, r, one)
	shows(t, r, one)
	prepare(t, r, two)
	shows(t, r, one)
	shows(t, reopen(t, root).Repo(id), one) // a crash with a candidate
	activate(t, r, two)
	shows(t, r, two)
	shows(t, reopen(t, root).Repo(id), two)
}

func TestActivateIsRepeatable(t *testing.T) {
	root := t.TempDir()
	r := ensure(t, reopen(t, root))
	one := generation(1, "refs/heads/main")
	prepare(t, r, one)
	for range 3 {
		activate(t, r, one)
	}
	r = reopen(t, root).Repo(id)
	activate(t, r, one)
	shows(t, r, one)
}

func TestCandidateSurvivesACrash(t *testing.T) {
	root := t.TempDir()
	r := ensure(t, reopen(t, root))
	one, two := generation(1, "refs/heads/main"), generation(2, "refs/heads/new")
	prepare(t, r, one)
	activate(t, r, one)
	prepare(t, r, two)
	r = reopen(t, root).Repo(id)
	n, digest, candidate, ok := r.Candidate()
	if !ok || n != 2 || digest != two.Digest() || candidate != "CANDIDATE" {
		t.Fatalf("candidate after a crash: %d %s %q %v", n, digest, candidate, ok)
	}
	table, err := r.CandidateTable()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(two, table); d != "" {
		t.Fatal(d)
	}
	activate(t, r, two)
	shows(t, r, two)
	if _, _, _, ok := r.Candidate(); ok {
		t.Error("an activated candidate is still one")
	}
}

func TestOnlyThatGenerationWithThatDigestIsActivated(t *testing.T) {
	r := ensure(t, reopen(t, t.TempDir()))
	one, two := generation(1, "refs/heads/main"), generation(2, "refs/heads/new")
	prepare(t, r, one)
	activate(t, r, one)
	prepare(t, r, two)
	wrong := two.Digest()
	wrong[3] ^= 1
	for _, tc := range []struct {
		n uint64
		d refs.Digest
	}{{2, wrong}, {3, two.Digest()}, {2, refs.Digest{}}, {1, two.Digest()}, {2, one.Digest()}} {
		if ok, err := r.Activate(tc.n, tc.d); ok || err != nil {
			t.Errorf("activated generation %d digest %s: %v %v", tc.n, tc.d, ok, err)
		}
	}
	shows(t, r, one)
	if err := r.Discard(); err != nil {
		t.Fatal(err)
	}
	if ok, err := r.Activate(2, two.Digest()); ok || err != nil {
		t.Errorf("activated what was discarded: %v %v", ok, err)
	}
	if err := r.Discard(); err != nil {
		t.Errorf("discarding nothing: %v", err)
	}
}

// A candidate is a promise to activate: one whose file no longer holds what it
// did must not replace a table that is whole.
func TestDamagedCandidateIsDropped(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"a flipped bit below the header": func(b []byte) []byte { b[len(b)-5] ^= 1; return b },
		"a flipped bit in the header":    func(b []byte) []byte { b[70] ^= 1; return b },
		"cut off":                        func(b []byte) []byte { return b[:len(b)/2] },
		"emptied":                        func([]byte) []byte { return nil },
	} {
		root := t.TempDir()
		r := ensure(t, reopen(t, root))
		one, two := generation(1, "refs/heads/main"), generation(2, "refs/heads/new")
		prepare(t, r, one)
		activate(t, r, one)
		prepare(t, r, two)
		damage(t, filepath.Join(r.Dir(), "packed-refs.candidate"), change)
		r = reopen(t, root).Repo(id)
		if ok, err := r.Activate(2, two.Digest()); ok || err != nil {
			t.Errorf("%s: activated a damaged candidate: %v %v", name, ok, err)
		}
		shows(t, r, one)
		if _, err := os.Stat(filepath.Join(r.Dir(), "packed-refs.candidate")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the damaged candidate is still there: %v", name, err)
		}
	}
}

func TestDamagedTableIsAnError(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"a flipped bit below the header": func(b []byte) []byte { b[len(b)-5] ^= 1; return b },
		"a flipped bit in the header":    func(b []byte) []byte { b[70] ^= 1; return b },
		"cut off":                        func(b []byte) []byte { return b[:len(b)-1] },
		"emptied":                        func([]byte) []byte { return nil },
		"zeroed":                         func(b []byte) []byte { return make([]byte, len(b)) },
		"git's own":                      func([]byte) []byte { return []byte("# pack-refs with: peeled fully-peeled sorted \n") },
	} {
		root := t.TempDir()
		s := reopen(t, root)
		r := ensure(t, s)
		one, two := generation(1, "refs/heads/main"), generation(2, "refs/heads/new")
		prepare(t, r, one)
		activate(t, r, one)
		damage(t, filepath.Join(r.Dir(), "packed-refs"), change)
		s = reopen(t, root)
		if r = s.Repo(id); r == nil {
			t.Errorf("%s: the repository is not known any more", name)
			continue
		}
		if table, err := r.Table(); !errors.Is(err, refs.ErrDamaged) {
			t.Errorf("%s: table %v, error %v, want ErrDamaged", name, table, err)
		}
		if g, _ := r.Generation(); g != 0 {
			t.Errorf("%s: generation %d is said to be live", name, g)
		}
		// Either way out works: the next generation, or the trash and a new copy.
		prepare(t, r, two)
		activate(t, r, two)
		shows(t, r, two)
	}
}

func TestHeadFileFollows(t *testing.T) {
	r := ensure(t, reopen(t, t.TempDir()))
	for n, head := range []refs.Head{refs.Symbolic("refs/heads/x"), "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "", refs.Symbolic("refs/heads/x")} {
		table := generation(uint64(n+1), "refs/heads/x")
		table.Head = head
		prepare(t, r, table)
		activate(t, r, table)
		want := string(head)
		if want == "" {
			want = "ref: refs/heads/main"
		}
		got, err := os.ReadFile(filepath.Join(r.Dir(), "HEAD"))
		if err != nil || string(got) != want+"\n" {
			t.Errorf("HEAD file %q, %v, want %q", got, err, want)
		}
	}
}

func TestAwait(t *testing.T) {
	r := ensure(t, reopen(t, t.TempDir()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Await(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting in vain: %v", err)
	}
	woken := make(chan error, 2)
	for range 2 {
		go func() { woken <- r.Await(t.Context(), 2) }()
	}
	for n := range uint64(2) {
		table := generation(n+1, "refs/heads/main")
		prepare(t, r, table)
		activate(t, r, table)
	}
	for range 2 {
		if err := <-woken; err != nil {
			t.Error(err)
		}
	}
}

func TestRenameIsRemembered(t *testing.T) {
	root := t.TempDir()
	s := reopen(t, root)
	ensure(t, s)
	if _, err := s.Ensure(id, "acme/renamed"); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*store.Store{s, reopen(t, root)} {
		if r := s.ByName("ACME/Renamed"); r == nil || r.ID() != id {
			t.Errorf("by its new name: %v", r)
		}
		if s.ByName("acme/big") != nil {
			t.Error("still known by its old name")
		}
	}
}

// Objects that cannot be read stay so, whatever a run that was under way activates.
func TestDamageOutlivesAnActivation(t *testing.T) {
	r := ensure(t, reopen(t, t.TempDir()))
	one, two := generation(1, "refs/heads/main"), generation(2, "refs/heads/main", "refs/heads/more")
	prepare(t, r, one)
	activate(t, r, one)
	prepare(t, r, two)
	r.Damage(errors.New("bit rot"))
	activate(t, r, two)
	if n, _ := r.Generation(); n != 0 || !errors.Is(r.Damaged(), refs.ErrDamaged) {
		t.Errorf("generation %d is live, damage: %v", n, r.Damaged())
	}
	if _, err := r.Table(); !errors.Is(err, refs.ErrDamaged) {
		t.Errorf("its table is shown: %v", err)
	}
}
