package cli

import (
	"context"
	"fmt"
	"strings"

	"gitmirror/cli/render"

	urfave "github.com/urfave/cli/v2"
)

func repoURLCommand() command {
	return command{
		path: "repo url", args: "NAME", usage: "print the address to clone a repository from", min: 1, max: 1,
		about: `NAME is as for gitmirror repo show. With --insteadof the lines of a git configuration are
printed with which git asks the mirror wherever it would ask an upstream: git fetch, clone and
submodules in scripts need no change. Pushes still go to upstream.`,
		examples: []string{"git clone $(gitmirror repo url github.com/acme/big)", "gitmirror repo url big --insteadof >> ~/.gitconfig"},
		flags:    []urfave.Flag{&urfave.BoolFlag{Name: "insteadof", Usage: "print lines for a git configuration", DisableDefaultText: true}},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			return repoURL(ctx, s, c.Args().First(), c.Bool("insteadof"))
		},
	}
}

// addresses is the form of them in JSON.
type addresses struct {
	URL       string   `json:"url"`
	InsteadOf []string `json:"instead_of"` // the upstreams that it stands for
}

func repoURL(ctx context.Context, s *session, name string, instead bool) error {
	r, err := s.find(ctx, name)
	if err != nil {
		return err
	}
	at := addresses{URL: render.CloneURL(s.base(ctx), r.Name), InsteadOf: r.URLs}
	text := at.URL
	if instead {
		text = insteadOf(at)
		s.remark("Git replaces what an address begins with: what begins with %s asks here too, and is not here unless it is mirrored.", strings.TrimSuffix(r.URLs[0], ".git"))
	}
	return s.show(at, func(p render.Printer) error {
		_, err := fmt.Fprintln(p.Out, text)
		return err
	})
}

// insteadOf are the lines of a git configuration. A pushInsteadOf that leads nowhere else keeps
// pushes with upstream.
func insteadOf(at addresses) string {
	var b strings.Builder
	b.WriteString("[url \"" + at.URL + "\"]\n")
	for _, u := range at.InsteadOf {
		b.WriteString("\tinsteadOf = " + strings.TrimSuffix(u, ".git") + "\n")
	}
	for _, u := range at.InsteadOf {
		bare := strings.TrimSuffix(u, ".git")
		b.WriteString("[url \"" + bare + "\"]\n\tpushInsteadOf = " + bare + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}
