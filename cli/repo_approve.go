package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gitmirror/api"
	"gitmirror/internal/refusal"

	urfave "github.com/urfave/cli/v2"
)

func repoApproveCommand() command {
	return command{
		path: "repo approve", args: "NAME [REF...]", usage: "follow upstream in what is held, or let restored refs follow again", min: 1, max: unlimited,
		about: `With a NAME alone it takes the losses of the hold that are shown: new refs and
fast-forwards that come meanwhile make no difference, another loss is held again. Refs
that were restored stay.

With REFs, or --restored for all, those that were restored follow upstream again, to what
is shown that it has there and on from there, and the hold, if there is one, stays.

It is for the first look at upstream that succeeds. What is replaced stays for 30 days:
see repo refs NAME --kept.`,
		examples: []string{"gitmirror repo approve github.com/acme/big", "gitmirror repo approve github.com/acme/big main", "gitmirror repo approve github.com/acme/big --restored --yes"},
		flags:    []urfave.Flag{&urfave.BoolFlag{Name: "restored", Usage: "every ref that was restored", DisableDefaultText: true}, yesFlag()},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			o := repoApproveOptions{name: c.Args().First(), refs: c.Args().Tail(), restored: c.Bool("restored"), yes: c.Bool("yes")}
			if o.restored && len(o.refs) > 0 {
				return usagef("gitmirror repo approve "+o.name+" --restored", "--restored and refs exclude each other")
			}
			return repoApprove(ctx, s, o)
		},
	}
}

type repoApproveOptions struct {
	name     string
	refs     []string
	restored bool
	yes      bool
}

// sure is the command line that does not ask.
func (o repoApproveOptions) sure() string {
	words := append([]string{"repo approve", o.name}, o.refs...)
	if o.restored {
		words = append(words, "--restored")
	}
	return strings.Join(append(words, "--yes"), " ")
}

func repoApprove(ctx context.Context, s *session, o repoApproveOptions) error {
	ctx, cancel := s.whole(ctx)
	defer cancel()
	r, err := s.repo(ctx, o.name)
	if err != nil {
		return err
	}
	pins, err := o.pins(s, r)
	if err != nil {
		return err
	}
	effect := approval(s, r, pins)
	if !o.yes {
		if err := s.confirm(ctx, effect, o.sure()); err != nil {
			return err
		}
	} else {
		s.remark("%s", effect)
	}
	a := api.Approve{}
	for _, p := range pins {
		a.Release = append(a.Release, api.Release{Ref: p.Ref, Upstream: p.Upstream})
	}
	if len(pins) == 0 {
		a.Losses, a.Observed = r.Hold.Losses, r.Hold.Observed
	}
	err = s.write(ctx, func(ctx context.Context, key string) error {
		_, err := s.client.Approve(ctx, o.name, a, key)
		return err
	})
	if err != nil {
		return notFound(err, s.command("repo ls"))
	}
	s.remark("Approved, and written down. Upstream is looked at now.")
	out := followed(ctx, s, o.name, a)
	switch {
	case out.err != nil:
	case out.Outcome == api.SyncChanged || out.Outcome == api.SyncUnchanged:
		s.say("%s follows upstream again: generation %d", o.name, out.Generation)
		return s.showJSON(out.SyncOutcome)
	case out.Outcome == api.SyncHeld && len(pins) > 0 && r.Hold != nil && r.Hold.Losses == out.Hold.Losses:
		s.say("%s is held, as before: what was released follows when that is approved, or over", o.name)
		return s.showJSON(out.SyncOutcome)
	}
	return syncedOne(s, out)
}

