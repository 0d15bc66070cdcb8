package mirror

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gitmirror/mirror/detect"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/fetch"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
	"gitmirror/mirror/wire"
)

// now is the engine's clock.
func (e *Engine) now() time.Time { return time.Now() }

// sight is an answer of an upstream that was dealt with, and the table that was
// live when it had been. "Unchanged" means equal to what is live, so it counts
// only for the same url, the same prefixes and that table.
type sight struct {
	fingerprint detect.Fingerprint
	prefixes    string
	live        refs.Digest
}

// lastSeen is the fingerprint with which an upstream would be unchanged, zero for
// none.
func (e *Engine) lastSeen(j *job, a Assignment, upstream string) detect.Fingerprint {
	repo := e.store.Repo(a.ID)
	if repo == nil {
		return 0
	}
	_, live := repo.Generation()
	s := j.seen[upstream]
	if s.prefixes != strings.Join(a.Policy.Prefixes, " ") || s.live != live {
		return 0
	}
	return s.fingerprint
}

// see notes that upstream's answer led to what is live now.
func (e *Engine) see(j *job, a Assignment, upstream string, f detect.Fingerprint) {
	repo := e.store.Repo(a.ID)
	if repo == nil {
		return
	}
	if j.seen == nil {
		j.seen = map[string]sight{}
	}
	_, live := repo.Generation()
	j.seen[upstream] = sight{f, strings.Join(a.Policy.Prefixes, " "), live}
}

