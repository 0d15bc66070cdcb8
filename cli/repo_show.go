package cli

import (
	"context"
	"time"

	"gitmirror/api"
	"gitmirror/cli/render"

	urfave "github.com/urfave/cli/v2"
)

func repoShowCommand() command {
	return command{
		path: "repo show", args: "NAME", usage: "show one repository, its copies and how to clone it", min: 1, max: 1,
		examples: []string{"gitmirror repo show github.com/acme/big", "gitmirror repo show github.com/acme/big -o json"},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			return repoShow(ctx, s, c.Args().First())
		},
	}
}

func repoShow(ctx context.Context, s *session, name string) error {
	r, err := s.repo(ctx, name)
	if err != nil {
		return err
	}
	return s.show(r, func(p render.Printer) error { return p.Repo(r, ownPolicy(r.Policy), s.base(ctx)) })
}

func (s *session) repo(ctx context.Context, name string) (r *api.Repo, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		r, err = s.client.Repo(ctx, name)
		return err
	})
	return r, notFound(err, s.command("repo ls"))
}

// base is the address of a node that answers: of several given ones the first
// may be down.
func (s *session) base(ctx context.Context) string {
	addrs := s.client.Addrs()
	if len(addrs) > 1 {
		for _, a := range addrs {
			if answers(ctx, a) {
				return a
			}
		}
	}
	return addrs[0]
}

func answers(ctx context.Context, addr string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c := api.NewClient(addr)
	defer c.Close()
	_, err := c.Status(ctx)
	return err == nil
}
