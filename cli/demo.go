package cli

import (
	"context"
	"errors"

	"gitmirror/demo"

	urfave "github.com/urfave/cli/v2"
)

func demoCommand() command {
	return command{
		path: "demo", usage: "see it work: three nodes, sample upstreams, a killed leader",
		about: `Starts three nodes as child processes on free loopback ports, mirrors a dozen sample
repositories, changes them, kills the leader, and compares what every surviving node
serves with upstream, ref by ref. Takes about a minute and cleans up after itself.
Exits 1 where anything differs.`,
		examples: []string{"gitmirror demo", "gitmirror demo --keep", "gitmirror demo --upstream https://github.com/acme/big"},
		flags: []urfave.Flag{
			&urfave.StringSliceFlag{Name: "upstream", Usage: "mirror this `URL` instead of the samples; repeatable"},
			&urfave.BoolFlag{Name: "keep", Usage: "leave the cluster running until Ctrl-C, to look around", DisableDefaultText: true},
			&urfave.BoolFlag{Name: "sabotage", Usage: "drop a ref from one copy, to see that it is found", Hidden: true, DisableDefaultText: true},
		},
		local: true,
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			return runDemo(ctx, s, demo.Options{Upstreams: c.StringSlice("upstream"), Keep: c.Bool("keep"), Sabotage: c.Bool("sabotage")})
		},
	}
}

func runDemo(ctx context.Context, s *session, o demo.Options) error {
	if s.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = s.whole(ctx)
		defer cancel()
	}
	o.Out, o.Print = s.Out, s.printer(s.Out)
	if s.quiet {
		o.Out = nil
	}
	err := demo.Run(ctx, o)
	found := demo.Differences(nil)
	switch {
	case interrupted(err):
		return &Failure{What: "interrupted; the nodes are stopped, and nothing is left behind", Code: codeInterrupted, Exit: exitInterrupted}
	case errors.As(err, &found):
		return &Failure{What: "the mirrors differ from upstream", Cause: found.Error(), Code: codeDifference, Exit: exitFailed, Try: "gitmirror demo --keep"}
	case errors.Is(err, demo.ErrNoGit):
		return &Failure{What: err.Error(), Code: codeNoGit, Exit: exitFailed, Try: "install git and start again"}
	}
	return err
}
