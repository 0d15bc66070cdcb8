package cli

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"gitmirror/api"

	urfave "github.com/urfave/cli/v2"
)

// The default bounds of one call and of a --wait.
const (
	callTimeout = 30 * time.Second
	waitTimeout = 10 * time.Minute
)

// command is one that does something. Every command takes the same flags
// besides its own, so that an alias can carry them; where one means nothing it
// is not shown.
type command struct {
	path     string // "repo add"
	args     string // for the usage line
	usage    string // one line
	about    string // further lines of help
	examples []string
	flags    []urfave.Flag
	min, max int  // how many arguments it takes; max < 0: any number
	local    bool // asks no node
	run      func(ctx context.Context, s *session, c *urfave.Context) error
}

// unlimited is command.max for commands that take any number of arguments.
const unlimited = -1

func (cmd command) build(p program) *urfave.Command {
	words := strings.Fields(cmd.path)
	usage := []string{"gitmirror " + cmd.path, "[flags]"}
	if cmd.args != "" {
		usage = append(usage, cmd.args)
	}
	about := cmd.about
	if about != "" {
		about += "\n\n"
	}
	about += "Examples:\n  " + strings.Join(cmd.examples, "\n  ")
	return &urfave.Command{
		Name: words[len(words)-1], Usage: cmd.usage, UsageText: strings.Join(usage, " "), ArgsUsage: cmd.args,
		Description: about, Flags: cmd.allFlags(),
		HideHelpCommand: true, OnUsageError: usageError,
		Action: func(c *urfave.Context) error {
			s, err := newSession(p, c, !cmd.local)
			if err != nil {
				return err
			}
			defer s.close()
			if err := checkDurations(c); err != nil {
				return err
			}
			if err := cmd.checkArgs(c.Args().Slice()); err != nil {
				return err
			}
			ctx, cancel := c.Context, func() {}
			if s.timeout > 0 && !cmd.local && !endless(c) {
				ctx, cancel = context.WithTimeout(ctx, s.timeout)
			}
			defer cancel()
			if err := cmd.run(ctx, s, c); err != nil {
				return ended{err, s}
			}
			return s.unsaid
		},
	}
}

// endless tells whether a command goes on until it is interrupted: --timeout is for each of its calls
// then, and else for all that a command does.
func endless(c *urfave.Context) bool { return c.Bool("watch") || c.Bool("follow") }

// checkDurations refuses what the API would: it counts in milliseconds, and rounds
// nothing in silence.
func checkDurations(c *urfave.Context) error {
	for _, f := range c.Command.Flags {
		if _, ok := f.(*urfave.DurationFlag); !ok {
			continue
		}
		if name := f.Names()[0]; c.Duration(name)%time.Millisecond != 0 {
			return usagef(c.Command.HelpName+" --help", "--%s %s is finer than a millisecond", name, c.Duration(name))
		}
	}
	return nil
}

// allFlags are the command's own, and those that all have.
func (cmd command) allFlags() []urfave.Flag {
	own := map[string]bool{}
	for _, f := range cmd.flags {
		own[f.Names()[0]] = true
	}
	list := cmd.flags
	for _, common := range commonFlags(cmd.local) {
		if !own[common.Names()[0]] {
			list = append(list, common)
		}
	}
	return list
}

func commonFlags(local bool) []urfave.Flag {
	return []urfave.Flag{
		&urfave.StringSliceFlag{Name: "addr", Usage: "`URL` of a node; several, repeated or with commas, are tried in turn", DefaultText: "$" + addrEnv + ", or " + defaultAddr, Hidden: local},
		&urfave.StringFlag{Name: "data", Usage: "`DIRECTORY` of a node on this host, which is asked through the socket there", DefaultText: "$" + dataEnv + ", or " + api.RunDir, TakesFile: true, Hidden: local},
		outputFlag("table or json"),
		&urfave.DurationFlag{Name: "timeout", Usage: "`DURATION` that the command may take; of each call where it goes on until it is interrupted", DefaultText: "30s a call, with --wait 10m", Hidden: local},
		&urfave.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "no progress and no remarks; lists print names alone", DisableDefaultText: true},
		&urfave.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "say which node is asked, and why that", DisableDefaultText: true, Hidden: local},
	}
}

func outputFlag(formats string) urfave.Flag {
	return &urfave.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`FORMAT` of the output: " + formats, Value: "table"}
}

func (cmd command) checkArgs(args []string) error {
	help := "gitmirror " + cmd.path + " --help"
	for _, a := range args {
		if a == "" {
			return usagef(help, "an argument of gitmirror %s is empty", cmd.path)
		}
	}
	switch n := len(args); {
	case n < cmd.min:
		return usagef(help, "gitmirror %s needs %s", cmd.path, cmd.args)
	case cmd.max >= 0 && n > cmd.max:
		return usagef(help, "gitmirror %s does not take the argument %q", cmd.path, args[cmd.max])
	}
	return nil
}

// session is one command being run: its streams, its common flags and the
// cluster it talks to.
type session struct {
	program
	json, quiet bool
	wide        bool // tables with all columns
	verbose     bool
	timeout     time.Duration // 0: the default
	addrs       []string      // given on the command line; empty otherwise
	data        string        // likewise
	client      *api.Client
	absent      sync.Once // that no leader answers has been told
	unsaid      error     // why an outcome could not be printed
}

func newSession(p program, c *urfave.Context, asksNode bool) (*session, error) {
	s := &session{program: p, quiet: c.Bool("quiet"), verbose: c.Bool("verbose"), timeout: c.Duration("timeout")}
	help := c.Command.HelpName + " --help"
	switch o := c.String("output"); {
	case o == "table":
	case o == "json":
		s.json = true
	case o == "wide" && c.Command.HelpName == "gitmirror repo ls":
		s.wide = true
	case o == "wide":
		return nil, usagef("gitmirror repo ls -o wide", "the output format wide is for gitmirror repo ls alone; others are table and json")
	default:
		return nil, usagef(help, "output format %q is neither table nor json", o)
	}
	if s.timeout < 0 {
		return nil, usagef(help, "--timeout %s is negative", s.timeout)
	}
	if !asksNode {
		return s, nil
	}
	s.addrs, s.data = c.StringSlice("addr"), c.String("data")
	where, err := p.findPlace(s.addrs, s.data)
	if err != nil {
		return nil, err
	}
	s.client = api.NewClient(where.addrs...)
	for _, a := range s.client.Addrs() {
		if err := checkAddr(a); err != nil {
			return nil, usagef(c.Command.HelpName+" --addr "+defaultAddr, "the address %q %w", a, err)
		}
	}
	s.tellPlace(where.by)
	return s, nil
}

func (s *session) close() {
	if s.client == nil {
		return
	}
	if by := s.client.Answered(); s.verbose && len(s.client.Addrs()) > 1 && by != "" {
		_, _ = fmt.Fprintf(s.Err, "%s has answered\n", by)
	}
	s.client.Close()
}

// command is a command line to show to the user: with the --addr and
// --data that this one was given.
func (s *session) command(format string, args ...any) string {
	return "gitmirror " + fmt.Sprintf(format, args...) + s.where()
}

// where are the flags that say which node was asked, as they were given.
func (s *session) where() (flags string) {
	if len(s.addrs) > 0 {
		flags += " --addr " + strings.Join(s.addrs, ",")
	}
	if s.data != "" {
		flags += " --data " + shellWord(s.data)
	}
	return flags
}

// ended is how a command has ended, and which that was.
type ended struct {
	error
	s *session
}

func (e ended) Unwrap() error { return e.error }
