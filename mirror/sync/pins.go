package sync

import (
	"context"
	"slices"
	"strings"

	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
	"gitmirror/mirror/work"
)

// heldPins are the pins that can be held: those whose objects are here. The last copy
// may have been lost with what a pin needs, and upstream is to be followed all the same.
func (w *Worker) heldPins(ctx context.Context, repo *store.Repo, a work.Assignment) ([]work.Pin, error) {
	if len(a.Pins) == 0 {
		return nil, nil
	}
	var ids []string
	for _, p := range a.Pins {
		ids = append(ids, p.OID)
	}
	missing, err := w.missing(ctx, repo, ids)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(a.Pins), func(p work.Pin) bool { return slices.Contains(missing, p.OID) || !lawful(p.Ref) }), nil
}

func lawful(ref string) bool { return refs.ValidName(ref) && refs.Ref{Name: ref}.Public() }

// pinned is list with the refs that a person has set where that person wants them;
// what stands in the way of one is left out. It notes what upstream shows instead, and
// which pins cannot be held.
func (w *Worker) pinned(a work.Assignment, held []work.Pin, list []refs.Ref) []refs.Ref {
	var shown []Pinned
	for _, p := range a.Pins {
		i, found := slices.BinarySearchFunc(list, p.Ref, func(r refs.Ref, n string) int { return strings.Compare(r.Name, n) })
		is := Pinned{Pin: p, Missing: !slices.Contains(held, p)}
		if found {
			is.Upstream = list[i].OID
		}
		shown = append(shown, is)
	}
	w.note(a.ID, func(f *Findings) { f.Pinned = shown })
	return withPins(list, held)
}

func withPins(list []refs.Ref, pins []work.Pin) []refs.Ref {
	if len(pins) == 0 {
		return list
	}
	list = slices.DeleteFunc(slices.Clone(list), func(r refs.Ref) bool {
		return slices.ContainsFunc(pins, func(p work.Pin) bool {
			return r.Name == p.Ref || strings.HasPrefix(r.Name, p.Ref+"/") || strings.HasPrefix(p.Ref, r.Name+"/")
		})
	})
	for _, p := range pins {
		list = append(list, refs.Ref{Name: p.Ref, OID: p.OID})
	}
	refs.Sort(list)
	return list
}

// unpinned tells whether a pin is not in the live table yet.
func unpinned(live *refs.Table, pins []work.Pin) bool {
	return slices.ContainsFunc(pins, func(p work.Pin) bool {
		r, ok := live.Find(p.Ref)
		return !ok || r.OID != p.OID
	})
}

// unpinned tells whether what is live lacks a pin that can be held. A table that
// cannot be read is somebody else's business.
func (w *Worker) unpinned(ctx context.Context, a work.Assignment) (bool, error) {
	repo := w.store.Repo(a.ID)
	if len(a.Pins) == 0 || a.Generation == 0 || repo == nil {
		return false, nil
	}
	live, err := repo.Table()
	if err != nil || !unpinned(live, a.Pins) {
		return false, nil
	}
	held, err := w.heldPins(ctx, repo, a)
	return err == nil && unpinned(live, held), err
}

// pinLive publishes the pins that the live table does not have, whatever upstream shows
// and whether it answers. What they replace is kept.
func (w *Worker) pinLive(ctx context.Context, a work.Assignment) (work.Result, error) {
	repo, live, err := w.ensure(a)
	if err != nil {
		return work.Result{}, err
	}
	release, err := repo.Build()
	if err != nil {
		return work.Result{}, err
	}
	defer release()
	pins, err := w.heldPins(ctx, repo, a) // once more: now what they need stays
	if err != nil || !unpinned(live, pins) {
		return work.Result{}, err
	}
	public := slices.DeleteFunc(slices.Clone(live.Refs), func(r refs.Ref) bool { return !r.Public() })
	list := withPins(public, pins)
	if err := w.peel(ctx, repo, live, list); err != nil {
		return work.Result{}, err
	}
	b := base{table: live, of: work.Generation{Number: live.Generation, Digest: live.Digest()}}
	changes := refs.Diff(live, list)
	if err := w.judge(ctx, repo, b, changes); err != nil {
		return work.Result{}, err
	}
	step, err := w.guardStep(ctx, a, repo, live, b, list, live.Head, changes)
	if err != nil {
		return work.Result{}, err
	}
	verdict, err := step.Weigh(history{ctx, w, repo})
	if err != nil {
		return work.Result{}, err
	}
	next, record, err := w.nextTable(ctx, a, repo, live, b, step, verdict.Only(changes), forgetAll)
	if err != nil {
		return work.Result{}, err
	}
	c, err := w.prepare(ctx, repo, a, live, next, record, b, changes)
	if err != nil {
		return work.Result{}, err
	}
	c.Pinned = true
	return w.publish(ctx, repo, c)
}
