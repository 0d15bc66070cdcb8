package cli

import (
	"context"
	"fmt"

	"gitmirror/api"
	"gitmirror/cli/render"

	urfave "github.com/urfave/cli/v2"
)

func statusCommand() command {
	return command{
		path: "status", usage: "show the cluster's state and what wants attention",
		about:    "Exits 0 whenever a node answered, whatever it said: read the verdict with -o json.",
		examples: []string{"gitmirror status", "gitmirror status -o json", "gitmirror status --addr http://10.0.0.11:7654,http://10.0.0.12:7654"},
		run:      func(ctx context.Context, s *session, _ *urfave.Context) error { return status(ctx, s) },
	}
}

func status(ctx context.Context, s *session) error {
	var st *api.Status
	err := s.read(ctx, func(ctx context.Context) (err error) {
		st, err = s.client.Status(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return s.show(st, func(p render.Printer) error {
		if s.quiet {
			_, err := fmt.Fprintln(p.Out, render.Verdict(st))
			return err
		}
		return p.Status(st)
	})
}
