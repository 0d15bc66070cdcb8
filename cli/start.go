package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"gitmirror/node"

	urfave "github.com/urfave/cli/v2"
)

type startOptions struct {
	config    node.Config
	logLevel  string
	logFormat string
}

func startCommand() command {
	return command{
		path: "start", usage: "run a node",
		about: `With an empty data directory and without --join the node founds a cluster of one.
With --join it joins the cluster of any member. A node that is in a cluster already
goes on with it; --join is ignored then. Its name and addresses are kept in node.json, and
change only when a flag says so: later "gitmirror start --data DIR" is enough. When it serves it prints its addresses and
the line with which the next node joins; logs go to stderr. SIGTERM or Ctrl-C ends
it in good order, a second one at once.`,
		examples: []string{
			"gitmirror start",
			"gitmirror start --name n1 --data d1 --http 127.0.0.1:7654 --peer 127.0.0.1:7655",
			"gitmirror start --name n2 --data d2 --http 127.0.0.1:7664 --peer 127.0.0.1:7665 --join 127.0.0.1:7655",
		},
		flags: []urfave.Flag{
			&urfave.StringFlag{Name: "name", Usage: "`NAME` of the node, unique in the cluster", DefaultText: kept("the host name")},
			&urfave.StringFlag{Name: "data", Usage: "data `DIRECTORY`, made if missing", Value: "gitmirror-data", EnvVars: env("DATA"), TakesFile: true},
			&urfave.StringFlag{Name: "http", Usage: "`HOST:PORT` of the API and git", DefaultText: kept(node.DefaultHTTP)},
			&urfave.StringFlag{Name: "peer", Usage: "`HOST:PORT`, TCP and UDP, for the other nodes", DefaultText: kept(node.DefaultPeer)},
			&urfave.StringFlag{Name: "advertise", Usage: "`HOST:PORT` that other nodes reach --peer at, where that is another"},
			&urfave.StringFlag{Name: "advertise-http", Usage: "`HOST:PORT` that clients reach --http at, where that is another"},
			&urfave.StringSliceFlag{Name: "join", Usage: "peer `HOST:PORT` of a member of the cluster to join; repeatable", EnvVars: env("JOIN")},
			&urfave.StringFlag{Name: "raft-timing", Usage: "`PACE` at which a dead leader is noticed: fast, normal, or slow for far or busy networks", Value: "normal", EnvVars: env("RAFT_TIMING")},
			&urfave.DurationFlag{Name: "replace-after", Usage: "`DURATION` a node is down before its copies are made anew elsewhere", Value: 10 * time.Minute, DefaultText: "10m", EnvVars: env("REPLACE_AFTER")},
			&urfave.Float64Flag{Name: "min-free", Usage: "`PERCENT` of the disk that stays free: below it no new copy is made, below half of it nothing is fetched; 0: never mind", Value: 10, EnvVars: env("MIN_FREE")},
			&urfave.StringFlag{Name: "max-size", Usage: "`SIZE` that the copy of a repository may have, unless it has a limit of its own", Value: "50GiB", EnvVars: env("MAX_SIZE")},
			&urfave.StringFlag{Name: "max-object-size", Usage: "`SIZE` that one object may have, unless its repository has a limit of its own", Value: "2GiB", EnvVars: env("MAX_OBJECT_SIZE")},
			&urfave.StringFlag{Name: "git-memory", Usage: "`SIZE` of memory that one git process may take", Value: "2GiB", EnvVars: env("GIT_MEMORY")},
			&urfave.StringSliceFlag{Name: "allow-upstream", Usage: "`CIDR` of private or loopback addresses that upstreams may have; repeatable", EnvVars: env("ALLOW_UPSTREAM")},
			&urfave.StringSliceFlag{Name: "allow-host", Usage: "`NAME` that clients know this node by, besides its IP addresses and the one advertised; repeatable", EnvVars: env("ALLOW_HOST")},
			&urfave.BoolFlag{Name: "insecure-peers", Usage: "take a --peer address that others can reach: peers do not authenticate each other yet", EnvVars: env("INSECURE_PEERS"), DisableDefaultText: true},
			&urfave.BoolFlag{Name: "insecure-api", Usage: "take writes on a --http address that others can reach: clients do not authenticate yet", EnvVars: env("INSECURE_API"), DisableDefaultText: true},
			&urfave.StringFlag{Name: "log-level", Usage: "`LEVEL` of the log: debug, info, warn or error", Value: "info", EnvVars: env("LOG_LEVEL")},
			&urfave.StringFlag{Name: "log-format", Usage: "`FORMAT` of the log: text or json", Value: "text", EnvVars: env("LOG_FORMAT")},
		},
		local: true,
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			var sizes [3]int64
			for i, flag := range []string{"max-size", "max-object-size", "git-memory"} {
				n, err := size(c, flag)
				if err != nil {
					return err
				}
				sizes[i] = n
			}
			return start(ctx, s, startOptions{
				config: node.Config{
					MaxSize: sizes[0], MaxObject: sizes[1], GitMemory: sizes[2],
					Name: c.String("name"), Dir: c.String("data"), HTTP: c.String("http"), Peer: c.String("peer"),
					Advertise: c.String("advertise"), AdvertiseHTTP: c.String("advertise-http"), Join: c.StringSlice("join"),
					Timing: c.String("raft-timing"), ReplaceAfter: c.Duration("replace-after"), MinFree: c.Float64("min-free"), AllowUpstream: c.StringSlice("allow-upstream"), AllowHost: c.StringSlice("allow-host"),
					InsecurePeers: c.Bool("insecure-peers"), InsecureAPI: c.Bool("insecure-api"),
				},
				logLevel: c.String("log-level"), logFormat: c.String("log-format"),
			})
		},
	}
}

