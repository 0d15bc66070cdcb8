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
		flags:    []urfave.Flag{&urfave.IntFlag{Name: "limit", Usage: "at most `N` of them", DefaultText: "all"}},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			if c.IsSet("limit") && c.Int("limit") < 1 {
				return usagef("gitmirror trash ls --limit 10", "--limit %d lists nothing", c.Int("limit"))
			}
			return trashLs(ctx, s, c.Args().First(), c.Int("limit"))
		},
	}
}

func trashLs(ctx context.Context, s *session, pattern string, limit int) error {
	list, err := s.removed(ctx, pattern, limit)
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
		s.remark("and %d more, without --limit", more)
	}
	return err
}

// removed walks the pages of what was removed until there are no more, or enough; 0 for all.
func (s *session) removed(ctx context.Context, pattern string, limit int) (*api.TrashList, error) {
	all := &api.TrashList{Trash: []api.Trashed{}}
	for {
		query := api.TrashQuery{Pattern: pattern, Cursor: all.NextCursor, Limit: pageSize}
		if limit > 0 {
			query.Limit = min(pageSize, limit-len(all.Trash))
		}
		var page *api.TrashList
		err := s.read(ctx, func(ctx context.Context) (err error) {
			page, err = s.client.Trash(ctx, query)
			return err
		})
		if err != nil {
			return nil, err
		}
		if page.NextCursor != "" && page.NextCursor == query.Cursor {
			return nil, fmt.Errorf("list what was removed: the node does not get past the page after %q", query.Cursor)
		}
		all.Trash, all.Total, all.NextCursor = append(all.Trash, page.Trash...), page.Total, page.NextCursor
		if page.NextCursor == "" || limit > 0 && len(all.Trash) >= limit {
			return all, nil
		}
	}
}
