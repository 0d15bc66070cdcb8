package cli

import (
	"context"

	"gitmirror/api"
	"gitmirror/cli/render"

	urfave "github.com/urfave/cli/v2"
)

type repoAddOptions struct {
	urls []string
	ask  api.AddRepo // of each, but for its URL
	wait bool
}

func repoAddCommand() command {
	return command{
		path: "repo add", args: "URL...", usage: "mirror repositories", min: 1, max: unlimited,
		about: `Each URL is a repository of its own, named by host and path unless --name says
otherwise. With --wait it returns when each is ready: cloned, with all its copies.`,
		examples: []string{
			"gitmirror repo add https://github.com/acme/big --wait",
			"gitmirror repo add https://github.com/acme/big --name big --replicas 3 --interval 5m",
		},
		flags: append([]urfave.Flag{
			&urfave.StringFlag{Name: "name", Usage: "`NAME` of the mirror (default: host and path of the URL)"},
			&urfave.BoolFlag{Name: "wait", Usage: "return when it is ready, at the latest after --timeout", DisableDefaultText: true},
		}, newPolicyFlags()...),
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			o := repoAddOptions{urls: c.Args().Slice(), wait: c.Bool("wait")}
			name := c.String("name")
			if name == "" && c.IsSet("name") {
				return usagef("gitmirror repo add --help", "--name is empty")
			}
			if name != "" && len(o.urls) > 1 {
				return usagef("gitmirror repo add "+redact(o.urls[0])+" --name "+name, "--name names one repository, and there are %d URLs", len(o.urls))
			}
			var err error
			if o.ask, err = addOf(c); err != nil {
				return err
			}
			o.ask.Name = name
			return repoAdd(ctx, s, o)
		},
	}
}

func repoAdd(ctx context.Context, s *session, o repoAddOptions) error {
	if o.wait {
		var cancel context.CancelFunc
		ctx, cancel = s.whole(ctx)
		defer cancel()
	}
	if len(o.urls) == 1 {
		return repoAddOne(ctx, s, o)
	}
	return repoAddMany(ctx, s, o)
}

func repoAddOne(ctx context.Context, s *session, o repoAddOptions) error {
	ask := o.ask
	ask.URL = o.urls[0]
	var row *api.Repo
	err := s.write(ctx, func(ctx context.Context, key string) (err error) {
		row, err = s.client.Add(ctx, ask, key)
		return err
	})
	if err != nil {
		return err
	}
	added(s, row)
	if o.wait {
		rows, err := waitReady(ctx, s, []string{row.Name})
		if err != nil {
			return err
		}
		row = rows[0]
	}
	s.say("  clone: %s", render.CloneCommand(s.base(ctx), row.Name))
	return s.showJSON(row)
}

func repoAddMany(ctx context.Context, s *session, o repoAddOptions) error {
	var ask api.AddRepos
	for _, u := range o.urls {
		one := o.ask
		one.URL = u
		ask.Repos = append(ask.Repos, one)
	}
	var results *api.AddResults
	err := s.write(ctx, func(ctx context.Context, key string) (err error) {
		results, err = s.client.AddMany(ctx, ask, key)
		return err
	})
	if err != nil {
		return err
	}
	var t tally
	var names []string
	for i, r := range results.Results {
		if r.Problem != nil {
			t.fail(s, redact(o.urls[min(i, len(o.urls)-1)]), r.Problem)
			continue
		}
		t.ok++
		if r.Repo != nil {
			added(s, r.Repo)
			names = append(names, r.Repo.Name)
		}
	}
	if o.wait && len(names) > 0 {
		rows, err := waitReady(ctx, s, names)
		if err != nil {
			return err
		}
		for i, j := 0, 0; i < len(results.Results); i++ {
			if results.Results[i].Repo != nil {
				results.Results[i].Repo, j = rows[j], j+1
			}
		}
	}
	for _, name := range names {
		s.say("  clone: %s", render.CloneCommand(s.base(ctx), name))
	}
	if err := s.showJSON(results); err != nil {
		return err
	}
	return t.result("URLs", "added")
}

func added(s *session, r *api.Repo) {
	owner := "owner not chosen yet"
	if r.Owner != "" {
		owner = "owner " + r.Owner
	}
	var nodes []string
	for _, c := range r.Copies {
		nodes = append(nodes, c.Node)
	}
	if len(nodes) > 0 {
		owner += ", copies on " + render.And(nodes)
	}
	s.say("Added %s: %s", r.Name, owner)
}