// kept is the default of what node.json keeps.
func kept(first string) string { return "as before; at first " + first }

func env(flag string) []string { return []string{"GITMIRROR_" + flag} }

func start(ctx context.Context, s *session, o startOptions) error {
	cfg := o.config
	cfg.First = node.Place{Name: os.Getenv("GITMIRROR_NAME"), HTTP: os.Getenv("GITMIRROR_HTTP"), Peer: os.Getenv("GITMIRROR_PEER"),
		Advertise: os.Getenv("GITMIRROR_ADVERTISE"), AdvertiseHTTP: os.Getenv("GITMIRROR_ADVERTISE_HTTP")}
	if err := oneOf("raft-timing", cfg.Timing, "fast", "normal", "slow"); err != nil {
		return err
	}
	if cfg.ReplaceAfter <= 0 {
		return usagef("gitmirror start --help", "--replace-after %s is no time to wait", cfg.ReplaceAfter)
	}
	switch {
	case cfg.MinFree < 0 || cfg.MinFree > 50:
		return usagef("gitmirror start --min-free 10", "--min-free %g is not between 0 and 50 percent", cfg.MinFree)
	case cfg.MinFree == 0:
		cfg.MinFree = -1
	}
	if err := enough("max-size", cfg.MaxSize, 1<<20); err != nil {
		return err
	}
	if err := enough("max-object-size", cfg.MaxObject, 1<<20); err != nil {
		return err
	}
	if err := enough("git-memory", cfg.GitMemory, 64<<20); err != nil {
		return err
	}
	log, err := newLogger(s.Err, o.logLevel, o.logFormat)
	if err != nil {
		return err
	}
	cfg.Log, cfg.Version, cfg.RunDir = log, readBuild().Version, s.runDir
	served := false
	cfg.Ready = func(info node.Info) {
		served = true
		announce(s, cfg, info)
	}
	if err := node.Run(ctx, cfg); err != nil {
		return stopped(err)
	}
	if !served && !errors.Is(context.Cause(ctx), ErrTerminated) {
		quiet := &Failure{Code: codeInterrupted, Exit: exitInterrupted} // who presses Ctrl-C knows why
		if s.json {
			quiet.What = "interrupted"
		}
		return quiet
	}
	return nil
}

// ErrTerminated is the cause of a context that ends because the process is to end, though
// nobody has interrupted it: a node that is still starting ends well then.
var ErrTerminated = errors.New("terminated")

// enough refuses a size that nothing would fit in.
func enough(flag string, n, least int64) error {
	if n < least {
		return usagef("gitmirror start --help", "--%s has to be %s at least", flag, humanize.IBytes(uint64(least)))
	}
	return nil
}

// stopped is why a node did not start, or did not go on.
func stopped(err error) error {
	f := &Failure{What: err.Error(), Code: codeFailed, Exit: exitFailed, Try: "gitmirror start --help"}
	f.advise(err)
	return f
}

func newLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	if err := oneOf("log-level", level, "debug", "info", "warn", "error"); err != nil {
		return nil, err
	}
	if err := oneOf("log-format", format, "text", "json"); err != nil {
		return nil, err
	}
	options := &slog.HandlerOptions{Level: levels[level]}
	var handler slog.Handler = slog.NewTextHandler(w, options)
	if format == "json" {
		handler = slog.NewJSONHandler(w, options)
	}
	// net/http tells what upstreams do against its rules by the standard logger, in their own
	// words: they are quoted, and of no interest to others than developers.
	log.SetFlags(0)
	log.SetOutput(slog.NewLogLogger(handler, slog.LevelDebug).Writer())
	return slog.New(handler), nil
}

// oneOf refuses a flag's value that is not one of the words.
func oneOf(flag, value string, words ...string) error {
	if slices.Contains(words, value) {
		return nil
	}
	hint := ""
	if near := nearest(value, words); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return usagef("gitmirror start --"+flag+" "+words[0], "--%s %q is none of %s%s", flag, value, strings.Join(words, ", "), hint)
}
