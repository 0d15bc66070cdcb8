package cli

import (
	"context"
	"fmt"

	"gitmirror/api"
	"gitmirror/cli/render"

	urfave "github.com/urfave/cli/v2"
)

func sourceLsCommand() command {
	return command{
		path: "source ls", usage: "list where repositories come from",
		examples: []string{"gitmirror source ls"},
		run: func(ctx context.Context, s *session, _ *urfave.Context) error {
			var list *api.SourceList
			err := s.read(ctx, func(ctx context.Context) (err error) {
				list, err = s.client.Sources(ctx)
				return err
			})
			if err != nil {
				return err
			}
			return s.show(list, func(p render.Printer) error {
				if !s.quiet {
					return p.Sources(list.Sources)
				}
				for _, src := range list.Sources {
					if _, err := fmt.Fprintln(p.Out, src.Name); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}