// pins are those that are to be released; none: it is the hold that is meant.
func (o repoApproveOptions) pins(s *session, r *api.Repo) ([]api.Pin, error) {
	refuse := func(what, cause, try string) error {
		return &Failure{What: what, Cause: cause, Code: string(refusal.NotHeld), Exit: exitConflict, Try: s.command("%s", try)}
	}
	switch {
	case o.restored && len(r.Pins) == 0:
		return nil, refuse("there is nothing to release: no ref of "+o.name+" was restored", "", "repo show "+o.name)
	case o.restored:
		return r.Pins, nil
	case len(o.refs) == 0 && r.Hold == nil && len(r.Pins) > 0:
		return nil, refuse("there is nothing to approve: "+o.name+" is not held", "refs that were restored stay until they are named: "+someOf(r.Pins), "repo approve "+o.name+" "+r.Pins[0].Ref)
	case len(o.refs) == 0 && r.Hold == nil:
		return nil, refuse("there is nothing to approve: "+o.name+" is not held, and no ref of it was restored", "", "repo show "+o.name)
	}
	var list []api.Pin
	for _, ref := range o.refs {
		i := slices.IndexFunc(r.Pins, func(p api.Pin) bool {
			return p.Ref == ref || p.Ref == "refs/heads/"+ref || p.Ref == "refs/tags/"+ref
		})
		if i < 0 {
			return nil, refuse("there is nothing to release: "+ref+" of "+o.name+" was not restored", "", "repo show "+o.name)
		}
		if !slices.ContainsFunc(list, func(p api.Pin) bool { return p.Ref == r.Pins[i].Ref }) {
			list = append(list, r.Pins[i])
		}
	}
	return list, nil
}

func someOf(pins []api.Pin) string {
	var list []string
	for i, p := range pins {
		if i == 3 {
			list = append(list, fmt.Sprintf("%d more", len(pins)-i))
			break
		}
		list = append(list, p.Ref)
	}
	return strings.Join(list, ", ")
}

// hearing is how long the owner may take to hear of an approval.
const hearing = 10 * time.Second

// followed has upstream looked at until the owner has answered what was approved.
func followed(ctx context.Context, s *session, name string, a api.Approve) syncResult {
	for end := time.Now().Add(hearing); ; {
		r := syncOne(ctx, s, name, true)
		if r.err != nil || r.Outcome == api.SyncFailed || time.Now().After(end) {
			return r
		}
		row, err := s.repo(ctx, name)
		if err != nil || !waits(row, a, r.Outcome == api.SyncHeld) || !sleep(ctx, pollEvery) {
			return r
		}
	}
}

// waits tells whether what was approved has not been answered yet: the owner had not heard
// of it. What was released waits in any case while the rest is held.
func waits(row *api.Repo, a api.Approve, held bool) bool {
	if len(a.Release) == 0 {
		return row.Hold != nil && row.Hold.Approved != nil
	}
	return !held && slices.ContainsFunc(row.Released, func(r api.Release) bool { return r.Ref == a.Release[0].Ref })
}

// approval says what will be followed, and what will not.
func approval(s *session, r *api.Repo, pins []api.Pin) string {
	var lines []string
	if h := r.Hold; h != nil && len(pins) == 0 {
		lines = append(lines, fmt.Sprintf("Follow upstream of %s, which takes something away from %s:", r.Name, refCount(h.Lost)))
		lines = append(lines, changeLines(h.First)...)
		if more := h.Lost - len(h.First); more > 0 {
			lines = append(lines, fmt.Sprintf("  and %d more", more))
		}
		if len(r.Pins) > 0 {
			lines = append(lines, "What was restored stays: "+someOf(r.Pins)+". To let it follow: "+s.command("repo approve %s REF", r.Name))
		}
		return strings.Join(lines, "\n")
	}
	lines = append(lines, fmt.Sprintf("Let what was restored of %s follow upstream again:", r.Name))
	for _, p := range pins {
		upstream := "only where that is no loss: what upstream has is not known now"
		if p.Upstream != nil {
			upstream = shortOID(*p.Upstream)
		}
		lines = append(lines, fmt.Sprintf("  %s  %s -> %s", p.Ref, shortOID(p.OID), upstream))
	}
	if r.Hold != nil {
		lines = append(lines, "The rest stays held, and they wait for it: what upstream took away is not approved by this.")
	}
	return strings.Join(lines, "\n")
}

func refCount(n int) string {
	if n == 1 {
		return "1 ref"
	}
	return fmt.Sprintf("%d refs", n)
}

func changeLines(changes []api.Change) (lines []string) {
	for _, c := range changes {
		to := shortOID(c.New)
		if c.New == "" {
			to = "gone"
		}
		lines = append(lines, fmt.Sprintf("  %s  %s -> %s", c.Ref, shortOID(c.Old), to))
	}
	return lines
}
