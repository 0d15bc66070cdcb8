package node

import (
	"context"
	"errors"
	"time"

	"gitmirror/api"
	"gitmirror/internal/oneline"
	"gitmirror/internal/refusal"
	"gitmirror/mirror"
	"gitmirror/mirror/refs"
	"gitmirror/peer"
	"gitmirror/server"
)

// copies shows the mirror to the server and to peers in their terms.
type copies struct{ engine *mirror.Engine }

type openCopy struct{ *mirror.OpenCopy }

func (c openCopy) Generation() uint64 { return c.Table().Generation }

// Open is for clients: public refs only.
func (c copies) Open(id string) (server.OpenCopy, error) { return opened(c.engine.Open(id, false)) }

// OpenAll is for peers: everything.
func (c copies) OpenAll(id string) (server.OpenCopy, error) { return opened(c.engine.Open(id, true)) }

func (c copies) OpenByName(name string) (server.OpenCopy, error) {
	return opened(c.engine.OpenByName(name))
}

func opened(copy *mirror.OpenCopy, err error) (server.OpenCopy, error) {
	if errors.Is(err, mirror.ErrNoGit) {
		return nil, server.ErrNoGit
	}
	if err != nil {
		return nil, err
	}
	return openCopy{copy}, nil
}

// tablePatience is how long a peer that asks for a generation waits for it.
const tablePatience = 2 * time.Second

// Table is the file form of the table served here.
func (c copies) Table(ctx context.Context, id string, generation uint64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, tablePatience)
	defer cancel()
	open, err := c.engine.OpenAt(ctx, id, generation, true)
	if err != nil {
		return nil, refusal.New(refusal.NotFound, "%s", err)
	}
	t := open.Table()
	if t.Generation < generation {
		return nil, refusal.New(refusal.StaleGeneration, "this node is at generation %d, not %d", t.Generation, generation)
	}
	return t.Encode(), nil
}

// Lost is the file form of a table that is lost elsewhere.
func (c copies) Lost(_ context.Context, id string, generation uint64) ([]byte, error) {
	t, err := c.engine.Lost(id, generation)
	if err != nil {
		return nil, refusal.New(refusal.NotFound, "%s", err)
	}
	return t.Encode(), nil
}

// Past is the file of what is remembered of a table's refs.
func (c copies) Past(id, digest string) ([]byte, error) {
	d, ok := refs.ParseDigest(digest)
	if !ok {
		return nil, refusal.New(refusal.Malformed, "the digest is not one")
	}
	data, err := c.engine.Past(id, d)
	if err != nil {
		return nil, refusal.New(refusal.NoPast, "%s", err)
	}
	return data, nil
}

// Doubt has a copy looked at that a peer found damaged.
func (c copies) Doubt(id string) { c.engine.Doubt(id) }

// Maintain has a copy worked on, and returns how it was kept before.
func (c copies) Maintain(id string, work api.Work) (api.Upkeep, error) {
	jobs, known := map[api.Work][]mirror.Job{api.Verify: mirror.Verify, api.Collect: mirror.Collect}[work]
	if !known {
		return api.Upkeep{}, refusal.New(refusal.Malformed, "%q is no work", clip(string(work)))
	}
	before, _ := c.engine.Status(id)
	if !c.engine.Maintain(id, jobs) {
		return api.Upkeep{}, refusal.New(refusal.NoCopy, "it has no copy")
	}
	return *upkeepOf(before.Upkeep), nil
}

// Live tells what only this node knows of repos, as far as that is known when ctx ends.
func (c copies) Live(ctx context.Context, ids []string) peer.LiveAnswer {
	a := peer.LiveAnswer{Repos: map[string]peer.Live{}}
	for _, id := range ids {
		if s, ok := c.engine.Status(id); ok {
			live := peer.Live{LastCheck: s.LastCheck, NextCheck: s.NextCheck, Failures: s.Failures, Syncing: s.Syncing, Stale: s.Stale, EveryMS: s.Interval.Milliseconds(), AsOf: s.AsOf, RestsMS: s.Rests.Milliseconds(), Probe: s.Probe, Progress: progressOf(s.Fetch), Generation: &s.Generation}
			if s.Skipped > 0 {
				live.Skipped = &api.SkippedRefs{Count: s.Skipped}
				for _, f := range s.FirstSkipped {
					live.Skipped.First = append(live.Skipped.First, api.SkippedRef{Ref: clip(f.Name), Reason: f.Reason})
				}
			}
			if len(ids) == 1 { // it may be read from the disk: for who looks at one repo
				if lost := c.engine.TakenAway(ctx, id); lost.Count > 0 {
					live.Lost = &api.LostRefs{Count: lost.Count, First: changesOf(lost.First)}
				}
				live.Upkeep = upkeepOf(s.Upkeep)
			}
			for _, p := range s.Pinned {
				live.Pins = append(live.Pins, api.Pin{Ref: p.Ref, OID: p.OID, Upstream: &p.Upstream, Missing: p.Missing})
			}
			a.Repos[id] = live
		}
	}
	a.Syncing, a.Stale = c.engine.Counts()
	if len(ids) == 0 {
		f := c.engine.Freshness()
		a.Ages, a.NoAge, a.Lags = &f.Ages, f.Unknown, &f.Lags
	}
	return a
}

