package cli

import (
	"context"
	"errors"
	"fmt"

	"gitmirror/demo"

	urfave "github.com/urfave/cli/v2"
)

func demoCommand() command {
	return command{
		path: "demo", usage: "see it work: three nodes, sample upstreams, a killed leader",
		about: `Starts three nodes as child processes on free loopback ports, mirrors a dozen sample
repositories, changes them, kills the leader, and compares what every surviving node
serves with upstream, ref by ref. Takes about a minute and cleans up after itself.
Exits 1 where anything differs. With --samples it serves the sample repositories alone, as
upstreams for nodes that you start by hand.`,
		examples: []string{"gitmirror demo", "gitmirror demo --keep", "gitmirror demo --upstream https://github.com/acme/big", "gitmirror demo --samples 7600"},
		flags: []urfave.Flag{
			&urfave.StringSliceFlag{Name: "upstream", Usage: "mirror this `URL` instead of the samples; repeatable"},
			&urfave.BoolFlag{Name: "keep", Usage: "leave the cluster running until Ctrl-C, to look around", DisableDefaultText: true},
			&urfave.IntFlag{Name: "samples", Usage: "serve the sample upstreams alone, at this `PORT` of 127.0.0.1, until Ctrl-C", DefaultText: "the whole demo"},
			&urfave.BoolFlag{Name: "sabotage", Usage: "drop a ref from one copy, to see that it is found", Hidden: true, DisableDefaultText: true},
		},
		local: true,
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			if c.IsSet("samples") {
				return serveSamples(ctx, s, c)
			}
			return runDemo(ctx, s, demo.Options{Upstreams: c.StringSlice("upstream"), Keep: c.Bool("keep"), Sabotage: c.Bool("sabotage")})
		},
	}
}

func serveSamples(ctx context.Context, s *session, c *urfave.Context) error {
	port := c.Int("samples")
	switch {
	case c.IsSet("keep") || c.IsSet("upstream") || c.IsSet("sabotage"):
		return usagef(fmt.Sprintf("gitmirror demo --samples %d", port), "--samples serves upstreams and nothing else: no other flag of the demo goes with it")
	case port < 0 || port > 65535:
		return usagef("gitmirror demo --samples 7600", "--samples %d is not a port", port)
	}
	if s.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = s.whole(ctx)
		defer cancel()
	}
	out := s.Out
	if s.quiet {
		out = nil
	}
	return ofDemo(demo.Serve(ctx, port, out))
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
	return ofDemo(demo.Run(ctx, o))
}

func ofDemo(err error) error {
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
