package cli

import (
	"context"
	"fmt"
	"strings"

	"gitmirror/api"
	"gitmirror/internal/refusal"

	urfave "github.com/urfave/cli/v2"
)

func sourceApproveCommand() command {
	return command{
		path: "source approve", args: "NAME", usage: "let a source take away what is held", min: 1, max: 1,
		about: `It is for what is shown: if the source would take away something else by then, it is held
again. What goes is served for seven days more.`,
		examples: []string{"gitmirror source approve upstream-repos", "gitmirror source approve upstream-repos --yes"},
		flags:    []urfave.Flag{yesFlag()},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			return sourceApprove(ctx, s, c.Args().First(), c.Bool("yes"))
		},
	}
}

func sourceApprove(ctx context.Context, s *session, name string, yes bool) error {
	src, err := s.source(ctx, name)
	if err != nil {
		return err
	}
	if src.Hold == nil {
		return &Failure{What: "there is nothing to approve: " + src.Name + " is not held", Code: string(refusal.NotHeld), Exit: exitConflict, Try: s.command("source show %s", src.Name)}
	}
	lines := []string{fmt.Sprintf("Let %s take away %d of %d%s:", src.Name, src.Hold.Lost, src.Claims, src.Hold.Besides())}
	for i, path := range src.Hold.First {
		if i == shownLosses {
			break
		}
		lines = append(lines, "  "+path)
	}
	if more := src.Hold.Lost - min(len(src.Hold.First), shownLosses); more > 0 {
		lines = append(lines, fmt.Sprintf("  and %d more: gitmirror source show %s", more, src.Name))
	}
	effect := strings.Join(lines, "\n")
	if yes {
		s.remark("%s", effect)
	} else if err := s.confirm(ctx, effect, "source approve "+src.Name+" --yes"); err != nil {
		return err
	}
	err = sourceWrite(ctx, s, func(ctx context.Context, key string) (*api.Source, error) {
		return s.client.ApproveSource(ctx, name, api.ApproveSource{Digest: src.Hold.Digest}, key)
	}, "Approved for")
	if err == nil && src.State == api.SourcePaused {
		s.remark("It is paused: nothing goes until it is resumed: %s", s.command("source resume %s", src.Name))
	}
	return err
}

// shownLosses is how many paths a question names.
const shownLosses = 20