// upkeepOf is how a copy is kept.
func upkeepOf(u mirror.Upkeep) *api.Upkeep {
	at := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		t = t.UTC().Truncate(time.Millisecond)
		return &t
	}
	out := &api.Upkeep{Read: at(u.Read), Checked: at(u.Checked), Tidied: at(u.Tended), Collected: at(u.Pruned), Bytes: u.Bytes, Used: u.Used,
		Doing: string(u.Doing), Waiting: []string{}, WaitsFor: string(u.Waits), Leaving: u.Leaving, Error: clip(u.Failure)}
	if u.Doing != "" {
		out.Since = at(u.Since)
	}
	for _, j := range u.Wanted {
		out.Waiting = append(out.Waiting, string(j))
	}
	return out
}

// progressOf is how far a fetch is, nil for none.
func progressOf(f *mirror.Fetch) *api.Progress {
	if f == nil {
		return nil
	}
	p := &api.Progress{Phase: string(f.Phase), Since: f.Since.UTC().Truncate(time.Millisecond), Objects: f.Done, Bytes: f.Bytes, Rate: f.Rate}
	if f.Peer {
		p.Peer = f.From
	} else {
		p.Upstream = f.From
	}
	if f.All > 0 {
		percent := int(100 * f.Done / f.All)
		p.Percent, p.AllObjects = &percent, &f.All
	}
	return p
}

// clip keeps a name that upstream made up from filling an answer: JSON may make six bytes
// of each.
func clip(name string) string { return oneline.Clip(name, 60) }

// Sync has upstream asked now.
func (c copies) Sync(ctx context.Context, id string, wait bool) (api.SyncOutcome, error) {
	out := api.SyncOutcome{Outcome: api.SyncAccepted}
	if !wait {
		return out, moved(c.engine.Request(id))
	}
	res, err := c.engine.Sync(ctx, id)
	if err != nil {
		return out, moved(err)
	}
	out.Generation, out.Heard = res.Generation, res.Heard
	out.Changes = changesOf(res.Changes)
	switch {
	case res.Failure != nil:
		out.Outcome = api.SyncFailed
		out.Error = &api.RepoError{Class: string(res.Failure.Class), Message: res.Failure.Message, Since: time.Now().UTC()}
	case res.Hold != nil:
		out.Outcome = api.SyncHeld
		h := res.Hold
		out.Hold = &api.Hold{Reason: h.Reason, Since: time.Now().UTC(), Lost: h.Lost, Settled: h.Settled, First: changesOf(h.First[:min(len(h.First), api.MostLosses)]), Losses: h.Losses.String(), Observed: h.Observed.String()}
	case res.Changed:
		out.Outcome = api.SyncChanged
	default:
		out.Outcome = api.SyncUnchanged
	}
	return out, nil
}

// Fresh makes sure that what is published of a repo is new enough.
func (c copies) Fresh(ctx context.Context, id string, after time.Time) (uint64, error) {
	generation, err := c.engine.Fresh(ctx, id, after)
	return generation, moved(notFresh(err))
}

// notFresh is what a client is told of a *mirror.NotFreshError; any other error as it is.
func notFresh(err error) error {
	if not := (*mirror.NotFreshError)(nil); errors.As(err, &not) {
		return refusal.New(refusal.NotFresh, "%s", not.Why).After(not.Again)
	}
	return err
}

func changesOf(changes []refs.Change) []api.Change {
	list := []api.Change{}
	for _, c := range changes {
		list = append(list, api.Change{Ref: c.Ref, Old: c.Old, New: c.New, Kind: string(c.Kind)})
	}
	return list
}

// moved says of a copy that this node does not own what it means to who was led here.
func moved(err error) error {
	if errors.Is(err, mirror.ErrNotOwner) {
		return refusal.New(refusal.OwnerMoved, "%s", err)
	}
	return err
}
