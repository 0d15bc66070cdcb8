package cli

import (
	"context"
	"fmt"

	urfave "github.com/urfave/cli/v2"
)

func sourceRmCommand() command {
	return command{
		path: "source rm", args: "NAME", usage: "follow a source no more", min: 1, max: 1,
		about: "What nobody else wants of what it lists is served for seven days more, and then goes to the trash. What another\n" +
			"source wants too, or people, is called at once as these call it, and no more as this source does.",
		examples: []string{"gitmirror source rm upstream-repos --yes"},
		flags:    []urfave.Flag{yesFlag()},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			return sourceRm(ctx, s, c.Args().First(), c.Bool("yes"))
		},
	}
}

func sourceRm(ctx context.Context, s *session, name string, yes bool) error {
	src, err := s.source(ctx, name)
	if err != nil {
		return err
	}
	if !yes {
		effect := fmt.Sprintf("%s wants %d repositories. What nobody else wants of them is not followed any more, and goes to the trash after seven days; what others want too loses the names that it has here at once.", src.Name, src.Claims)
		if err := s.confirm(ctx, effect, "source rm "+src.Name+" --yes"); err != nil {
			return err
		}
	}
	err = s.write(ctx, func(ctx context.Context, key string) error { return s.client.RemoveSource(ctx, src.Name, key) })
	if err != nil {
		return notFound(err, s.command("source ls"))
	}
	s.say("Removed the source %s", src.Name)
	return s.showJSON(src)
}
