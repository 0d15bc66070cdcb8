package cli

import (
	"cmp"
	"context"

	"gitmirror/api"

	urfave "github.com/urfave/cli/v2"
)

func repoSetCommand() command {
	return command{
		path: "repo set", args: "NAME", usage: "change what a repository may have", min: 1, max: 1,
		about: `What is not named stays as it is; 0 is what the nodes were started with. A repository
that has failed as too_large is tried again at once when it gets more, and one that has
failed as corrupt when other flaws are accepted.`,
		examples: []string{
			"gitmirror repo set github.com/acme/big --max-size 200GiB",
			"gitmirror repo set github.com/acme/big --max-object-size 0",
			"gitmirror repo set github.com/acme/old --accept-flaws hasDotgit,badEmail",
			"gitmirror repo set github.com/acme/old --accept-flaws none",
		},
		flags: setPolicyFlags(),
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			name := c.Args().First()
			set, err := setOf(c)
			if err != nil {
				return err
			}
			if set == (api.SetRepo{}) {
				return usagef("gitmirror repo set "+name+" --max-size 200GiB", "nothing to change is named")
			}
			return repoSet(ctx, s, name, set)
		},
	}
}

func repoSet(ctx context.Context, s *session, name string, set api.SetRepo) error {
	var row *api.Repo
	err := s.write(ctx, func(ctx context.Context, key string) (err error) {
		row, err = s.client.Set(ctx, name, set, key)
		return err
	})
	if err = notFound(err, s.command("repo ls")); err != nil {
		return err
	}
	s.say("%s may have %s", row.Name, cmp.Or(ownPolicy(row.Policy), "what the nodes' limits are"))
	return s.showJSON(row)
}
