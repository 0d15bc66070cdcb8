package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gitmirror/api"

	urfave "github.com/urfave/cli/v2"
)

type nodeRmOptions struct {
	name       string
	yes        bool
	acceptLoss bool
}

func nodeRmCommand() command {
	return command{
		path: "node rm", args: "NAME", usage: "have the cluster forget a node that is gone for good", min: 1, max: 1,
		about:    "Its repositories get new owners and new copies on the other nodes. While no other node that lives has a copy of some of them that is refused, with their names.",
		examples: []string{"gitmirror node rm n2 --yes", "gitmirror node rm n2 --accept-loss --yes"},
		flags: []urfave.Flag{yesFlag(),
			&urfave.BoolFlag{Name: "accept-loss", Usage: "remove it though the last live copies of repositories go with it: they are cloned anew from upstream, and what upstream does not show any more is lost", DisableDefaultText: true}},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			return nodeRm(ctx, s, nodeRmOptions{name: c.Args().First(), yes: c.Bool("yes"), acceptLoss: c.Bool("accept-loss")})
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
		sure := "node rm " + o.name + " --yes"
		if o.acceptLoss {
			effect += " Of what no other node that lives has a copy, kept history is lost: it is cloned anew from upstream."
			sure += " --accept-loss"
		}
		if err := s.confirm(ctx, effect, sure); err != nil {
			return err
		}
	}
	err := s.write(ctx, func(ctx context.Context, key string) error {
		return s.client.RemoveNode(ctx, o.name, o.acceptLoss, key)
	})
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
	Stay    []staying   `json:"stay,omitempty"`
}

// staying is what people want no more, and sources do.
type staying struct {
	Name string   `json:"name"`
	For  []string `json:"for"`
	As   string   `json:"as,omitempty"` // what it is called, where the name leads to it no more
}

// calledAs notes what a repository is called by now that stays; nil where nobody said so.
func (st *staying) calledAs(r *api.Repo) {
	is := func(name string) bool { return strings.EqualFold(name, st.Name) }
	if r != nil && !slices.ContainsFunc(append([]string{r.Name}, slices.Concat(r.Aliases, r.URLs)...), is) {
		st.As = r.Name
	}
}

func (st staying) String() string {
	if st.As != "" {
		return fmt.Sprintf("%s is not wanted by hand any more, and that name is gone: the repository stays as %s, for %s", redact(st.Name), st.As, strings.Join(st.For, ", "))
	}
	return fmt.Sprintf("%s is not wanted by hand any more: it stays for %s", st.Name, strings.Join(st.For, ", "))
}

type unremoved struct {
	Name    string       `json:"name"`
	Problem *api.Problem `json:"problem"`
}
