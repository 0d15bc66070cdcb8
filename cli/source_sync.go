package cli

import (
	"context"

	"gitmirror/api"

	urfave "github.com/urfave/cli/v2"
)

func sourceSyncCommand() command {
	return command{
		path: "source sync", args: "NAME", usage: "have an index asked for and read now, or a forge listed", min: 1, max: 1,
		examples: []string{"gitmirror source sync upstream-repos"},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			name := c.Args().First()
			var paused, forge bool
			err := sourceWrite(ctx, s, func(ctx context.Context, key string) (*api.Source, error) {
				src, err := s.client.SyncSource(ctx, name, key)
				paused = err == nil && src.State == api.SourcePaused
				forge = err == nil && src.Kind != api.SourceIndex
				return src, err
			}, "Asked for")
			switch {
			case err != nil:
				return err
			case paused && forge:
				s.remark("It is paused: the forge is not asked until it is resumed: %s", s.command("source resume %s", name))
			case paused:
				s.remark("It is paused: its index is asked, and what that lists changes nothing until it is resumed: %s", s.command("source resume %s", name))
			default:
				s.remark("What comes of it: %s", s.command("source show %s", name))
			}
			return nil
		},
	}
}
