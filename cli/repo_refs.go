package cli

import (
	"context"

	"gitmirror/api"
	"gitmirror/cli/render"

	urfave "github.com/urfave/cli/v2"
)

type repoRefsOptions struct {
	name, pattern string
	kept          bool
	limit         int // 0: all
}

func repoRefsCommand() command {
	return command{
		path: "repo refs", args: "NAME [PATTERN]", usage: "list the refs of a repository, and the tips that are kept", min: 1, max: 2,
		about: `PATTERN is a part of a ref's name, or a glob. A kept line is where a ref was until
upstream moved or deleted it; it can be set back with repo restore.`,
		examples: []string{"gitmirror repo refs github.com/acme/big", "gitmirror repo refs github.com/acme/big main --kept"},
		flags: []urfave.Flag{
			&urfave.BoolFlag{Name: "kept", Usage: "only what upstream took away", DisableDefaultText: true},
			&urfave.IntFlag{Name: "limit", Usage: "at most `N` of them (default: all)"},
		},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			if c.IsSet("limit") && c.Int("limit") < 1 {
				return usagef("gitmirror repo refs NAME --limit 10", "--limit %d lists nothing", c.Int("limit"))
			}
			return repoRefs(ctx, s, repoRefsOptions{name: c.Args().First(), pattern: c.Args().Get(1), kept: c.Bool("kept"), limit: c.Int("limit")})
		},
	}
}

func repoRefs(ctx context.Context, s *session, o repoRefsOptions) error {
	all := &api.RefList{Refs: []api.Ref{}}
	for {
		query := api.RefQuery{Pattern: o.pattern, Kept: o.kept, Cursor: all.NextCursor, Limit: pageSize}
		if o.limit > 0 {
			query.Limit = min(pageSize, o.limit-len(all.Refs))
		}
		var page *api.RefList
		err := s.read(ctx, func(ctx context.Context) (err error) {
			page, err = s.client.Refs(ctx, o.name, query)
			return err
		})
		if err != nil {
			return notFound(err, s.command("repo ls"))
		}
		page.Refs = append(all.Refs, page.Refs...)
		all = page
		if page.NextCursor == "" || o.limit > 0 && len(all.Refs) >= o.limit {
			break
		}
	}
	return s.show(all, func(p render.Printer) error {
		if all.GivenUp > 0 && all.GivenUpAt != nil {
			s.remark("%d kept tips were given up before their 30 days, the last on %s: there were too many.", all.GivenUp, all.GivenUpAt.Format("2006-01-02"))
		}
		if len(all.Refs) == 0 {
			s.remark("No refs are like that in %s.", o.name)
			return nil
		}
		return p.Refs(all.Refs)
	})
}
