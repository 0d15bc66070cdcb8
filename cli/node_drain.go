package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gitmirror/api"
	"gitmirror/cli/render"

	urfave "github.com/urfave/cli/v2"
)

type nodeDrainOptions struct {
	name     string
	deadline time.Duration // 0: none
	detach   bool
}

func nodeDrainCommand() command {
	return command{
		path: "node drain", args: "NAME", usage: "have a node give all it holds and owns to others", min: 1, max: 1,
		about: `It gets nothing new from then on, and returns when each copy that was on it has
its equal on another node. Whoever leads, and votes, hands that over where
another can. Interrupted, or after --deadline, the node goes on draining; it
stays so, restarts too, until gitmirror node undrain.`,
		examples: []string{"gitmirror node drain n2", "gitmirror node drain n2 --deadline 1h", "gitmirror node drain n2 --detach"},
		flags: []urfave.Flag{
			&urfave.DurationFlag{Name: "deadline", Usage: "`DURATION` after which not to wait any longer, and to say what is left", DefaultText: "none"},
			&urfave.BoolFlag{Name: "detach", Usage: "do not wait", DisableDefaultText: true},
		},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			o := nodeDrainOptions{name: c.Args().First(), deadline: c.Duration("deadline"), detach: c.Bool("detach")}
			switch {
			case c.IsSet("deadline") && o.deadline <= 0:
				return usagef("gitmirror node drain --help", "--deadline %s is no time to wait", o.deadline)
			case c.IsSet("deadline") && o.detach:
				return usagef("gitmirror node drain --help", "--deadline and --detach exclude each other")
			}
			return nodeDrain(ctx, s, o)
		},
	}
}

func nodeDrain(ctx context.Context, s *session, o nodeDrainOptions) error {
	before, err := s.node(ctx, o.name)
	if err != nil {
		return err
	}
	if before.Drain != nil {
		is := "is draining"
		if before.Drain.Done {
			is = "is drained"
		}
		s.remark("%s %s already; that was asked for at %s.", before.Name, is, before.Drain.Since.Local().Format(time.DateTime))
	}
	var n *api.Node
	err = s.write(ctx, func(ctx context.Context, key string) (err error) {
		n, err = s.client.Drain(ctx, o.name, key)
		return err
	})
	if err != nil {
		return notFound(err, s.command("node ls"))
	}
	if o.detach {
		s.say("%s is draining: %s", n.Name, render.DrainLeft(n))
		s.remark("Look again with: %s", s.command("node drain %s", n.Name))
		return s.showJSON(n)
	}
	return awaitDrained(ctx, s, n, o.deadline)
}

// awaitDrained returns when nothing is left on the node.
func awaitDrained(ctx context.Context, s *session, n *api.Node, deadline time.Duration) error {
	if deadline > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, deadline)
		defer cancel()
	}
	began, answered := time.Now(), time.Now()
	progress := newProgress(s)
	defer progress.end()
	for known := false; ; {
		if n.Drain == nil {
			return &Failure{What: n.Name + " is not draining any more: somebody has ended that", Code: codeFailed, Exit: exitConflict, Try: s.command("node drain %s", n.Name)}
		}
		if n.Drain.Done {
			break
		}
		line := fmt.Sprintf("%s: %s, %s", n.Name, render.DrainLeft(n), took(began))
		if len(n.Drain.Waiting) > 0 {
			line += fmt.Sprintf("; %s: %s", n.Drain.Waiting[0].Repo, n.Drain.Waiting[0].Why)
		}
		progress.update(line)
		if !sleep(ctx, pollEvery) {
			progress.end()
			return drainOver(ctx, s, n, deadline)
		}
		look, cancel := context.WithTimeout(ctx, lookTimeout)
		next, err := s.client.Node(look, n.Name)
		cancel()
		switch {
		case err == nil && next.Drain == nil && !known && time.Since(began) < lookPatience:
			// This node has not heard of it yet.
		case err == nil:
			n, answered, known = next, time.Now(), true
		case ctx.Err() != nil:
			progress.end()
			return drainOver(ctx, s, n, deadline)
		case notThere(err):
			return &Failure{What: n.Name + " was removed meanwhile", Code: codeFailed, Exit: exitNotFound, Try: s.command("node ls")}
		case time.Since(answered) > lookPatience:
			return err
		}
	}
	progress.end()
	s.say("%s is drained after %s: all that it had is elsewhere, and it gets nothing new.", n.Name, took(began))
	s.remark("Stop it now; then %s, or when it is back %s", s.command("node rm %s --yes", n.Name), s.command("node undrain %s", n.Name))
	return s.showJSON(n)
}

// drainOver is the failure of a wait that has ended before the drain.
func drainOver(ctx context.Context, s *session, n *api.Node, deadline time.Duration) error {
	over := "--timeout ran out"
	if deadline > 0 && (s.timeout == 0 || deadline < s.timeout) {
		over = fmt.Sprintf("--deadline %s is over", deadline)
	}
	f := &Failure{What: n.Name + " is not drained: " + over, Code: codeTimeout, Exit: exitTimeout,
		Try: s.command("node drain %s", n.Name) + "      to look again\n" + s.command("node undrain %s", n.Name) + "    to have it keep what it has"}
	if interrupted(ctx.Err()) {
		f.What, f.Code, f.Exit = "interrupted", codeInterrupted, exitInterrupted
	}
	left := []string{fmt.Sprintf("%s goes on draining: %s", n.Name, render.DrainLeft(n))}
	for _, w := range n.Drain.Waiting {
		left = append(left, w.Repo+": "+w.Why)
	}
	f.Cause = strings.Join(left, "\n")
	return f
}
