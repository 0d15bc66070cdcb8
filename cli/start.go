package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"sync"

	"gitmirror/internal/oneline"
	"gitmirror/node"

	urfave "github.com/urfave/cli/v2"
)

func startCommand() command {
	return command{
		path: "start", usage: "run a node",
		about: `With an empty data directory and without --join the node founds a cluster of one.
With --join it joins the cluster of any member. With --bootstrap-expect N and the same --join
for all of them, N nodes found one together: start them in any order, with one line. A node
that is in a cluster already goes on with it; both are ignored then. Its name and addresses
are kept in node.json, and change only when a flag says so: later "gitmirror start --data DIR"
is enough. When it serves it prints its addresses and the line with which the next node joins;
logs go to stderr. SIGTERM or Ctrl-C ends it in good order, a second one at once.

What no flag says is taken from the environment ($GITMIRROR_REPLACE_AFTER for
--replace-after), or else from config.yaml in the data directory, or --config, with a line for
each flag (replace-after: 5m). "gitmirror config init" writes one to fill in.`,
		examples: []string{
			"gitmirror start",
			"gitmirror start --name n1 --data d1 --http 127.0.0.1:7654 --peer 127.0.0.1:7655",
			"gitmirror start --name n2 --data d2 --http 127.0.0.1:7664 --peer 127.0.0.1:7665 --join 127.0.0.1:7655",
			"gitmirror start --join h1:7655,h2:7655,h3:7655 --bootstrap-expect 3 --peer HOST:7655 --insecure-peers --http HOST:7654",
		},
		flags: settingFlags(),
		local: true,
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			settings, err := configure(c, true)
			if err != nil {
				return err
			}
			cfg := settings.config()
			cfg.Log = newLogger(s.Err, c.String("log-level"), c.String("log-format"))
			for _, word := range misspelt(os.Environ()) {
				cfg.Log.Warn(word)
			}
			return start(ctx, s, cfg)
		},
	}
}

// start runs a node until ctx ends, and tells systemd how it is.
func start(ctx context.Context, s *session, cfg node.Config) error {
	if os.Getenv("GOGC") == "" {
		go tendHeap(ctx)
	}
	systemd := supervised{cfg.Log}
	var watching sync.WaitGroup
	defer watching.Wait()
	watched, unwatch := context.WithCancel(context.WithoutCancel(ctx)) // until the stop has ended too
	defer unwatch()
	watching.Go(func() { systemd.watch(watched) })
	stop := context.AfterFunc(ctx, func() { systemd.tell("STOPPING=1\nSTATUS=is stopping") })
	defer stop()
	cfg.RunDir = s.runDir
	// Who starts units one after the other would never come to the next, did the first of them
	// not count as started while it waits for the others.
	cfg.Waits = func(what string) { systemd.tell("READY=1\nSTATUS=waits: " + oneline.Plain(what, ' ')) }
	served := false
	cfg.Ready = func(info node.Info) {
		served = true
		announce(s, cfg, info)
		systemd.tell(fmt.Sprintf("READY=1\nSTATUS=node %s of cluster %s serves at %s", info.Name, info.ClusterID, info.HTTP))
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

// stopped is why a node did not start, or did not go on.
func stopped(err error) error {
	f := &Failure{What: err.Error(), Code: codeFailed, Exit: exitFailed, Try: "gitmirror start --help"}
	f.advise(err)
	return f
}

// newLogger logs to w, at a level and in a format that were checked.
func newLogger(w io.Writer, level, format string) *slog.Logger {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	options := &slog.HandlerOptions{Level: levels[level]}
	var handler slog.Handler = slog.NewTextHandler(w, options)
	if format == "json" {
		handler = slog.NewJSONHandler(w, options)
	}
	// net/http tells what upstreams do against its rules by the standard logger, in their own
	// words: they are quoted, and of no interest to others than developers.
	log.SetFlags(0)
	log.SetOutput(slog.NewLogLogger(handler, slog.LevelDebug).Writer())
	return slog.New(handler)
}
