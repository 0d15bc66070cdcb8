package mirror

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
)

// pinned is list with the refs that a person has set where that person wants them;
// what stands in the way of one is left out. It notes what upstream shows instead.
func (e *Engine) pinned(j *job, a Assignment, list []refs.Ref) []refs.Ref {
	var shown []Pinned
	for _, p := range a.Pins {
		i, found := slices.BinarySearchFunc(list, p.Ref, func(r refs.Ref, n string) int { return strings.Compare(r.Name, n) })
		is := Pinned{Pin: p}
		if found {
			is.Upstream = list[i].OID
		}
		shown = append(shown, is)
	}
	e.mu.Lock()
	j.pinned = shown
	e.mu.Unlock()
	return withPins(list, a.Pins)
}

func withPins(list []refs.Ref, pins []Pin) []refs.Ref {
	if len(pins) == 0 {
		return list
	}
	list = slices.DeleteFunc(slices.Clone(list), func(r refs.Ref) bool {
		return slices.ContainsFunc(pins, func(p Pin) bool {
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
func unpinned(live *refs.Table, pins []Pin) bool {
	return slices.ContainsFunc(pins, func(p Pin) bool {
		r, ok := live.Find(p.Ref)
		return !ok || r.OID != p.OID
	})
}

// unpinned tells whether what is live lacks a pin. A table that cannot be read is
// somebody else's business.
func (e *Engine) unpinned(a Assignment) bool {
	if len(a.Pins) == 0 || a.Generation == 0 {
		return false
	}
	repo := e.store.Repo(a.ID)
	if repo == nil {
		return false
	}
	live, err := repo.Table()
	return err == nil && unpinned(live, a.Pins)
}

// pinLive is pin on what is live now.
func (e *Engine) pinLive(ctx context.Context, a Assignment) (outcome, error) {
	repo, err := e.store.Ensure(a.ID, a.Name)
	if err != nil {
		return outcome{}, failure.New(failure.Disk, err.Error(), err)
	}
	live, err := repo.Table()
	if err != nil {
		return outcome{}, err
	}
	return e.pin(ctx, a, repo, live)
}

// pin publishes the pins that the live table does not have, whatever upstream shows
// and whether it answers. What they replace is kept.
func (e *Engine) pin(ctx context.Context, a Assignment, repo *store.Repo, live *refs.Table) (outcome, error) {
	release, err := repo.Acquire()
	if err != nil {
		return outcome{}, err
	}
	defer release()
	var ids []string
	for _, p := range a.Pins {
		ids = append(ids, p.OID)
	}
	if missing, err := e.fetch.Missing(ctx, repo.Dir(), ids); err != nil {
		return outcome{}, err
	} else if len(missing) > 0 {
		return outcome{}, failure.New(failure.Refused, fmt.Sprintf("object %s, to which a ref is to be restored, is not in this copy", missing[0]), nil)
	}
	public := slices.DeleteFunc(slices.Clone(live.Refs), func(r refs.Ref) bool { return !r.Public() })
	list := withPins(public, a.Pins)
	if err := e.peel(ctx, repo, live, list); err != nil {
		return outcome{}, err
	}
	b := base{table: live, of: Generation{live.Generation, live.Digest()}}
	changes := refs.Diff(live, list)
	if err := e.judge(ctx, repo, b, changes); err != nil {
		return outcome{}, err
	}
	step, err := e.guardStep(ctx, a, repo, live, b, list, live.Head, changes)
	if err != nil {
		return outcome{}, err
	}
	verdict, err := step.Weigh(history{ctx, e, repo})
	if err != nil {
		return outcome{}, err
	}
	next, record, err := e.nextTable(ctx, a, repo, live, b, step, verdict.Only(changes), true)
	if err != nil {
		return outcome{}, err
	}
	c, err := e.prepare(ctx, repo, a, live, next, record, b, changes)
	if err != nil {
		return outcome{}, err
	}
	return e.publish(ctx, repo, c)
}
