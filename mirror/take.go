package mirror

import (
	"context"
	"crypto/rand"
	"slices"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/fetch"
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
	changes := refs.Diff(b.table, list)
	if live.Generation > 0 && live.Generation == a.Generation && len(changes) == 0 && head == live.Head {
		return outcome{}, nil
	}
	if hold := brake(a, b, list, changes, head); hold != nil {
		return outcome{SyncResult: SyncResult{Hold: hold}}, nil
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
	if err := e.stage(ctx, j, repo, list, head, fetch.Source{URL: upstream, Way: way, Limits: e.limits(a, repo)}, turns{r.host.fetches, e.fetches}); err != nil {
		return outcome{}, err
	}
	next, err := e.nextTable(ctx, repo, live, b, list, changes, head)
	if err != nil {
		return outcome{}, err
	}
	next.Generation = a.Generation + 1
	if err := repo.Prepare(next); err != nil {
		return outcome{}, failure.New(failure.Disk, err.Error(), err)
	}
	c, err := e.candidate(ctx, repo, a, live, next, b, changes)
	if err != nil {
		return outcome{}, err
	}
	return e.publish(ctx, repo, c)
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

// nextTable builds the table of the next generation: what upstream shows, tags
// peeled, and the tips it took away kept. It sets the kinds of changes.
func (e *Engine) nextTable(ctx context.Context, repo *store.Repo, live *refs.Table, b base, list []refs.Ref, changes []refs.Change, head refs.Head) (*refs.Table, error) {
	if err := e.peel(ctx, repo, live, list); err != nil {
		return nil, err
	}
	if err := e.judge(ctx, repo, b, changes); err != nil {
		return nil, err
	}
	gone := slices.DeleteFunc(slices.Clone(changes), func(c refs.Change) bool { return c.Kind != refs.Forced && c.Kind != refs.Deleted })
	if b.rebuilt {
		// What was live here, and what the log says came after it, may both have
		// been taken away.
		gone = append(gone, slices.DeleteFunc(refs.Diff(live, list), func(c refs.Change) bool { return c.Old == "" })...)
	}
	gone, err := e.unreachable(ctx, repo, gone, list)
	if err != nil {
		return nil, err
	}
	all := append(slices.Clone(list), refs.Kept(live, gone, e.cfg.LogTime())...)
	refs.Sort(all)
	return &refs.Table{Candidate: rand.Text(), Head: head, Refs: all}, nil
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
