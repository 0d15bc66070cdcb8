// Command gitmirror keeps copies of many git repositories on a cluster of
// equal nodes, and serves them. This file hands arguments, streams and signals
// to package cli.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"gitmirror/cli"
)

func main() { os.Exit(run()) }

// run returns the exit code. The first SIGINT or SIGTERM ends what is running
// in good order, the second ends the process at once.
func run() int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		if <-signals == syscall.SIGTERM {
			cancel(cli.ErrTerminated)
		}
		cancel(nil)
		if s, ok := (<-signals).(syscall.Signal); ok {
			os.Exit(128 + int(s))
		}
	}()
	return cli.Main(ctx, os.Args, cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
}
