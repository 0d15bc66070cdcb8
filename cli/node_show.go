package cli

import (
	"context"

	"gitmirror/api"
	"gitmirror/cli/render"

	urfave "github.com/urfave/cli/v2"
)

func nodeShowCommand() command {
	return command{
		path: "node show", args: "NAME", usage: "show one node", min: 1, max: 1,
		examples: []string{"gitmirror node show n2", "gitmirror node show n2 -o json"},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			return nodeShow(ctx, s, c.Args().First())
		},
	}
}

func nodeShow(ctx context.Context, s *session, name string) error {
	n, err := s.node(ctx, name)
	if err != nil {
		return err
	}
	return s.show(n, func(p render.Printer) error { return p.Node(n) })
}

func (s *session) node(ctx context.Context, name string) (n *api.Node, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		n, err = s.client.Node(ctx, name)
		return err
	})
	return n, notFound(err, s.command("node ls"))
}
