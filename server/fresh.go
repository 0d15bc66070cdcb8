package server

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"gitmirror/fsm"
	"gitmirror/internal/refusal"
	"gitmirror/internal/spool"
)

// A client that was told of a push must not be given what was there before it. By this header of
// its requests, or this field of the query of info/refs, it says what it wants: the outcome of a
// check of upstream that began at a time or later (RFC 3339, or seconds of Unix), or, with "now",
// after the request came.
const (
	minAsOfHeader = "Gitmirror-Min-As-Of"
	minAsOfQuery  = "min_as_of"
	minAsOfNow    = "now"
)

// freshPatience is how long a client waits for that, freshRetry when it should try again where
// nobody knows, and freshAhead how far a clock may be ahead of the cluster's.
const (
	freshPatience = 30 * time.Second
	freshRetry    = 5 * time.Second
	freshAhead    = 30 * time.Second
	// freshRetryMost is the longest that a client is told: who waits for longer does not hear of a
	// person who has looked after it meanwhile.
	freshRetryMost = 15 * time.Minute
)

// wanted is how new a client wants what it gets.
type wanted struct {
	any     bool
	current bool      // no older than what is published: what was wanted before has been by then
	after   time.Time // zero: after the request came
}

// wantedOf reads what a request wants. Of protocol 2's request for refs, which follows info/refs and has the
// header too, "now" is when the first came: what was published by then is new enough.
func (s *Server) wantedOf(r *http.Request, rq gitRequest, body *spool.Body) (want wanted, err error) {
	said := r.Header.Get(minAsOfHeader)
	if q := r.URL.Query(); rq.op == "info/refs" && q.Has(minAsOfQuery) {
		said = q.Get(minAsOfQuery)
	}
	switch {
	case said == "", rq.op != "info/refs" && !asksForRefs(body):
		return want, nil
	case said == minAsOfNow && rq.op != "info/refs":
		return wanted{current: true}, nil
	case said == minAsOfNow:
		return wanted{any: true}, nil
	}
	at, err := time.Parse(time.RFC3339, said)
	if seconds, no := strconv.ParseFloat(said, 64); err != nil && no == nil && seconds > 0 && seconds < 1e11 {
		at, err = time.UnixMilli(int64(seconds*1000)), nil
	}
	switch {
	case err != nil || at.Unix() <= 0:
		return want, refusal.New(refusal.QueryInvalid, "%s is a time like 2026-11-27T04:05:06Z, seconds of Unix, or now", minAsOfHeader)
	case at.Sub(s.cfg.Now()) > freshAhead:
		return want, refusal.New(refusal.QueryInvalid, "%s is ahead of the cluster's time, which is %s", minAsOfHeader, s.cfg.Now().UTC().Format(time.RFC3339))
	}
	return wanted{any: true, after: at}, nil
}

// freshen waits until the table here names what a client wants of a row, and returns the
// generation that it is to get, at least.
func (s *Server) freshen(ctx context.Context, id string, want wanted) (generation uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, freshPatience)
	defer cancel()
	for {
		if generation, err = s.freshAtOwner(ctx, id, want); err == nil {
			break
		}
		said := refusal.Of(err)
		if ctx.Err() != nil || said != nil && said.Code == refusal.NotFresh {
			return 0, err
		}
		select { // another owner, or the same again
		case <-time.After(ownerLag):
		case <-ctx.Done():
			return 0, err
		}
	}
	for {
		changed := s.cfg.State.Changed()
		if row := s.cfg.State.View().Repo(id); row == nil || row.Generation >= generation {
			return generation, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, refusal.New(refusal.NotFresh, "generation %d is published, and has not got here yet", generation)
		}
	}
}

func (s *Server) freshAtOwner(ctx context.Context, id string, want wanted) (uint64, error) {
	view := s.cfg.State.View()
	row := view.Repo(id)
	if row == nil {
		return 0, refusal.New(refusal.NotFresh, "it is not mirrored any more")
	}
	owner := view.Node(row.Owner)
	if owner == nil {
		return 0, refusal.New(refusal.NoOwner, "no live node owns %s now", row.Name)
	}
	ctx, stop := s.whileOwned(ctx, row)
	defer stop()
	if owner.ID == s.cfg.Self {
		return s.cfg.Local.Fresh(ctx, id, want.after)
	}
	return s.cfg.Peers.Fresh(ctx, owner.Peer, id, want.after)
}

// refuseStale says that a client cannot have what is as new as it wants.
func refuseStale(w http.ResponseWriter, row *fsm.Repo, err error) {
	why, again := "nobody who could say so answers", freshRetry
	if said := refusal.Of(err); said != nil {
		why, again = said.Detail, cmp.Or(said.Again, freshRetry)
	} else if errors.Is(err, context.DeadlineExceeded) {
		why = "its upstream was not checked within " + freshPatience.String()
	}
	again = min(max(again, time.Second), freshRetryMost)
	w.Header().Set("Retry-After", strconv.Itoa(int((again+time.Second-1)/time.Second)))
	gitRefuse(w, http.StatusServiceUnavailable, row.Name+" is not known to be as new as "+minAsOfHeader+" wants: "+why)
}
