package mirror

import (
	"context"
	"crypto/rand"
	"slices"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/fetch"
	"gitmirror/mirror/past"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
	"gitmirror/mirror/wire"
)

// take makes what upstream shows the next generation: stage, prove, prepare,
// publish. Until publish, nothing that is served has changed. upstream is where the
// check found it, at the end of all redirects: git goes there, and nowhere else.
func (e *Engine) take(ctx context.Context, j *job, r *run, upstream string, advert *wire.Advert) (outcome, error) {
	a := r.a
	repo, err := e.store.Ensure(a.ID, a.Name)
	if err != nil {
		return outcome{}, failure.New(failure.Disk, err.Error(), err)
	}
	live, err := repo.Table()
	if err != nil {
		return outcome{}, err
	}
	b := e.baseOf(a, live)
	list, skipped := refs.Select(advert, a.Policy.Prefixes, b.table)
	head, unlawful := refs.SelectHead(advert)
	e.noteSkipped(j, append(unlawful, skipped...))
	observed := (&refs.Table{Head: head, Refs: list}).Digest()
	pins, err := e.heldPins(ctx, repo, a)
	if err != nil {
		return outcome{}, err
	}
	list = e.pinned(j, a, pins, list)
	changes := refs.Diff(b.table, list)
	if live.Generation > 0 && live.Generation == a.Generation && len(changes) == 0 && head == live.Head {
		return outcome{judged: true}, nil
	}
	if hold := brake(a, b, list, head); hold != nil {
		return outcome{SyncResult: SyncResult{Hold: hold}, judged: true}, nil
	}
	release, err := repo.Acquire()
	if err != nil {
		return outcome{}, err
	}
	defer release()
	way, err := e.proxy.Grant(upstream)
	if err != nil {
		return outcome{}, err
	}
	defer way.Revoke()
	if err := e.stage(ctx, j, repo, list, head, fetch.Source{URL: upstream, Way: way, Limits: e.limits(a, repo)}, upstreamTurn{e.fetches, r.host.name, way}); err != nil {
		return outcome{}, err
	}
	if err := e.peel(ctx, repo, live, list); err != nil {
		return outcome{}, err
	}
	if err := e.judge(ctx, repo, b, changes); err != nil {
		return outcome{}, err
	}
	step, err := e.guardStep(ctx, a, repo, live, b, list, head, changes)
	if err != nil {
		return outcome{}, err
	}
	verdict, err := step.Weigh(history{ctx, e, repo})
	if err != nil {
		return outcome{}, err
	}
	beside, forgotten, err := e.allow(ctx, repo, a, step, verdict, observed)
	if err != nil {
		return outcome{}, err
	}
	if beside.Reason != "" && !publishedBefore(a, b, observed, beside, changes) {
		return outcome{SyncResult: SyncResult{Hold: holdOf(beside, observed)}, judged: true}, nil
	}
	next, record, err := e.nextTable(ctx, a, repo, live, b, step, verdict, forgotten)
	if err != nil {
		return outcome{}, err
	}
	c, err := e.prepare(ctx, repo, a, live, next, record, b, changes)
	if err != nil {
		return outcome{}, err
	}
	c.Heard = a.Word
	out, err := e.publish(ctx, repo, c)
	if out.Changed {
		e.warnOfLost(a, verdict, changes, forgotten)
	}
	out.judged = true
	return out, err
}

// prepare puts the next table beside the live one, and describes it for the log.
func (e *Engine) prepare(ctx context.Context, repo *store.Repo, a Assignment, live, next *refs.Table, record *past.Record, b base, changes []refs.Change) (Candidate, error) {
	next.Generation = a.Generation + 1
	if err := next.Check(); err != nil {
		return Candidate{}, failure.New(failure.Refused, "the next table would be damaged: "+err.Error(), err)
	}
	var file []byte
	if a.Remembers {
		file, next.Past = record.Encode(), record.Digest()
	}
	if err := repo.Prepare(next, file); err != nil {
		return Candidate{}, failure.New(failure.Disk, err.Error(), err)
	}
	return e.candidate(ctx, repo, a, live, next, b, changes)
}

// warnOfLost says what a step that is followed takes away.
func (e *Engine) warnOfLost(a Assignment, v past.Verdict, changes []refs.Change, forgotten forgotten) {
	lost := v.Taken(changes)
	lost = slices.DeleteFunc(lost, func(c refs.Change) bool { return forgotten.has(c.Ref) })
	if len(lost) > 0 {
		e.log.Warn("upstream took away settled refs; their tips are kept", "repo", a.Name, "lost", len(lost), "of", v.Settled, "first", lost[0].Ref)
	}
}

