package cli

import (
	"context"

	"gitmirror/api"

	urfave "github.com/urfave/cli/v2"
)

func sourceSyncCommand() command {
	return command{
		path: "source sync", args: "NAME", usage: "have an index asked for and read now", min: 1, max: 1,
		examples: []string{"gitmirror source sync upstream-repos"},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			name := c.Args().First()
			err := sourceWrite(ctx, s, func(ctx context.Context, key string) (*api.Source, error) {
				return s.client.SyncSource(ctx, name, key)
			}, "Asked for")
			if err == nil {
				s.remark("What comes of it: %s", s.command("source show %s", name))
			}
			return err
		},
	}
}
