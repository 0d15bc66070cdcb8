package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gitmirror/api"
	"gitmirror/cli/render"

	"github.com/dustin/go-humanize"
	urfave "github.com/urfave/cli/v2"
)

type repoRmOptions struct {
	names []string
	yes   bool
}

func repoRmCommand() command {
	return command{
		path: "repo rm", args: "NAME...", usage: "stop mirroring repositories and delete their copies", min: 1, max: unlimited,
		about:    "Upstream is not touched. All names of a repository become free. For 24 hours it can be\nbrought back, from the copies: see trash restore.",
		examples: []string{"gitmirror repo rm github.com/acme/big", "gitmirror repo rm github.com/acme/big github.com/acme/old --yes"},
		flags:    []urfave.Flag{yesFlag()},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			return repoRm(ctx, s, repoRmOptions{names: c.Args().Slice(), yes: c.Bool("yes")})
		},
	}
}

func repoRm(ctx context.Context, s *session, o repoRmOptions) error {
	if !o.yes {
		if err := confirmRemoval(ctx, s, o.names); err != nil {
			return err
		}
	}
	if len(o.names) == 1 {
		return repoRmOne(ctx, s, o.names[0])
	}
	var t tally
	done := removed{Removed: []string{}}
	err := inBatches(ctx, s, &t, o.names, itself, func(ctx context.Context, batch []string, key string) (*api.RepoResults, error) {
		return s.client.RemoveMany(ctx, api.RepoNames{Repos: batch}, key)
	}, func(r api.RepoResult) {
		if r.Problem != nil {
			t.fail(s, r.Name, r.Problem)
			done.Failed = append(done.Failed, unremoved{Name: r.Name, Problem: r.Problem})
			return
		}
		t.ok++
		if len(r.StaysFor) > 0 {
			st := staying{Name: r.Name, For: r.StaysFor}
			st.calledAs(r.Repo)
			done.Stay = append(done.Stay, st)
			s.say("%s", st)
			return
		}
		done.Removed = append(done.Removed, r.Name)
		s.say("Removed %s", r.Name)
	})
	if err != nil {
		return err
	}
	if len(done.Removed) > 0 {
		s.remark("For a day each can be brought back: %s", s.command("trash restore NAME"))
	}
	if err := s.showJSON(done); err != nil {
		return err
	}
	return t.result("repositories", "removed")
}

func repoRmOne(ctx context.Context, s *session, name string) error {
	// What it is is asked for before it is gone; where that fails, the removal says why.
	was := s.before(ctx, name)
	own := was.Name
	err := s.write(ctx, func(ctx context.Context, key string) error { return s.client.Remove(ctx, name, key) })
	if err = notFound(err, s.command("repo ls")); err != nil {
		return err
	}
	if st := s.staying(ctx, was); len(st.For) > 0 {
		s.say("%s", st)
		return s.showJSON(removed{Removed: []string{}, Stay: []staying{st}})
	}
	if own == name {
		s.say("Removed %s", own)
	} else {
		s.say("Removed %s, to which %s led", own, redact(name))
	}
	s.sayRestorable(ctx, own)
	return s.showJSON(removed{Removed: []string{own}})
}

// aMoment is how long a node may take to say what a command can do without.
const aMoment = 2 * time.Second

// moment is ctx for so long, or for a part of what is left of it: something else has to be done yet.
func moment(ctx context.Context) (context.Context, context.CancelFunc) {
	patience := aMoment
	if end, bounded := ctx.Deadline(); bounded {
		patience = min(patience, time.Until(end)/4)
	}
	return context.WithTimeout(ctx, patience)
}

// sayRestorable says until when what was removed can be brought back, where a node says so within
// a moment: a cluster of before has no trash.
func (s *session) sayRestorable(ctx context.Context, name string) {
	ctx, cancel := moment(ctx)
	defer cancel()
	if t, err := s.client.Trashed(ctx, name); err == nil {
		s.remark("Until %s it can be brought back: %s", t.Until.Local().Format("2006-01-02 15:04"), s.command("trash restore %s", t.Name))
	}
}

// staying is what stays of a repository that people want no more, for sources: they may call it otherwise, so that it
// is looked for by its upstream. It is for none where no node says so within a moment.
func (s *session) staying(ctx context.Context, was *api.Repo) staying {
	ctx, cancel := moment(ctx)
	defer cancel()
	st := staying{Name: was.Name}
	for _, by := range append(slices.Clone(was.URLs[:min(len(was.URLs), 1)]), was.Name) {
		r, err := s.client.Repo(ctx, by)
		if err != nil || r.ID != was.ID || slices.Contains(append([]string{r.State}, r.Also...), api.StateRemoving) {
			continue
		}
		for _, c := range r.Claims {
			if !slices.Contains(st.For, c.Source) {
				st.For = append(st.For, c.Source)
			}
		}
		st.calledAs(r)
		break
	}
	return st
}

// before is a repository that a name leads to, before it is removed; one of that name where no node says within a
// moment what it is.
func (s *session) before(ctx context.Context, name string) *api.Repo {
	ctx, cancel := moment(ctx)
	defer cancel()
	if r, err := s.client.Repo(ctx, name); err == nil {
		return r
	}
	return &api.Repo{Name: name}
}

// toldEffects is of how many repositories it is told one by one what goes with them.
const toldEffects = 20

func confirmRemoval(ctx context.Context, s *session, names []string) error {
	if len(names) > toldEffects {
		shown := strings.Join(names[:toldEffects], " ")
		effect := fmt.Sprintf("Remove %s repositories and all their copies: %s and %s more.", humanize.Comma(int64(len(names))), shown, humanize.Comma(int64(len(names)-toldEffects)))
		return s.confirm(ctx, effect, "repo rm NAME... --yes")
	}
	var effects []string
	for _, name := range names {
		r, err := s.repo(ctx, name)
		if err != nil {
			return err
		}
		effects = append(effects, removal(r))
	}
	return s.confirm(ctx, strings.Join(effects, "\n"), "repo rm "+strings.Join(names, " ")+" --yes")
}

func removal(r *api.Repo) string {
	var nodes []string
	for _, c := range r.Copies {
		nodes = append(nodes, c.Node)
	}
	if len(nodes) == 0 {
		return fmt.Sprintf("Remove %s, which has no copy yet.", r.Name)
	}
	if len(nodes) == 1 {
		return fmt.Sprintf("Remove %s and its copy, on %s.", r.Name, nodes[0])
	}
	return fmt.Sprintf("Remove %s and its %d copies, on %s.", r.Name, len(nodes), render.And(nodes))
}
