package server

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/internal/clock"
	"gitmirror/internal/refusal"
)

const (
	maxEventWait = time.Minute
	// maxVigils is how many may wait for events at once: each looks at what every entry of the
	// log brings, vigilRest after the one before.
	maxVigils = 128
	vigilRest = 50 * time.Millisecond
)

// eventQuery is which events are asked for.
type eventQuery struct {
	after  uint64
	newest bool // no matter after which
	repo   string
	limit  int
	wait   time.Duration
}

func eventQueryOf(q url.Values) (e eventQuery, err error) {
	e.repo, e.newest = q.Get("repo"), !q.Has("after")
	if e.limit, err = limitOf(q); err != nil {
		return e, err
	}
	if e.wait, err = waitOf(q, maxEventWait); err != nil {
		return e, err
	}
	if e.newest {
		if e.wait > 0 {
			return e, refusal.New(refusal.QueryInvalid, "it is not said what to wait for").Try("add after, with the number of the last event that you have")
		}
		return e, nil
	}
	if e.after, err = strconv.ParseUint(q.Get("after"), 10, 64); err != nil {
		return e, refusal.New(refusal.QueryInvalid, "after is the number of an event, 0 for all that are kept")
	}
	return e, nil
}

// events is a page of what happened. With ?wait=30s it waits for the first of it.
func (s *Server) events(w http.ResponseWriter, r *http.Request) error {
	q, err := eventQueryOf(r.URL.Query())
	if err != nil {
		return err
	}
	list := s.eventPage(s.cfg.State.View(), q)
	if q.repo != "" && q.newest && len(list.Events) == 0 && s.cfg.State.View().RepoByName(q.repo) == nil {
		return notFound("repo", q.repo)
	}
	if q.wait > 0 && len(list.Events) == 0 {
		select {
		case s.vigils <- struct{}{}:
			defer func() { <-s.vigils }()
		default:
			return refusal.New(refusal.Busy, "%d others wait for events here", maxVigils).Try("ask another node, or without wait")
		}
		list = s.awaitEvents(r, q)
		s.stamp(w)
	}
	if heard := s.cfg.Consensus.LastContact(); !heard.IsZero() {
		list.LastContact = &heard
	}
	return writeJSON(w, http.StatusOK, list)
}

// awaitEvents is the first page that is not empty, or what there is when the time is over,
// the client has gone, or the node stops. What has been looked at is not looked at again.
func (s *Server) awaitEvents(r *http.Request, q eventQuery) *api.EventList {
	ctx, cancel := context.WithTimeout(r.Context(), q.wait)
	defer cancel()
	for {
		changed := s.cfg.State.Changed()
		list := s.eventPage(s.cfg.State.View(), q)
		if len(list.Events) > 0 || list.Dropped > 0 {
			return list
		}
		q.after = list.Next
		select {
		case <-changed:
		case <-ctx.Done():
			return list
		case <-s.cfg.Stopping:
			return list
		}
		if clock.Sleep(ctx, clock.System, vigilRest) != nil {
			return list
		}
	}
}

// eventPage is what the view has of it.
func (s *Server) eventPage(view *fsm.View, q eventQuery) *api.EventList {
	oldest, newest := view.EventBounds()
	list := &api.EventList{Events: []api.Event{}, Newest: newest, Next: max(q.after, newest)}
	row := view.RepoByName(q.repo)
	wanted := func(e *fsm.Event) bool {
		return q.repo == "" || row != nil && e.Repo == row.ID || e.Repo != "" && strings.EqualFold(e.Name, q.repo)
	}
	if q.newest {
		view.LatestEvents(func(e *fsm.Event) bool {
			if wanted(e) {
				list.Events = append(list.Events, eventOf(view, e))
			}
			return len(list.Events) < q.limit
		})
		slices.Reverse(list.Events)
		return list
	}
	if oldest > q.after+1 {
		list.Dropped = oldest - q.after - 1
	}
	for _, e := range view.Events(q.after) {
		if !wanted(&e) {
			continue
		}
		if len(list.Events) == q.limit {
			list.Next = list.Events[q.limit-1].Seq
			break
		}
		list.Events = append(list.Events, eventOf(view, &e))
	}
	return list
}

func eventOf(view *fsm.View, e *fsm.Event) api.Event {
	out := api.Event{Seq: e.Seq, At: e.At, Type: e.Type, Generation: e.Generation, ChangesTotal: e.ChangesTotal, Detail: e.Detail,
		Changes: changesOf(e.Changes[:min(len(e.Changes), api.MostEventChanges)])}
	switch {
	case fsm.OfSource(e.Type):
		out.Source = e.Name
	case e.Repo == "":
		out.Node = e.Name
		return out
	default:
		out.Repo = e.Name
	}
	if n := view.Node(e.Node); n != nil {
		out.Node = n.Name
	}
	return out
}
