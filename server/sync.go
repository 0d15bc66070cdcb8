package server

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/internal/refusal"
)

const (
	maxWait       = 10 * time.Minute
	newsPatience  = 5 * time.Second // how long a sync waits for the owner's report, and for the other copies
	acceptTimeout = 5 * time.Second
	ownerLag      = 100 * time.Millisecond // how long an owner is given to hear that it is
)

// sync has the owner of a repo ask upstream now, whatever its interval says.
// With ?wait=30s it answers what that came to; else that it was accepted.
func (s *Server) sync(w http.ResponseWriter, r *http.Request) error {
	if err := noBody(w, r); err != nil {
		return err
	}
	wait, err := waitOf(r.URL.Query(), maxWait)
	if err != nil {
		return err
	}
	if err := s.uninformed(r.Context()); err != nil {
		return err
	}
	view, row, err := s.named(r)
	if err != nil {
		return err
	}
	out, err := s.syncRow(r.Context(), view, row, wait)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if wait == 0 {
		status = http.StatusAccepted
	}
	return writeJSON(w, status, out)
}

// syncRow has the owner of a row ask upstream, and waits for so long for what that comes to;
// for nothing but that it is accepted where that is no time.
func (s *Server) syncRow(asked context.Context, view *fsm.View, row *fsm.Repo, wait time.Duration) (none api.SyncOutcome, _ error) {
	owner := view.Node(row.Owner)
	if owner == nil {
		return none, refusal.New(refusal.NoOwner, "no live node owns %s now", row.Name).Try("gitmirror repo show %s", row.Name)
	}
	bound := wait
	if wait == 0 {
		bound = acceptTimeout
	}
	ctx, cancel := context.WithTimeout(asked, bound)
	defer cancel()
	ctx, stop := s.whileOwned(ctx, row)
	defer stop()
	out, err := s.syncAt(ctx, owner, row.ID, wait > 0)
	switch {
	case err != nil && errors.Is(context.Cause(ctx), refusal.OwnerMoved):
		return none, refusal.New(refusal.OwnerMoved, "%s has another owner than %s since", row.Name, owner.Name)
	case err != nil && wait > 0 && ctx.Err() != nil && asked.Err() == nil:
		return none, refusal.New(refusal.WaitOver, "the check of %s did not end within %s; it goes on", row.Name, wait).Try("gitmirror repo show %s", row.Name)
	case err != nil:
		if r := refusal.Of(err); r == nil || r.Code == refusal.UnknownOutcome {
			err = refusal.New(refusal.OwnerUnreachable, "the owner %s of %s does not answer: %v", owner.Name, row.Name, err)
		}
		return none, err
	}
	out.Repo, out.Paused = row.Name, row.Paused
	patience, enough := context.WithTimeout(asked, newsPatience)
	defer enough()
	if wait > 0 {
		s.awaitNews(patience, row.ID, out)
	}
	if h := out.Hold; h != nil {
		if row := s.cfg.State.View().Repo(row.ID); row != nil && row.Hold != nil {
			h.Since = row.Hold.Since
		}
		h.Message = h.Describe(row.Name)
		out.Error = &api.RepoError{Class: h.Reason, Message: h.Message, Since: h.Since}
	}
	if out.Changes == nil {
		out.Changes = []api.Change{}
	}
	out.First = out.Outcome == api.SyncChanged && row.Generation == 0
	out.CopiesBehind = []string{}
	if wait > 0 {
		if out.First { // copies of it have all of it to fetch
			patience = ctx
		}
		out.CopiesBehind = s.awaitCopies(patience, row.ID, out.Generation, out.First)
	}
	if row := s.cfg.State.View().Repo(row.ID); row != nil {
		out.Refs = row.Refs
	}
	return out, nil
}

// waitOf is how long a query says to wait, at most; 0 where it does not say.
func waitOf(q url.Values, most time.Duration) (time.Duration, error) {
	v := q.Get("wait")
	if v == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 || d > most {
		return 0, refusal.New(refusal.QueryInvalid, "wait is a duration from 0s to %s, like 30s", most)
	}
	if d%time.Millisecond != 0 {
		return 0, refusal.New(refusal.QueryInvalid, "wait=%s is finer than a millisecond", clip(v))
	}
	return d, nil
}

// whileOwned is ctx, which ends as refusal.OwnerMoved when the row gets another owner, or
// goes: one that is frozen would let wait in vain whoever asked it.
func (s *Server) whileOwned(ctx context.Context, row *fsm.Repo) (context.Context, context.CancelFunc) {
	ctx, moved := context.WithCancelCause(ctx)
	go func() {
		for {
			changed := s.cfg.State.Changed()
			if now := s.cfg.State.View().Repo(row.ID); now == nil || now.Epoch != row.Epoch {
				moved(refusal.OwnerMoved)
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, func() { moved(nil) }
}

// syncAt asks the owner, and again where it has not heard yet that it is: whoever has just
// added a repo asks before all nodes know of it. ctx ends when it has another.
func (s *Server) syncAt(ctx context.Context, owner *fsm.Node, id string, wait bool) (out api.SyncOutcome, err error) {
	for end := time.Now().Add(newsPatience); ; {
		out, err = s.syncOnce(ctx, owner, id, wait)
		if !errors.Is(err, refusal.OwnerMoved) || time.Now().After(end) {
			return out, err
		}
		select {
		case <-time.After(ownerLag):
		case <-ctx.Done():
			return out, err
		}
	}
}

func (s *Server) syncOnce(ctx context.Context, owner *fsm.Node, id string, wait bool) (api.SyncOutcome, error) {
	if owner.ID == s.cfg.Self {
		return s.cfg.Local.Sync(ctx, id, wait)
	}
	return s.cfg.Peers.Sync(ctx, owner.Peer, id, wait)
}

// awaitNews returns when the table here knows what a check came to, or ctx ends: who
// is told of a hold may approve it, and who asks for what they have approved is told what
// became of it.
func (s *Server) awaitNews(ctx context.Context, id string, out api.SyncOutcome) {
	for {
		changed := s.cfg.State.Changed()
		if row := s.cfg.State.View().Repo(id); row == nil || knows(row, out) {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

func knows(row *fsm.Repo, out api.SyncOutcome) bool {
	switch h := out.Hold; {
	case out.Outcome == api.SyncChanged, out.Outcome == api.SyncUnchanged:
		return row.Hold == nil && !row.Answered(out.Heard, false)
	case h != nil:
		return row.Hold != nil && sameHold(row.Hold, h) && !row.Answered(out.Heard, true)
	}
	return true
}

func sameHold(known *fsm.Hold, h *api.Hold) bool {
	if known.Losses.IsZero() { // or they are not known before the cluster's format is that of holds
		return known.Observed.String() == h.Observed
	}
	return known.Losses.String() == h.Losses
}

// awaitCopies returns when every live ready copy, and of a first clone those to come, has reported the generation,
// or when ctx ends the names of those that have not.
func (s *Server) awaitCopies(ctx context.Context, id string, generation uint64, first bool) []string {
	for {
		changed := s.cfg.State.Changed()
		behind := []string{}
		view := s.cfg.State.View()
		if row := view.Repo(id); row != nil {
			for _, c := range row.Copies {
				n := view.Node(c.Node)
				if n != nil && n.State == fsm.NodeUp && (c.State == fsm.CopyReady || first && c.State == fsm.CopyWanted) && c.Generation < generation {
					behind = append(behind, n.Name)
				}
			}
		}
		if len(behind) == 0 {
			return behind
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return behind
		}
	}
}
