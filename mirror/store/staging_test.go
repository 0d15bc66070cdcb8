package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAdoptMovesWholePacksOnly(t *testing.T) {
	root := t.TempDir()
	s := reopen(t, root)
	r := ensure(t, s)
	before := files(t, r.Dir())
	st, err := s.Stage(r)
	if err != nil {
		t.Fatal(err)
	}
	if n, whole := st.Received(); n != 0 || whole {
		t.Errorf("received %d bytes of nothing, whole: %v", n, whole)
	}
	write(t, filepath.Join(st.Dir(), "objects/pack/tmp_idx_x"))
	if n, whole := st.Received(); n != 1 || whole {
		t.Errorf("received %d bytes, whole: %v", n, whole)
	}
	for _, f := range []string{"pack-1.pack", "pack-1.idx", "pack-2.pack", "pack-2.rev", "pack-2.idx", "tmp_pack_x"} {
		write(t, filepath.Join(st.Dir(), "objects/pack", f))
	}
	if n, whole := st.Received(); n != 7 || !whole {
		t.Errorf("received %d bytes, whole: %v, want 7", n, whole)
	}
	if d := cmp.Diff(before, files(t, r.Dir())); d != "" {
		t.Errorf("staging changed the live repository:\n%s", d)
	}
	if err := st.Adopt(); err != nil {
		t.Fatal(err)
	}
	want := []string{"pack-1.idx", "pack-1.pack", "pack-2.idx", "pack-2.pack", "pack-2.rev"}
	if d := cmp.Diff(want, files(t, filepath.Join(r.Dir(), "objects/pack"))); d != "" {
		t.Errorf("adopted packs:\n%s", d)
	}
	if err := st.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(st.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("staging is still there: %v", err)
	}
}

func TestPackWithoutItsIndexIsNotAdopted(t *testing.T) {
	s := reopen(t, t.TempDir())
	r := ensure(t, s)
	st, err := s.Stage(r)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(st.Dir(), "objects/pack/pack-1.pack"))
	if err := st.Adopt(); err == nil {
		t.Error("adopted a pack that has no index")
	}
}
