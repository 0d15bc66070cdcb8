package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gitmirror/api"

	urfave "github.com/urfave/cli/v2"
)

func repoApproveLeaf() leaf {
	return leaf{
		path: "repo approve", args: "NAME", usage: "follow upstream in what is held, or in what was restored", min: 1, max: 1,
		about: `It takes the losses that are shown: new refs and fast-forwards that come meanwhile
make no difference, another loss is held again. Refs that were restored follow
upstream again. What is replaced stays for 30 days: see repo refs NAME --kept.`,
		examples: []string{"gitmirror repo approve github.com/acme/big", "gitmirror repo approve github.com/acme/big --yes"},
		flags:    []urfave.Flag{yesFlag()},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			return repoApprove(ctx, s, c.Args().First(), c.Bool("yes"))
		},
	}
}

func repoApprove(ctx context.Context, s *session, name string, yes bool) error {
	ctx, cancel := s.whole(ctx)
	defer cancel()
	r, err := s.repo(ctx, name)
	if err != nil {
		return err
	}
	if r.Hold == nil && len(r.Pins) == 0 {
		return &Failure{What: "there is nothing to approve: " + name + " is not held, and no ref of it was restored", Code: "not_held", Exit: exitConflict, Try: s.command("repo show %s", name)}
	}
	effect := approval(r)
	if !yes {
		if err := s.confirm(ctx, effect, "repo approve "+name+" --yes"); err != nil {
			return err
		}
	} else {
		s.remark("%s", effect)
	}
	a := api.Approve{}
	if r.Hold != nil {
		a.Losses, a.Observed = r.Hold.Losses, r.Hold.Observed
	}
	for _, p := range r.Pins {
		a.Unpin = append(a.Unpin, p.Ref)
	}
	err = s.write(ctx, func(ctx context.Context, key string) error {
		_, err := s.client.Approve(ctx, name, a, key)
		return err
	})
	if err != nil {
		return notFound(err, s.command("repo ls"))
	}
	s.remark("Approved, and written down. Upstream is looked at now.")
	out := followed(ctx, s, name, a)
	if out.err == nil && (out.Outcome == api.SyncChanged || out.Outcome == api.SyncUnchanged) {
		s.say("%s follows upstream again: generation %d", name, out.Generation)
		return s.showJSON(out.SyncOutcome)
	}
	return syncedOne(s, out)
}

// hearing is how long the owner may take to hear of an approval.
const hearing = 3 * time.Second

// followed has upstream looked at until the owner acts on what was approved.
func followed(ctx context.Context, s *session, name string, a api.Approve) syncResult {
	for end := time.Now().Add(hearing); ; {
		r := syncOne(ctx, s, name, true)
		deaf := r.err == nil && (r.Hold != nil && r.Hold.Losses == a.Losses || len(a.Unpin) > 0 && r.Outcome == api.SyncUnchanged)
		if !deaf || time.Now().After(end) || !sleep(ctx, pollEvery) {
			return r
		}
	}
}

// approval says what will be followed.
func approval(r *api.Repo) string {
	var lines []string
	if h := r.Hold; h != nil {
		lines = append(lines, fmt.Sprintf("Follow upstream of %s, which takes something away from %s:", r.Name, refCount(h.Lost)))
		lines = append(lines, changeLines(h.First)...)
		if more := h.Lost - len(h.First); more > 0 {
			lines = append(lines, fmt.Sprintf("  and %d more", more))
		}
	}
	if len(r.Pins) > 0 {
		lines = append(lines, fmt.Sprintf("Let what was restored of %s follow upstream again:", r.Name))
		for _, p := range r.Pins {
			upstream := "what upstream has"
			if p.Upstream != nil {
				upstream = shortOID(*p.Upstream)
			}
			lines = append(lines, fmt.Sprintf("  %s  %s -> %s", p.Ref, shortOID(p.OID), upstream))
		}
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
