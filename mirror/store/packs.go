package store

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"gitmirror/internal/crashpoint"
)

// A pack that another has taken the place of leaves in three steps. It is superseded: it
// counts for nothing, and is there. It is hidden: its mark is there, and its index is not, so
// that a git which starts from then on does not see it, and one that has read the index goes
// on reading the pack. It is buried, when nobody is left who began before it was hidden. What
// a killed run has hidden the next start buries.
const hiddenMark = ".hidden"

// Pack is a pack that git sees.
type Pack struct {
	Name  string // of its files, without what follows the dot
	Bytes int64  // of the pack itself
}

// Packs lists the packs that git sees, but for those that are superseded, by name.
func (r *Repo) Packs() ([]Pack, error) {
	entries, err := r.disk.ReadDir(r.packDir())
	if err != nil {
		return nil, err
	}
	indexed := map[string]bool{}
	for _, e := range entries {
		if base, ok := strings.CutSuffix(e.Name(), ".idx"); ok {
			indexed[base] = true
		}
	}
	leaves := r.superseded()
	var list []Pack
	for _, e := range entries {
		base, ok := strings.CutSuffix(e.Name(), ".pack")
		if !ok || !indexed[base] || leaves[base] {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, Pack{base, info.Size()})
	}
	return list, nil
}

func (r *Repo) packDir() string { return filepath.Join(r.dir, "objects/pack") }

// leaving are packs on their way out. The zero leaving has none.
type leaving struct {
	superseded []string
	hidden     map[string]Moment // and when
}

// Supersede notes packs of which others have all that is to stay.
func (r *Repo) Supersede(packs []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leaves.superseded = append(slices.Clone(r.leaves.superseded), packs...)
}

// Spare takes Supersede back.
func (r *Repo) Spare(packs []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leaves.superseded = slices.DeleteFunc(slices.Clone(r.leaves.superseded), func(p string) bool { return slices.Contains(packs, p) })
}

func (r *Repo) superseded() map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	set := map[string]bool{}
	for _, p := range r.leaves.superseded {
		set[p] = true
	}
	return set
}

// Hide takes superseded packs out of the sight of every git that starts from now on. That is
// durable before the first of them is gone, so that a crash leaves nothing in between for long.
func (r *Repo) Hide(packs []string) error {
	r.packs.Lock()
	defer r.packs.Unlock()
	if err := r.ours(); err != nil {
		return err
	}
	for _, p := range packs {
		if err := r.disk.WriteFile(filepath.Join(r.packDir(), p+hiddenMark), nil, 0o644); err != nil {
			return fmt.Errorf("hide a pack: %w", err)
		}
	}
	if err := r.disk.Sync(r.packDir()); err != nil {
		return fmt.Errorf("hide a pack: %w", err)
	}
	crashpoint.Hit(crashpoint.PacksMarked)
	for _, p := range packs {
		if err := r.disk.Remove(filepath.Join(r.packDir(), p+".idx")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("hide a pack: %w", err)
		}
	}
	at := r.Moment()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.leaves.hidden == nil {
		r.leaves.hidden = map[string]Moment{}
	}
	for _, p := range packs {
		r.leaves.hidden[p] = at
	}
	r.leaves.superseded = slices.DeleteFunc(slices.Clone(r.leaves.superseded), func(p string) bool { return slices.Contains(packs, p) })
	crashpoint.Hit(crashpoint.PacksHidden)
	return nil
}

// Bury deletes the hidden packs that nobody can be reading any more, and returns how many
// are left, and how many bytes went.
func (r *Repo) Bury() (left int, freed int64, err error) {
	hidden := r.hiddenPacks()
	if len(hidden) == 0 {
		return 0, 0, nil
	}
	r.packs.Lock()
	defer r.packs.Unlock()
	hidden = r.hiddenPacks() // one may have come once more meanwhile
	release, err := r.Acquire()
	if err != nil {
		return 0, 0, nil // it has left this node
	}
	defer release()
	for p, at := range hidden {
		if r.ReadSince(at) {
			left++
			continue
		}
		info, serr := r.disk.Stat(filepath.Join(r.packDir(), p+".pack"))
		if berr := r.bury(p); berr != nil {
			err = errors.Join(err, berr)
			left++
			continue
		}
		if serr == nil {
			freed += info.Size()
		}
		r.forgetHidden(p)
	}
	return left, freed, err
}

func (r *Repo) hiddenPacks() map[string]Moment {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.leaves.hidden)
}

