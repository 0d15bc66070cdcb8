package cli

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"gitmirror/api"
	"gitmirror/cli/render"

	urfave "github.com/urfave/cli/v2"
)

func statusCommand() command {
	return command{
		path: "status", usage: "show the cluster's state and what wants attention",
		about: "Exits 0 whenever a node answered, whatever it said; with --exit-code 0 for healthy, 1 for degraded, 7 without a quorum or a node, 8 when none has answered within 5 s, or --timeout.\n" +
			"With --watch it goes on until it is interrupted: on a terminal it is drawn anew, elsewhere each change is a line of JSON.",
		examples: []string{"gitmirror status", "gitmirror status -o json | jq -r .verdict", "gitmirror status --watch", "gitmirror status --exit-code -q",
			"gitmirror status --addr http://10.0.0.11:7654,http://10.0.0.12:7654"},
		flags: []urfave.Flag{
			&urfave.BoolFlag{Name: "watch", Aliases: []string{"w"}, Usage: "go on, until it is interrupted"},
			&urfave.BoolFlag{Name: "exit-code", Usage: "for probes: exit with 1 where the cluster is degraded, 7 where it has no quorum"},
		},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			if !c.Bool("watch") {
				return status(ctx, s, c.Bool("exit-code"))
			}
			if c.Bool("exit-code") {
				return usagef("gitmirror status --exit-code", "--watch does not end by itself, and --exit-code tells how it ended")
			}
			return watchStatus(ctx, s)
		},
	}
}

// probeTimeout is how long a probe asks, unless --timeout says otherwise: whoever probes has a
// bound of their own, and a node that says nothing for that long is of no use.
const probeTimeout = 5 * time.Second

func status(ctx context.Context, s *session, probe bool) error {
	if probe {
		s.patience = 0 // what a node says of itself, as that it waits for others, is the answer
		s.timeout = cmp.Or(s.timeout, probeTimeout)
	}
	st, err := askStatus(ctx, s)
	if err != nil {
		return err
	}
	err = s.show(st, func(p render.Printer) error {
		if s.quiet {
			_, err := fmt.Fprintln(p.Out, render.Verdict(st))
			return err
		}
		return p.Status(st)
	})
	if err == nil && probe {
		err = verdictOf(st)
	}
	return err
}

func askStatus(ctx context.Context, s *session) (st *api.Status, err error) {
	err = s.read(ctx, func(ctx context.Context) (err error) {
		st, err = s.client.Status(ctx)
		return err
	})
	return st, err
}

// verdictOf is how a probe ends.
func verdictOf(st *api.Status) error {
	switch st.Verdict {
	case api.Healthy:
		return nil
	case api.NoQuorum:
		return told(exitUnavailable)
	}
	return told(exitFailed)
}

// told is the end of a command that has said all there is to say.
type told int

func (t told) Error() string { return fmt.Sprintf("exit status %d", int(t)) }
