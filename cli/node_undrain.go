package cli

import (
	"context"

	"gitmirror/api"

	urfave "github.com/urfave/cli/v2"
)

func nodeUndrainCommand() command {
	return command{
		path: "node undrain", args: "NAME", usage: "have a node that is draining keep what it has, and get its share again", min: 1, max: 1,
		examples: []string{"gitmirror node undrain n2"},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			return nodeUndrain(ctx, s, c.Args().First())
		},
	}
}

func nodeUndrain(ctx context.Context, s *session, name string) error {
	var n *api.Node
	err := s.write(ctx, func(ctx context.Context, key string) (err error) {
		n, err = s.client.Undrain(ctx, name, key)
		return err
	})
	if err != nil {
		return notFound(err, s.command("node ls"))
	}
	s.say("%s is not draining: it keeps what it has, and gets its share again", n.Name)
	return s.showJSON(n)
}
