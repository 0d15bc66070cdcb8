package world

import (
	"fmt"
	"slices"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/mirror/refs"
)

// lineage of a row are the generations whose tips must be there still: those that the present one
// stands on, by what each publish said of its base. One that was made of what upstream alone
// has, where no copy was left, stands on none; one that was made of an older one, while nobody
// had the newest, not on those between, until they are recovered; nor on its own base, where the refs of
// that were put together from the log and its objects were not all there.
type lineage []uint64

// with is the lineage after a publish.
func (l lineage) with(row *fsm.Repo, p *command.Publish) lineage {
	base := row.Base().Number
	next := slices.DeleteFunc(slices.Clone(l), func(g uint64) bool { return g > base || g == base && p.GetRebuilt() && !p.GetComplete() })
	for _, g := range p.GetRecovered() {
		if !slices.Contains(next, g) {
			next = append(next, g)
		}
	}
	return append(next, row.Generation)
}

// unkept says which tips that a row has had cannot be restored from a table: they are in no
// ref of it, nor does one lead there.
func (r *run) unkept(log *chronicle, v version, table *refs.Table) error {
	if r.aged || log.doubted.Load() {
		return nil // where days have gone by, or seem to have, not each tip is kept
	}
	u := r.w.upstream(v.row.URLs()[0])
	have := r.w.history.closure(oids(table)...)
	for _, was := range log.rows[v.row.ID] {
		if was.row == nil || was.from > v.from || !slices.Contains(log.lines[v.row.ID], was.row.Generation) {
			continue
		}
		for name, id := range u.had(refs.Digest(was.row.RefsDigest)) {
			if !have[id] {
				return fmt.Errorf("%s of %s, which generation %d had, cannot be restored", id, name, was.row.Generation)
			}
		}
	}
	return nil
}

func oids(table *refs.Table) (ids []string) {
	for _, ref := range table.Refs {
		ids = append(ids, ref.OID)
	}
	return ids
}

// had are the refs it had when that was their digest, nil where it never was so.
func (u *Upstream) had(digest refs.Digest) map[string]string {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range u.pasts {
		if p.refs == digest {
			return p.names
		}
	}
	return nil
}
