package sync

import (
	"context"
	"crypto/rand"
	"slices"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/fetch"
	"gitmirror/mirror/past"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/remote"
	"gitmirror/mirror/store"
	"gitmirror/mirror/wire"
	"gitmirror/mirror/work"
)

// ensure makes the directory of a copy, where there is none, and reads its live table.
func (w *Worker) ensure(a work.Assignment) (*store.Repo, *refs.Table, error) {
	repo, err := w.store.Ensure(a.ID, a.Name)
	if err != nil {
		return nil, nil, failure.Wrap(failure.Disk, err)
	}
	live, err := repo.Table()
	return repo, live, err
}

// take makes what upstream shows the next generation: stage, prove, prepare,
// publish. Until publish, nothing that is served has changed. git goes where the check
// has found upstream, and nowhere else. held is the slot that was waited for before, nil
// for none.
func (w *Worker) take(ctx context.Context, t work.Task, from source, upstream remote.Remote, advert *wire.Advert, held *slot) (work.Result, error) {
	a := t.Assignment
	repo, live, err := w.ensure(a)
	if err != nil {
		return work.Result{}, err
	}
	b := w.baseOf(a, live)
	list, skipped := refs.Select(advert, a.Policy.RefPrefixes, b.table)
	head, unlawful := refs.SelectHead(advert)
	w.noteSkipped(a, append(unlawful, skipped...))
	observed := (&refs.Table{Head: head, Refs: list}).Digest()
	release, err := repo.Build()
	if err != nil {
		return work.Result{}, err
	}
	defer release()
	pins, err := w.heldPins(ctx, repo, a)
	if err != nil {
		return work.Result{}, err
	}
	list = w.pinned(a, pins, list)
	changes := refs.Diff(b.table, list)
	if live.Generation > 0 && live.Generation == a.Generation && len(changes) == 0 && head == live.Head {
		return work.Result{Judged: true}, nil
	}
	if hold := brake(a, b, list, head); hold != nil {
		return work.Result{Answer: work.Answer{Hold: hold}, Judged: true}, nil
	}
	way, err := upstream.Fetch()
	if err != nil {
		return work.Result{}, err
	}
	defer way.Close()
	if err := w.stage(ctx, repo, list, head, fetch.Source{Way: way, Limits: w.limits(a, repo)}, from, upstreamTurn{w.fetches, t, live.Generation == 0, held, way}); err != nil {
		return work.Result{}, err
	}
	if err := w.peel(ctx, repo, live, list); err != nil {
		return work.Result{}, err
	}
	if err := w.judge(ctx, repo, b, changes); err != nil {
		return work.Result{}, err
	}
	step, err := w.guardStep(ctx, a, repo, live, b, list, head, changes)
	if err != nil {
		return work.Result{}, err
	}
	verdict, err := step.Weigh(history{ctx, w, repo})
	if err != nil {
		return work.Result{}, err
	}
	beside, forgotten, err := w.allow(ctx, repo, a, step, verdict, observed)
	if err != nil {
		return work.Result{}, err
	}
	if beside.Reason != "" && !publishedBefore(a, b, observed, beside, changes) {
		return work.Result{Answer: work.Answer{Hold: holdOf(beside, observed)}, Judged: true}, nil
	}
	next, record, err := w.nextTable(ctx, a, repo, live, b, step, verdict, forgotten)
	if err != nil {
		return work.Result{}, err
	}
	c, err := w.prepare(ctx, repo, a, live, next, record, b, changes)
	if err != nil {
		return work.Result{}, err
	}
	c.Heard = a.Word
	out, err := w.publish(ctx, repo, c)
	if out.Changed {
		w.warnOfLost(a, verdict, changes, forgotten)
	}
	out.Judged = true
	return out, err
}

// prepare puts the next table beside the live one, and describes it for the log.
func (w *Worker) prepare(ctx context.Context, repo *store.Repo, a work.Assignment, live, next *refs.Table, record *past.Record, b base, changes []refs.Change) (Candidate, error) {
	next.Generation = a.Generation + 1
	if err := next.Check(); err != nil {
		return Candidate{}, failure.New(failure.Refused, "the next table would be damaged: "+err.Error(), err)
	}
	var file []byte
	if a.Remembers {
		file, next.Past = record.Encode(), record.Digest()
	}
	if err := repo.Prepare(next, file); err != nil {
		return Candidate{}, failure.Wrap(failure.Disk, err)
	}
	return w.candidate(ctx, repo, a, live, next, b, changes)
}

// warnOfLost says what a step that is followed takes away.
func (w *Worker) warnOfLost(a work.Assignment, v past.Verdict, changes []refs.Change, forgotten forgotten) {
	lost := v.Taken(changes)
	lost = slices.DeleteFunc(lost, func(c refs.Change) bool { return forgotten.has(c.Ref) })
	if len(lost) > 0 {
		w.log.Warn("upstream took away settled refs; their tips are kept", "repo", a.Name, "lost", len(lost), "of", v.Settled, "first", lost[0].Ref)
	}
}

