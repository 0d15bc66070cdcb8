package cli

import (
	"context"

	"gitmirror/api"
	"gitmirror/cli/render"

	urfave "github.com/urfave/cli/v2"
)

func sourceShowCommand() command {
	return command{
		path: "source show", args: "NAME", usage: "show a source: its last listing, what is wrong with it, what is held", min: 1, max: 1,
		examples: []string{"gitmirror source show upstream-repos"},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			src, err := s.source(ctx, c.Args().First())
			if err != nil {
				return err
			}
			return s.show(src, func(p render.Printer) error { return p.Source(src) })
		},
	}
}

// source asks for the source of that name.
func (s *session) source(ctx context.Context, name string) (src *api.Source, err error) {
	err = s.read(ctx, func(ctx context.Context) (err error) {
		src, err = s.client.Source(ctx, name)
		return err
	})
	return src, notFound(err, s.command("source ls"))
}
