package cli

import (
	"context"
	"fmt"

	"gitmirror/api"
	"gitmirror/cli/render"

	urfave "github.com/urfave/cli/v2"
)

func trashLsCommand() command {
	return command{
		path: "trash ls", args: "[PATTERN]", usage: "list what was removed and can be restored", max: 1,
		about:    "The last removed comes first. What was removed can be restored for 24 hours.",
		examples: []string{"gitmirror trash ls", "gitmirror trash ls 'github.com/acme/*' -o json"},
		flags:    []urfave.Flag{&urfave.IntFlag{Name: "limit", Usage: "list so many at most (1 to 1000)", Value: 100}},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			return trashLs(ctx, s, c.Args().First(), c.Int("limit"))
		},
	}
}

func trashLs(ctx context.Context, s *session, pattern string, limit int) error {
	if limit < 1 || limit > 1000 {
		return usagef("gitmirror trash ls --limit 100", "--limit is a number from 1 to 1000")
	}
	var list *api.TrashList
	err := s.read(ctx, func(ctx context.Context) (err error) {
		list, err = s.client.Trash(ctx, pattern, limit)
		return err
	})
	if err != nil {
		return err
	}
	err = s.show(list, func(p render.Printer) error {
		if !s.quiet {
			return p.Trash(list.Trash)
		}
		for _, t := range list.Trash {
			if _, err := fmt.Fprintln(p.Out, t.Name); err != nil {
				return err
			}
		}
		return nil
	})
	if more := list.Total - len(list.Trash); err == nil && more > 0 {
		s.remark("and %d more: see --limit, or name a PATTERN", more)
	}
	return err
}
