package cli

import (
	"context"

	"gitmirror/api"
	"gitmirror/cli/render"

	urfave "github.com/urfave/cli/v2"
)

func repoShowCommand() command {
	return command{
		path: "repo show", args: "NAME", usage: "show one repository, its copies and how to clone it", min: 1, max: 1,
		about: `NAME is a name that leads to it, its URL, or what its name alone ends in: big stands
for github.com/acme/big while no other name ends in /big.`,
		examples: []string{"gitmirror repo show github.com/acme/big", "gitmirror repo show https://github.com/acme/big.git", "gitmirror repo show big -o json"},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			return repoShow(ctx, s, c.Args().First())
		},
	}
}

func repoShow(ctx context.Context, s *session, name string) error {
	r, err := s.find(ctx, name)
	if err != nil {
		return err
	}
	return s.show(r, func(p render.Printer) error { return p.Repo(r, ownPolicy(r.Policy), s.base(ctx)) })
}

// find is repo, by what a name alone ends in too: for who only looks.
func (s *session) find(ctx context.Context, name string) (r *api.Repo, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		r, err = s.client.Find(ctx, name)
		return err
	})
	return r, notFound(err, s.command("repo ls"))
}

func (s *session) repo(ctx context.Context, name string) (r *api.Repo, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		r, err = s.client.Repo(ctx, name)
		return err
	})
	return r, notFound(err, s.command("repo ls"))
}
