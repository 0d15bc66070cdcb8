package world

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/maintain"
	"gitmirror/mirror/store"
)

// What maintenance asks of objects that are made up: packs are joined and gathered as git's
// are, so that what it takes for whole, and deletes, is found out where it is wrong.

func idsIn(dir, pack string) ([]string, error) {
	data, err := os.ReadFile(filepath.Join(dir, "objects/pack", pack+".pack"))
	if err != nil {
		return nil, err
	}
	return unpacked(data)
}

func (o *objects) Count(dir, pack string) (int, error) {
	ids, err := idsIn(dir, pack)
	return len(ids), err
}

func (o *objects) Mapped(string) ([]string, error) { return nil, nil }

// Used counts bytes as they lie in a pack.
func (o *objects) Used(_ context.Context, dir string, tips []string) (int64, error) {
	have, err := in(dir)
	if err != nil {
		return 0, err
	}
	n := 0
	for id := range o.of.history.closure(tips...) {
		if !have[id] {
			return 0, fmt.Errorf("missing object %s", id)
		}
		n += len(id) + 1
	}
	return int64(n), nil
}

func (o *objects) Join(_ context.Context, st *store.Staging, dir string, packs, loose []string) error {
	all := map[string]bool{}
	for _, p := range packs {
		ids, err := idsIn(dir, p)
		if err != nil {
			return err
		}
		for _, id := range ids {
			all[id] = true
		}
	}
	if len(loose) > 0 {
		return fmt.Errorf("%d loose objects in a world that makes none", len(loose))
	}
	return writePack(st.Dir(), slices.Sorted(maps.Keys(all)))
}

func (o *objects) Gather(_ context.Context, st *store.Staging, tips []string) error {
	have, err := in(st.Dir())
	if err != nil {
		return err
	}
	all := slices.Sorted(maps.Keys(o.of.history.closure(tips...)))
	for _, id := range all {
		if !have[id] {
			return fmt.Errorf("missing object %s", id)
		}
	}
	return writePack(st.Dir(), all)
}

func (o *objects) Connected(_ context.Context, dir string, tips, whole []string) error {
	have, err := in(dir)
	if err != nil {
		return err
	}
	known := o.of.history.closure(whole...)
	for id := range o.of.history.closure(tips...) {
		if !have[id] && !known[id] {
			return fmt.Errorf("%w: %s", maintain.ErrAbsent, id)
		}
	}
	return nil
}

func (o *objects) Map(context.Context, string, string, maintain.Map) error { return nil }

// writePack puts a pack into a repository.
func writePack(dir string, ids []string) error {
	data := packed(ids)
	sum := sha256.Sum256(data)
	name := filepath.Join(dir, "objects/pack/pack-"+hex.EncodeToString(sum[:20]))
	if err := os.WriteFile(name+".pack", data, 0o444); err != nil {
		return failure.Wrap(failure.Disk, err)
	}
	if err := os.WriteFile(name+".idx", nil, 0o444); err != nil {
		return failure.Wrap(failure.Disk, err)
	}
	return nil
}