// firstSkipped is how many of the refs that are not mirrored are named.
const firstSkipped = 5

// noteSkipped remembers which of upstream's refs are not mirrored, for whoever asks.
func (e *Engine) noteSkipped(j *job, skipped []refs.Skipped) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(skipped) > 0 && len(skipped) != j.skipped {
		e.log.Info("upstream refs not mirrored", "repo", j.want.Name, "count", len(skipped), "first", skipped[0].Name, "reason", skipped[0].Reason)
	}
	j.skipped = len(skipped)
	j.firstSkipped = slices.Clone(skipped[:min(len(skipped), firstSkipped)])
}

// nextTable builds the table of the next generation, and the record of it: what
// upstream shows, and the tips it took away kept.
func (e *Engine) nextTable(ctx context.Context, a Assignment, repo *store.Repo, live *refs.Table, b base, step *past.Step, v past.Verdict, forgotten forgotten) (*refs.Table, *past.Record, error) {
	forced := slices.DeleteFunc(slices.Clone(step.Changes), func(c refs.Change) bool { return c.Kind != refs.Forced })
	if b.rebuilt {
		// What was live here, and what the log says came after it, may both have
		// been taken away.
		forced = append(forced, slices.DeleteFunc(refs.Diff(b.table, step.List), func(c refs.Change) bool { return c.Old == "" })...)
	}
	if head := live.Head; head != "" && head.Target() == "" && head != step.Head {
		forced = append(forced, refs.Change{Ref: "HEAD", Old: string(head), Kind: refs.Deleted})
	}
	forced, err := e.unreachable(ctx, repo, forced, step.List)
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
	if gone, err = e.present(ctx, repo, gone); err != nil {
		return nil, nil, err
	}
	record := step.Next(v, forgotten.has)
	all := append(slices.Clone(step.List), past.Keep(live, step.Past, gone, record, step.At)...)
	refs.Sort(all)
	return &refs.Table{Candidate: rand.Text(), Head: step.Head, Refs: all}, record, nil
}

// present leaves out those whose old tips are not here: git would take a table that
// names them for damaged.
func (e *Engine) present(ctx context.Context, repo *store.Repo, gone []past.Gone) ([]past.Gone, error) {
	changes := make([]refs.Change, len(gone))
	for i, g := range gone {
		changes[i] = g.Change
	}
	missing, err := e.missing(ctx, repo, changes)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(gone, func(g past.Gone) bool { return missing[g.Old] }), nil
}

// judge is Fetcher.Judge for changes whose old tips may not be here: what is not
// here is no ancestor of what is whole, so the ref was forced.
func (e *Engine) judge(ctx context.Context, repo *store.Repo, b base, changes []refs.Change) error {
	if b.rebuilt {
		missing, err := e.missing(ctx, repo, changes)
		if err != nil {
			return err
		}
		for i, c := range changes {
			if c.Kind == refs.Updated && missing[c.Old] {
				changes[i].Kind = refs.Forced
			}
		}
	}
	return e.fetch.Judge(ctx, repo.Dir(), changes)
}

// unreachable returns those changes whose old tip is here, and only there.
func (e *Engine) unreachable(ctx context.Context, repo *store.Repo, gone []refs.Change, list []refs.Ref) ([]refs.Change, error) {
	missing, err := e.missing(ctx, repo, gone)
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
	lost, err := e.fetch.Unreachable(ctx, repo.Dir(), tips, list)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(gone, func(c refs.Change) bool { return !lost[c.Old] }), nil
}

// missing tells which old tips are not here.
func (e *Engine) missing(ctx context.Context, repo *store.Repo, changes []refs.Change) (map[string]bool, error) {
	var old []string
	for _, c := range changes {
		if c.Old != "" {
			old = append(old, c.Old)
		}
	}
	list, err := e.fetch.Missing(ctx, repo.Dir(), old)
	missing := map[string]bool{}
	for _, oid := range list {
		missing[oid] = true
	}
	return missing, err
}

// peel asks git what the tags among list lead to, but for those the live table
// knows already.
func (e *Engine) peel(ctx context.Context, repo *store.Repo, table *refs.Table, list []refs.Ref) error {
	var unknown []refs.Ref
	var where []int
	for i, r := range list {
		if old, ok := table.Find(r.Name); ok && old.OID == r.OID {
			list[i].Peeled = old.Peeled
			continue
		}
		unknown, where = append(unknown, r), append(where, i)
	}
	if err := e.fetch.Peel(ctx, repo.Dir(), unknown); err != nil {
		return err
	}
	for k, i := range where {
		list[i].Peeled = unknown[k].Peeled
	}
	return nil
}
