package cli

import (
	"context"

	"gitmirror/api"

	urfave "github.com/urfave/cli/v2"
)

func repoPauseCommand() command {
	return command{
		path: "repo pause", args: "NAME...", usage: "leave upstreams of repositories alone, and serve what is there", min: 1, max: unlimited,
		about: `Copies are kept complete and served. Upstream is asked for who waits for that alone:
once by each gitmirror repo sync, and when an approval is to be heard.`,
		examples: []string{"gitmirror repo pause github.com/acme/big"},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			return repoSet(ctx, s, c.Args().Slice(), pausing(true), "paused", func(r *api.Repo) string { return "Paused " + r.Name })
		},
	}
}

func repoResumeCommand() command {
	return command{
		path: "repo resume", args: "NAME...", usage: "follow upstreams of paused repositories again", min: 1, max: unlimited,
		examples: []string{"gitmirror repo resume github.com/acme/big"},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			return repoSet(ctx, s, c.Args().Slice(), pausing(false), "resumed", func(r *api.Repo) string { return "Resumed " + r.Name })
		},
	}
}

func pausing(paused bool) (set api.SetRepo) {
	set.Paused = &paused
	return set
}