// check asks upstream, its urls in order until one answers, and publishes what
// is new.
func (e *Engine) check(ctx context.Context, j *job, r *run) outcome {
	a := r.a
	out := outcome{checked: true, checkedAt: e.now()}
	var first *failure.Error
	for _, upstream := range a.URLs {
		res, err := e.detect.Check(ctx, upstream, a.Policy.Prefixes, e.lastSeen(j, a, upstream))
		if err == nil && res.Unchanged {
			return out
		}
		if err == nil {
			var taken outcome
			taken, err = e.take(ctx, j, r, upstream, res.Advert)
			if err == nil {
				// What was shown has been dealt with only when it is what is live.
				if taken.Failure == nil && !taken.waiting && taken.Hold == nil {
					e.see(j, a, upstream, res.Fingerprint)
				}
				taken.checked, taken.checkedAt = true, out.checkedAt
				return taken
			}
			out.broken = out.broken || taken.broken
		}
		if first == nil {
			first = failure.Of(err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	out.Failure = first
	return out
}

// take makes what upstream shows the next generation: stage, prove, prepare,
// publish. Until publish, nothing that is served has changed.
func (e *Engine) take(ctx context.Context, j *job, r *run, upstream string, advert *wire.Advert) (outcome, error) {
	a := r.a
	repo, err := e.store.Ensure(a.ID, a.Name)
	if err != nil {
		return outcome{}, failure.New(failure.Disk, err.Error(), err)
	}
	table, err := repo.Table()
	if err != nil {
		return outcome{broken: errors.Is(err, refs.ErrDamaged)}, failure.New(failure.Corrupt, "this node's copy is damaged: "+err.Error(), err)
	}
	list, skipped := refs.Select(advert, a.Policy.Prefixes, table)
	if len(skipped) > 0 {
		e.log.Debug("upstream refs not mirrored", "repo", a.Name, "count", len(skipped), "first", skipped[0].Name, "reason", skipped[0].Reason)
	}
	head := refs.SelectHead(advert)
	changes := refs.Diff(table, list)
	if table.Generation > 0 && len(changes) == 0 && head == table.Head {
		return outcome{}, nil
	}
	if hold := brake(table, list, changes, head); hold != nil {
		return outcome{SyncResult: SyncResult{Hold: hold}}, nil
	}
	release, err := repo.Acquire()
	if err != nil {
		return outcome{}, err
	}
	defer release()
	if err := e.stage(ctx, j, repo, list, head, fetch.Source{URL: upstream, Proxy: e.proxy.URL()}, turns{r.host.fetches, e.fetches}); err != nil {
		return outcome{}, err
	}
	next, err := e.nextTable(ctx, repo, table, list, changes, head)
	if err != nil {
		return outcome{}, err
	}
	next.Generation = a.Generation + 1
	if err := repo.Prepare(next); err != nil {
		return outcome{}, failure.New(failure.Disk, err.Error(), err)
	}
	c := candidateOf(a, table, next)
	if !c.Baseline {
		c.Changes = changes // with their kinds
	}
	return e.publish(ctx, repo, c)
}

// stage fetches the objects that list and head need and repo lacks, proves
// them, and moves them in, where no ref names them yet.
func (e *Engine) stage(ctx context.Context, j *job, repo *store.Repo, list []refs.Ref, head refs.Head, src fetch.Source, turn turns) error {
	missing, err := e.fetch.Missing(ctx, repo.Dir(), tips(list, head))
	if err != nil || len(missing) == 0 {
		return err
	}
	release, err := turn.acquire(ctx)
	if err != nil {
		return failure.Of(err)
	}
	defer release()
	if err := e.roomFor(repo); err != nil {
		return err
	}
	e.setSyncing(j, true)
	defer e.setSyncing(j, false)
	staging, err := e.store.Stage(repo)
	if staging != nil {
		defer func() {
			if rerr := staging.Remove(); rerr != nil {
				e.log.Warn("cannot remove staging", "repo", repo.Name(), "err", rerr)
			}
		}()
	}
	if err != nil {
		return failure.New(failure.Disk, err.Error(), err)
	}
	if err := e.fetch.Fetch(ctx, staging, src, missing); err != nil {
		return err
	}
	if err := staging.Adopt(); err != nil {
		return failure.New(failure.Disk, err.Error(), err)
	}
	return nil
}

func (e *Engine) setSyncing(j *job, on bool) {
	e.mu.Lock()
	j.syncing = on
	e.mu.Unlock()
	e.cfg.Changed(j.id)
}

func tips(list []refs.Ref, head refs.Head) []string {
	ids := make([]string, 0, len(list)+1)
	for _, r := range list {
		ids = append(ids, r.OID)
	}
	if head != "" && head.Target() == "" {
		ids = append(ids, string(head))
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// nextTable builds the table of the next generation: what upstream shows, tags
// peeled, and the tips it took away kept. It sets the kinds of changes.
func (e *Engine) nextTable(ctx context.Context, repo *store.Repo, table *refs.Table, list []refs.Ref, changes []refs.Change, head refs.Head) (*refs.Table, error) {
	if err := e.peel(ctx, repo, table, list); err != nil {
		return nil, err
	}
	if err := e.fetch.Judge(ctx, repo.Dir(), changes); err != nil {
		return nil, err
	}
	var gone []refs.Change
	var goneTips []string
	for _, c := range changes {
		if c.Kind == refs.Forced || c.Kind == refs.Deleted {
			gone = append(gone, c)
			goneTips = append(goneTips, c.Old)
		}
	}
	lost, err := e.fetch.Unreachable(ctx, repo.Dir(), goneTips, list)
	if err != nil {
		return nil, err
	}
	gone = slices.DeleteFunc(gone, func(c refs.Change) bool { return !lost[c.Old] })
	all := append(slices.Clone(list), refs.Kept(table, gone, e.now())...)
	refs.Sort(all)
	return &refs.Table{Candidate: rand.Text(), Head: head, Refs: all}, nil
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

// The brake: what upstream may take away at once before a person looks at it.
const (
	brakeShare = 0.30
	brakeLeast = 5
)

func brake(table *refs.Table, list []refs.Ref, changes []refs.Change, head refs.Head) *Hold {
	had := table.PublicRefs()
	if had == 0 {
		return nil
	}
	observed := (&refs.Table{Head: head, Refs: list}).Digest()
	deleted := 0
	for _, c := range changes {
		if c.Kind == refs.Deleted {
			deleted++
		}
	}
	switch {
	case len(list) == 0:
		return &Hold{Reason: "empty", Observed: observed}
	case deleted >= brakeLeast && float64(deleted) > brakeShare*float64(had):
		return &Hold{Reason: "mass_delete", Observed: observed}
	}
	return nil
}

// HoldMessage says what a hold is, for people.
func HoldMessage(reason string) string {
	switch reason {
	case "empty":
		return "upstream shows no refs any more; the last good generation stays"
	case "mass_delete":
		return fmt.Sprintf("upstream deleted more than %.0f %% of its refs; the last good generation stays", 100*brakeShare)
	}
	return reason
}
