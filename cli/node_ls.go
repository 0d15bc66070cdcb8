package cli

import (
	"context"
	"fmt"

	"gitmirror/api"
	"gitmirror/cli/render"

	urfave "github.com/urfave/cli/v2"
)

func nodeLsCommand() command {
	return command{
		path: "node ls", usage: "list the nodes of the cluster",
		examples: []string{"gitmirror node ls", "gitmirror node ls -o json"},
		run:      func(ctx context.Context, s *session, _ *urfave.Context) error { return nodeLs(ctx, s) },
	}
}

func nodeLs(ctx context.Context, s *session) error {
	var list *api.NodeList
	err := s.read(ctx, func(ctx context.Context) (err error) {
		list, err = s.client.Nodes(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return s.show(list, func(p render.Printer) error {
		if !s.quiet {
			return p.Nodes(list.Nodes)
		}
		for _, n := range list.Nodes {
			if _, err := fmt.Fprintln(p.Out, n.Name); err != nil {
				return err
			}
		}
		return nil
	})
}