// nextTable builds the table of the next generation, and the record of it: what
// upstream shows, and the tips it took away kept.
func (w *Worker) nextTable(ctx context.Context, a work.Assignment, repo *store.Repo, live *refs.Table, b base, step *past.Step, v past.Verdict, forgotten forgotten) (*refs.Table, *past.Record, error) {
	forced := slices.DeleteFunc(slices.Clone(step.Changes), func(c refs.Change) bool { return c.Kind != refs.Forced })
	if b.rebuilt {
		// What was live here, and what the log says came after it, may both have
		// been taken away.
		forced = append(forced, slices.DeleteFunc(refs.Diff(b.table, step.List), func(c refs.Change) bool { return c.Old == "" })...)
	}
	if head := live.Head; head != "" && head.Target() == "" && head != step.Head {
		forced = append(forced, refs.Change{Ref: "HEAD", Old: string(head), Kind: refs.Deleted})
	}
	forced, err := w.unreachable(ctx, repo, forced, step.List)
	if err != nil {
		return nil, nil, err
	}
	unreachable := map[string]bool{}
	for _, c := range forced {
		unreachable[c.Old] = true
	}
	gone := step.Gone(v, unreachable)
	if b.rebuilt {
		for _, c := range forced {
			if !slices.ContainsFunc(gone, func(g past.Gone) bool { return g.Ref == c.Ref && g.Old == c.Old }) {
				gone = append(gone, past.Gone{Change: c, Settled: true})
			}
		}
	}
	if gone, err = w.present(ctx, repo, gone); err != nil {
		return nil, nil, err
	}
	record := step.Next(v, forgotten.has)
	all := append(slices.Clone(step.List), past.Keep(live, step.Past, gone, record, step.At)...)
	refs.Sort(all)
	return &refs.Table{Candidate: rand.Text(), Head: step.Head, Refs: all}, record, nil
}

// present leaves out those whose old tips are not here: git would take a table that
// names them for damaged.
func (w *Worker) present(ctx context.Context, repo *store.Repo, gone []past.Gone) ([]past.Gone, error) {
	changes := make([]refs.Change, len(gone))
	for i, g := range gone {
		changes[i] = g.Change
	}
	missing, err := w.missingOld(ctx, repo, changes)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(gone, func(g past.Gone) bool { return missing[g.Old] }), nil
}

// judge is Fetcher.Judge for changes whose old tips may not be here: what is not
// here is no ancestor of what is whole, so the ref was forced.
func (w *Worker) judge(ctx context.Context, repo *store.Repo, b base, changes []refs.Change) error {
	if b.rebuilt {
		missing, err := w.missingOld(ctx, repo, changes)
		if err != nil {
			return err
		}
		for i, c := range changes {
			if c.Kind == refs.Updated && missing[c.Old] {
				changes[i].Kind = refs.Forced
			}
		}
	}
	return w.objects.Judge(ctx, repo.Dir(), changes)
}

// unreachable returns those changes whose old tip is here, and only there.
func (w *Worker) unreachable(ctx context.Context, repo *store.Repo, gone []refs.Change, list []refs.Ref) ([]refs.Change, error) {
	missing, err := w.missingOld(ctx, repo, gone)
	if err != nil {
		return nil, err
	}
	seen := map[refs.Change]bool{}
	gone = slices.DeleteFunc(gone, func(c refs.Change) bool {
		key := refs.Change{Ref: c.Ref, Old: c.Old}
		drop := missing[c.Old] || seen[key]
		seen[key] = true
		return drop
	})
	var tips []string
	for _, c := range gone {
		tips = append(tips, c.Old)
	}
	lost, err := w.objects.Unreachable(ctx, repo.Dir(), tips, list)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(gone, func(c refs.Change) bool { return !lost[c.Old] }), nil
}

// missingOld tells which old tips are not here with all they lead to.
func (w *Worker) missingOld(ctx context.Context, repo *store.Repo, changes []refs.Change) (map[string]bool, error) {
	var old []string
	for _, c := range changes {
		if c.Old != "" {
			old = append(old, c.Old)
		}
	}
	list, err := w.missing(ctx, repo, old)
	missing := map[string]bool{}
	for _, oid := range list {
		missing[oid] = true
	}
	return missing, err
}

// peel asks git what the tags among list lead to, but for those the live table
// knows already.
func (w *Worker) peel(ctx context.Context, repo *store.Repo, table *refs.Table, list []refs.Ref) error {
	var unknown []refs.Ref
	var where []int
	for i, r := range list {
		if old, ok := table.Find(r.Name); ok && old.OID == r.OID {
			list[i].Peeled = old.Peeled
			continue
		}
		unknown, where = append(unknown, r), append(where, i)
	}
	if err := w.objects.Peel(ctx, repo.Dir(), unknown); err != nil {
		return err
	}
	for k, i := range where {
		list[i].Peeled = unknown[k].Peeled
	}
	return nil
}
