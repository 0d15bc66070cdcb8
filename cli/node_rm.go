package cli

import (
	"context"
	"fmt"

	"gitmirror/api"

	urfave "github.com/urfave/cli/v2"
)

type nodeRmOptions struct {
	name string
	yes  bool
}

func nodeRmCommand() command {
	return command{
		path: "node rm", args: "NAME", usage: "have the cluster forget a node that is gone for good", min: 1, max: 1,
		about:    "Its repositories get new owners and new copies on the other nodes.",
		examples: []string{"gitmirror node rm n2 --yes"},
		flags:    []urfave.Flag{yesFlag()},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			return nodeRm(ctx, s, nodeRmOptions{name: c.Args().First(), yes: c.Bool("yes")})
		},
	}
}

func nodeRm(ctx context.Context, s *session, o nodeRmOptions) error {
	if !o.yes {
		n, err := s.node(ctx, o.name)
		if err != nil {
			return err
		}
		effect := fmt.Sprintf("Remove node %s, which is %s: the cluster forgets it, and makes the %d copies it holds anew on other nodes.", n.Name, n.State, n.Copies)
		if err := s.confirm(ctx, effect, "node rm "+o.name+" --yes"); err != nil {
			return err
		}
	}
	err := s.write(ctx, func(ctx context.Context, key string) error { return s.client.RemoveNode(ctx, o.name, key) })
	if err != nil {
		return notFound(err, s.command("node ls"))
	}
	s.say("Removed node %s", o.name)
	return s.showJSON(removed{Removed: []string{o.name}})
}

// removed is what the rm commands print as JSON.
type removed struct {
	Removed []string    `json:"removed"`
	Failed  []unremoved `json:"failed,omitempty"`
}

type unremoved struct {
	Name    string       `json:"name"`
	Problem *api.Problem `json:"problem"`
}
