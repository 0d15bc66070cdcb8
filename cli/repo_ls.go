package cli

import (
	"context"
	"fmt"
	"strings"

	"gitmirror/api"
	"gitmirror/cli/render"

	urfave "github.com/urfave/cli/v2"
)

// pageSize is how many repos are asked for at once.
const pageSize = 500

type repoLsOptions struct {
	pattern string
	state   string
	stale   bool
	limit   int // 0: all
}

func repoLsCommand() command {
	return command{
		path: "repo ls", args: "[PATTERN]", usage: "list repositories", max: 1,
		about: "PATTERN is a part of the name, or a glob like 'github.com/acme/*'. What has only another name like that is\nnot listed, but told of.",
		examples: []string{"gitmirror repo ls", "gitmirror repo ls github.com/acme", "gitmirror repo ls --state failing", "gitmirror repo ls --state cloning -o wide",
			"gitmirror repo ls -o json | jq -r '.repos[] | select(.durable | not) | .name'"},
		flags: []urfave.Flag{
			&urfave.StringFlag{Name: "state", Usage: "only those in `STATE`: " + strings.Join(api.StateNames, ", ")},
			&urfave.BoolFlag{Name: "stale", Usage: "only those that were not checked for three intervals"},
			outputFlag("table, wide (all columns, nothing cut, and how far clones are) or json"),
			&urfave.IntFlag{Name: "limit", Usage: "at most `N` of them (default: all)"},
		},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			if c.IsSet("limit") && c.Int("limit") < 1 {
				return usagef("gitmirror repo ls --limit 10", "--limit %d lists nothing", c.Int("limit"))
			}
			return repoLs(ctx, s, repoLsOptions{pattern: c.Args().First(), state: c.String("state"), stale: c.Bool("stale"), limit: c.Int("limit")})
		},
	}
}

func repoLs(ctx context.Context, s *session, o repoLsOptions) error {
	list, err := s.repos(ctx, o)
	if err != nil {
		return err
	}
	return s.show(list, func(p render.Printer) error {
		switch {
		case s.quiet:
			for _, r := range list.Repos {
				if _, err := fmt.Fprintln(p.Out, r.Name); err != nil {
					return err
				}
			}
			return nil
		case list.OtherNamesTotal > 0:
			defer s.remark("%s", otherNames(list))
		case len(list.Repos) == 0:
			s.remark("%s", noRepos(o, s))
		}
		if len(list.Repos) == 0 {
			return nil
		}
		if s.wide {
			return p.ReposWide(list.Repos)
		}
		return p.Repos(list.Repos)
	})
}

// otherNames says which names are like a pattern that lead to what is called otherwise.
func otherNames(list *api.RepoList) string {
	const shown = 5
	var names []string
	for _, n := range list.OtherNames[:min(len(list.OtherNames), shown)] {
		names = append(names, fmt.Sprintf("%s (of %s)", n.Name, n.Of))
	}
	text := "Other names like that: " + strings.Join(names, ", ")
	if more := list.OtherNamesTotal - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func noRepos(o repoLsOptions, s *session) string {
	if o.pattern != "" || o.state != "" || o.stale {
		return "No repository is like that. All there are: " + s.command("repo ls")
	}
	return "No repositories yet. Add one: " + s.command("repo add https://github.com/acme/big --wait")
}

// repos walks the pages until there are no more, or enough. A page may be
// short, and empty, and not be the last.
func (s *session) repos(ctx context.Context, o repoLsOptions) (*api.RepoList, error) {
	all := &api.RepoList{Repos: []api.Repo{}}
	for {
		query := api.Query{Pattern: o.pattern, State: o.state, Stale: o.stale, Cursor: all.NextCursor, Limit: pageSize}
		if o.limit > 0 {
			query.Limit = min(pageSize, o.limit-len(all.Repos))
		}
		var page *api.RepoList
		err := s.read(ctx, func(ctx context.Context) (err error) {
			page, err = s.client.Repos(ctx, query)
			return err
		})
		if err != nil {
			return nil, err
		}
		all.Repos = append(all.Repos, page.Repos...)
		all.OtherNames, all.OtherNamesTotal = append(all.OtherNames, page.OtherNames...), all.OtherNamesTotal+page.OtherNamesTotal
		if page.NextCursor != "" && page.NextCursor == query.Cursor {
			return nil, fmt.Errorf("list repositories: the node does not get past the page after %q", query.Cursor)
		}
		all.NextCursor = page.NextCursor
		if page.NextCursor == "" || (o.limit > 0 && len(all.Repos) >= o.limit) {
			return all, nil
		}
	}
}