func (r *Repo) forgetHidden(pack string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.leaves.hidden, pack)
}

// bury deletes the files of a hidden pack, its mark last.
func (r *Repo) bury(pack string) error {
	for _, ext := range []string{".idx", ".rev", ".mtimes", ".bitmap", ".pack", hiddenMark} {
		if ext == hiddenMark {
			crashpoint.Hit(crashpoint.PacksBuried)
		}
		if err := r.disk.Remove(filepath.Join(r.packDir(), pack+ext)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("delete a pack: %w", err)
		}
	}
	return nil
}

// buryAll deletes what a run before this one has hidden: its index has gone, and nobody has seen it since.
func (r *Repo) buryAll() error {
	marks, err := matching(r.disk, r.packDir(), "*"+hiddenMark)
	if err != nil {
		return err
	}
	for _, m := range marks {
		pack := strings.TrimSuffix(filepath.Base(m), hiddenMark)
		if _, err := r.disk.Stat(filepath.Join(r.packDir(), pack+".idx")); err == nil {
			// It was marked, and no more: since then it may have counted, and been built on.
			if err := r.disk.Remove(m); err != nil {
				return fmt.Errorf("show a pack: %w", err)
			}
			continue
		}
		if err := r.bury(pack); err != nil {
			return err
		}
	}
	return nil
}

// unhide has a pack stay that comes once more under the name of one that leaves. r.packs is held.
func (r *Repo) unhide(pack string) error {
	r.forgetHidden(pack)
	err := r.disk.Remove(filepath.Join(r.packDir(), pack+hiddenMark))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return r.disk.Sync(r.packDir())
}

// isHidden tells whether a pack has lost its index because it leaves.
func (r *Repo) isHidden(pack string) bool {
	_, err := r.disk.Lstat(filepath.Join(r.packDir(), pack+hiddenMark))
	return err == nil
}

// Loose lists the objects that are in no pack.
func (r *Repo) Loose() (oids []string, err error) {
	dirs, err := matching(r.disk, filepath.Join(r.dir, "objects"), "[0-9a-f][0-9a-f]")
	if err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		files, err := matching(r.disk, dir, "*")
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if name := filepath.Base(f); len(name) == 38 && strings.Trim(name, "0123456789abcdef") == "" {
				oids = append(oids, filepath.Base(dir)+name)
			}
		}
	}
	return oids, nil
}

// DropLoose deletes objects that are in a pack as well. Who looks for one finds it there.
func (r *Repo) DropLoose(oids []string) error {
	if err := r.ours(); err != nil {
		return err
	}
	for _, oid := range oids {
		dir := filepath.Join(r.dir, "objects", oid[:2])
		if err := directory(r.disk, dir); err != nil {
			return err
		}
		if err := r.disk.Remove(filepath.Join(dir, oid[2:])); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		_ = r.disk.Remove(dir) // when it is empty
	}
	return nil
}

// DropMaps deletes what readers only find their way by, and what would name what is gone: the
// multi-pack-index with its bitmap, and the commit-graph.
func (r *Repo) DropMaps() error {
	if err := r.ours(); err != nil {
		return err
	}
	maps := []string{filepath.Join(r.packDir(), "multi-pack-index"), filepath.Join(r.dir, "objects/info/commit-graph")}
	beside, err := matching(r.disk, r.packDir(), "multi-pack-index-*")
	if err != nil {
		return err
	}
	for _, f := range append(maps, beside...) {
		if err := r.disk.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return r.disk.Sync(r.packDir())
}

// HasMaps tells whether there is any of them.
func (r *Repo) HasMaps() bool {
	for _, f := range []string{filepath.Join(r.packDir(), "multi-pack-index"), filepath.Join(r.dir, "objects/info/commit-graph")} {
		if _, err := r.disk.Lstat(f); err == nil {
			return true
		}
	}
	return false
}

// View makes a repository that has these packs of r's and no other objects, to see what would
// be left. The caller calls Remove in the end, whatever happened.
func (s *Store) View(r *Repo, packs []string) (*Staging, error) {
	st, err := s.stage(r, "")
	if err != nil {
		return st, err
	}
	for _, p := range packs {
		for _, ext := range []string{".pack", ".idx"} {
			if err := s.disk.Link(filepath.Join(r.packDir(), p+ext), filepath.Join(st.dir, "objects/pack", p+ext)); err != nil {
				return st, err
			}
		}
	}
	return st, nil
}
