package cli

import (
	"context"
	"slices"
	"strings"

	"gitmirror/api"
	"gitmirror/cli/render"

	urfave "github.com/urfave/cli/v2"
)

func trashRestoreCommand() command {
	return command{
		path: "trash restore", args: "NAME", usage: "bring a removed repository back from its copies", min: 1, max: 1,
		about: `It comes back as it was, with its names, settings, labels and what was restored in it.
Each node takes its copy back from its trash, and serves it at once: upstream is not asked
before that, and need not be there. With --wait it returns when all copies are there, whatever
becomes of upstream. Where a name or the upstream is in use again it is
refused. Of several that had a name, or an upstream, the last is meant; another by its id, which
gitmirror trash ls shows then.`,
		examples: []string{"gitmirror trash restore github.com/acme/big", "gitmirror trash restore github.com/acme/big --wait"},
		flags:    []urfave.Flag{&urfave.BoolFlag{Name: "wait", Usage: "wait until all copies are there", DisableDefaultText: true}},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			return trashRestore(ctx, s, c.Args().First(), c.Bool("wait"))
		},
	}
}

func trashRestore(ctx context.Context, s *session, name string, wait bool) error {
	if wait {
		var cancel context.CancelFunc
		ctx, cancel = s.whole(ctx)
		defer cancel()
	}
	var r *api.Repo
	err := s.write(ctx, func(ctx context.Context, key string) (err error) {
		r, err = s.client.RestoreRemoved(ctx, name, key)
		return err
	})
	if err != nil {
		return notFound(err, s.command("trash ls"))
	}
	var nodes []string
	for _, c := range r.Copies {
		nodes = append(nodes, c.Node)
	}
	switch {
	case r.Generation == 0:
		s.say("Restored %s, which was not cloned yet", r.Name)
	default:
		s.say("Restored %s at generation %d, on %s", r.Name, r.Generation, render.And(nodes))
	}
	if wait {
		until := backAgain
		if r.Generation == 0 {
			until = ready
		}
		rows, err := until.waitFor(ctx, s, []string{r.Name})
		if err != nil {
			return err
		}
		r = rows[0]
	}
	return s.showJSON(r)
}

// backAgain is that all copies of a repo that was restored are there, as their nodes say: the table
// has them as they were. Upstream does not count.
var backAgain = goal{
	reached: func(r *api.Repo) bool {
		for _, state := range []string{api.StateRemoving, api.StateUnserved, api.StatePending, api.StateCloning, api.StateCopying, api.StateBehind} {
			if r.State == state || slices.ContainsFunc(r.Also, func(also string) bool { return strings.HasPrefix(also, state) }) {
				return false
			}
		}
		return !slices.ContainsFunc(r.Copies, func(c api.Copy) bool {
			return c.State == "ready" && c.Away == "" && (c.Live == nil || *c.Live != r.Generation)
		})
	},
	lost: func(s *session, r *api.Repo) *Failure {
		if r.State != api.StateRemoving {
			return nil
		}
		return &Failure{What: r.Name + " was removed again", Code: r.State, Exit: exitFailed, Try: s.command("trash ls")}
	},
}
