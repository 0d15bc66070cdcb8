package cli

import (
	"context"
	"fmt"
	"strings"

	"gitmirror/api"
	"gitmirror/cli/render"

	urfave "github.com/urfave/cli/v2"
)

type repoRmOptions struct {
	names []string
	yes   bool
}

func repoRmCommand() command {
	return command{
		path: "repo rm", args: "NAME...", usage: "stop mirroring repositories and delete their copies", min: 1, max: unlimited,
		about:    "Upstream is not touched.",
		examples: []string{"gitmirror repo rm github.com/acme/big", "gitmirror repo rm github.com/acme/big github.com/acme/old --yes"},
		flags:    []urfave.Flag{yesFlag()},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			return repoRm(ctx, s, repoRmOptions{names: c.Args().Slice(), yes: c.Bool("yes")})
		},
	}
}

func repoRm(ctx context.Context, s *session, o repoRmOptions) error {
	if !o.yes {
		var effects []string
		for _, name := range o.names {
			r, err := s.repo(ctx, name)
			if err != nil {
				return err
			}
			effects = append(effects, removal(r))
		}
		if err := s.confirm(ctx, strings.Join(effects, "\n"), "repo rm "+strings.Join(o.names, " ")+" --yes"); err != nil {
			return err
		}
	}
	var t tally
	done := removed{Removed: []string{}}
	for _, name := range o.names {
		err := s.write(ctx, func(ctx context.Context, key string) error { return s.client.Remove(ctx, name, key) })
		if err = notFound(err, s.command("repo ls")); err != nil {
			if len(o.names) == 1 || ctx.Err() != nil {
				return err
			}
			t.fail(s, name, err)
			done.Failed = append(done.Failed, unremoved{Name: name, Problem: asProblem(err)})
			continue
		}
		t.ok++
		done.Removed = append(done.Removed, name)
		s.say("Removed %s", name)
	}
	if err := s.showJSON(done); err != nil {
		return err
	}
	return t.result("repositories", "removed")
}

func removal(r *api.Repo) string {
	var nodes []string
	for _, c := range r.Copies {
		nodes = append(nodes, c.Node)
	}
	if len(nodes) == 0 {
		return fmt.Sprintf("Remove %s, which has no copy yet.", r.Name)
	}
	return fmt.Sprintf("Remove %s and its %d copies, on %s.", r.Name, len(nodes), render.And(nodes))
}
