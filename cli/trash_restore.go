package cli

import (
	"context"

	"gitmirror/api"
	"gitmirror/cli/render"

	urfave "github.com/urfave/cli/v2"
)

func trashRestoreCommand() command {
	return command{
		path: "trash restore", args: "NAME", usage: "bring a removed repository back from its copies", min: 1, max: 1,
		about: `It comes back as it was, with its names, settings, labels and what was restored in it.
Each node takes its copy back from its trash, and serves it at once: upstream is not asked
before that, and need not be there. Where a name or the upstream is in use again it is
refused.`,
		examples: []string{"gitmirror trash restore github.com/acme/big"},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			return trashRestore(ctx, s, c.Args().First())
		},
	}
}

func trashRestore(ctx context.Context, s *session, name string) error {
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
	return s.showJSON(r)
}
