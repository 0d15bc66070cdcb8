package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gitmirror/api"

	urfave "github.com/urfave/cli/v2"
)

const (
	defaultEvents = 100
	mostEvents    = 1000
	// Who follows asks for what comes within eventWait, and gives an answer eventGrace more.
	eventWait  = 30 * time.Second
	eventGrace = 10 * time.Second
	// unheard is how long ago an answering node heard from a leader when that is told.
	unheard = time.Minute
)

type eventsOptions struct {
	repo   string
	after  *uint64
	limit  int
	follow bool
}

func eventsCommand() command {
	return command{
		path: "events", usage: "show what happened to repositories and nodes, the newest last",
		about: `Each line has a number, by which the log of the node in brackets names it too. The latest
10,000 are kept. With --follow it goes on until it is interrupted, at any node that answers,
and says how many it has not shown where they were dropped meanwhile. As JSON each event is a
line; one of the type "dropped" says how many are missing before the next.`,
		examples: []string{"gitmirror events", "gitmirror events --repo github.com/acme/big", "gitmirror events --follow", "gitmirror events --after 1042 -o json | jq -r .repo"},
		flags: []urfave.Flag{
			&urfave.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on, until it is interrupted", DisableDefaultText: true},
			&urfave.StringFlag{Name: "repo", Usage: "only those of the repository `NAME`"},
			&urfave.Uint64Flag{Name: "after", Usage: "all behind the one of that `NUMBER`, 0 for all that are kept", DefaultText: "the newest"},
			&urfave.IntFlag{Name: "limit", Usage: "at most `N` of the newest, 1 to 1000", Value: defaultEvents},
		},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			o := eventsOptions{repo: c.String("repo"), limit: c.Int("limit"), follow: c.Bool("follow")}
			if o.limit < 1 || o.limit > mostEvents {
				return usagef("gitmirror events --limit 100", "--limit %d is not between 1 and %d", o.limit, mostEvents)
			}
			if c.IsSet("repo") && o.repo == "" {
				return usagef("gitmirror events --repo NAME", "--repo is empty")
			}
			if c.IsSet("after") {
				if c.IsSet("limit") {
					return usagef("gitmirror events --after 0", "--limit is of the newest, and --after shows all behind a number")
				}
				after := c.Uint64("after")
				o.after, o.limit = &after, mostEvents
			}
			return events(ctx, s, o)
		},
	}
}

func events(ctx context.Context, s *session, o eventsOptions) error {
	v := vigil{s: s, query: api.EventQuery{Repo: o.repo, After: o.after, Limit: o.limit}}
	for {
		var page *api.EventList
		err := s.read(ctx, func(ctx context.Context) (err error) {
			page, err = s.client.Events(ctx, v.query)
			return err
		})
		if err != nil {
			return notFound(err, s.command("repo ls"))
		}
		if err := v.show(page); err != nil {
			return err
		}
		if page.Next >= page.Newest {
			break
		}
	}
	if !o.follow {
		switch {
		case v.any:
		case o.after != nil && *o.after > v.newest:
			s.remark("%d is beyond the last event, which is %d.", *o.after, v.newest)
		case o.after != nil && v.newest > 0 && o.repo == "":
			s.remark("Nothing has happened since %d, the last event.", v.newest)
		case o.repo != "":
			s.remark("Nothing is known to have happened to %s.", o.repo)
		default:
			s.remark("Nothing has happened yet.")
		}
		return nil
	}
	err := v.follow(ctx)
	if interrupted(err) && !s.json {
		return &Failure{Code: codeInterrupted, Exit: exitInterrupted} // there is no other end
	}
	return err
}

// vigil is somebody who looks at what happens.
type vigil struct {
	s     *session
	query api.EventQuery // of the next page
	any   bool           // something was shown
	// newest is the number of the last event that the node knew.
	newest uint64
	said   string // why there is nothing to show, as it was told last
}

// follow shows what happens until ctx ends. Who does not answer is asked again, and others in
// turn: events have the same numbers on all nodes.
func (v *vigil) follow(ctx context.Context) error {
	v.query.Limit, v.query.Wait = mostEvents, eventWait
	bound := eventWait + eventGrace
	if t := v.s.timeout; t > 0 {
		v.query.Wait, bound = min(eventWait, max(t/2, time.Millisecond)).Round(time.Millisecond), t
	}
	for {
		once, cancel := context.WithTimeout(ctx, bound)
		page, err := v.s.client.Events(once, v.query)
		cancel()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && refusedForGood(err):
			return err
		case err != nil:
			v.tell(explain(err, false).What + "; trying on")
			if !sleep(ctx, v.s.every) {
				return ctx.Err()
			}
			continue
		}
		if err := v.show(page); err != nil {
			return err
		}
		v.tell(v.blind(page))
	}
}

// refusedForGood tells whether asking again would come to the same.
func refusedForGood(err error) bool {
	var p *api.Problem
	return errors.As(err, &p) && p.Status >= 400 && p.Status < 500
}

// tell says once why there is nothing to show, empty where that has ended.
func (v *vigil) tell(why string) {
	if why != "" && why != v.said {
		v.s.remark("%s", why)
	}
	v.said = why
}

// blind is why the answering node may not know what happens, empty where it does.
func (v *vigil) blind(page *api.EventList) string {
	switch {
	case page.Newest < page.Next:
		return fmt.Sprintf("Event %d was seen, and the node that answers knows no more than %d: it is behind, or of another cluster.", page.Next, page.Newest)
	case page.LastContact == nil:
		return "The node that answers has not heard from a leader: what happens is not shown."
	case time.Since(*page.LastContact) > unheard:
		return fmt.Sprintf("The node that answers has not heard from a leader since %s: what happened after that is not shown.", page.LastContact.Local().Format(time.TimeOnly))
	}
	return ""
}

// show prints a page, and what is missing before it, and goes on behind it.
func (v *vigil) show(page *api.EventList) error {
	if page.Dropped > 0 {
		if err := v.missing(page.Dropped, *v.query.After+page.Dropped); err != nil {
			return err
		}
	}
	for i := range page.Events {
		if err := v.event(&page.Events[i]); err != nil {
			return err
		}
	}
	v.query.After, v.newest = &page.Next, page.Newest
	return nil
}

// missing says how many events up to that one are not kept any more: nothing is left out
// without a word, whatever else is not wanted.
func (v *vigil) missing(n, last uint64) error {
	words := fmt.Sprintf("%d events are not kept any more", n)
	if v.query.Repo != "" {
		words += ", of any repository"
	}
	return v.event(&api.Event{Seq: last, At: time.Now().UTC(), Type: api.EventDropped, Changes: []api.Change{}, Detail: words})
}

func (v *vigil) event(e *api.Event) error {
	v.any = true
	if !v.s.json {
		return v.s.printer(v.s.Out).Event(e)
	}
	enc := json.NewEncoder(v.s.Out)
	enc.SetEscapeHTML(false)
	return enc.Encode(e)
}
