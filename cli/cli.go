// Package cli is the command line: it reads arguments, calls a node through
// package api, prints what came back and turns errors into an exit code and
// the next command to try. Data goes to stdout, talk to stderr.
//
// It is a public contract: commands, flags, JSON and exit codes are only ever
// added to. Nothing below Main ends the process.
package cli

import (
	"context"
	"errors"
	"io"
	"time"

	"gitmirror/api"

	urfave "github.com/urfave/cli/v2"
)

// Streams are what a command reads and writes. It looks for a terminal only
// where one is an *os.File.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// patience is how long a write is repeated while no leader answers.
const patience = 5 * time.Second

// Main runs one command line and returns the exit code. When ctx ends, what is
// running ends in good order.
func Main(ctx context.Context, args []string, streams Streams) int {
	return program{Streams: streams, patience: patience, every: watchEvery, runDir: api.RunDir}.main(ctx, args)
}

// program is one run of the command line.
type program struct {
	Streams
	patience time.Duration
	every    time.Duration // what is watched is asked for
	runDir   string        // where running programs have their sockets
}

func (p program) main(ctx context.Context, args []string) int {
	app := p.app()
	if n := len(args); n > 1 && args[n-1] == completionMarker {
		complete(ctx, p, app, args[1:n-1])
		return exitOK
	}
	line, err := arrange(app, args)
	if err == nil {
		if line.group {
			app.Writer = p.Err
		}
		err = app.RunContext(ctx, line.args)
		if err == nil && line.group {
			return exitUsage
		}
	}
	if err == nil {
		return exitOK
	}
	if code := told(0); errors.As(err, &code) {
		return int(code)
	}
	f := explain(err, ctx.Err() != nil)
	if by := (ended{}); errors.As(err, &by) {
		f.Try = by.s.located(f.Try)
	}
	if f.Try == "" && f.Exit != exitInterrupted {
		f.Try = line.path + " --help"
	}
	if line.json {
		f.writeJSON(p.Err)
	} else {
		f.write(p.Err)
	}
	return f.Exit
}

// app is the command tree.
func (p program) app() *urfave.App {
	app := &urfave.App{
		Name:            "gitmirror",
		HelpName:        "gitmirror",
		Usage:           "keep copies of many git repositories on a cluster, and serve them",
		UsageText:       "gitmirror COMMAND [flags] [arguments]",
		Description:     appDescription,
		HideHelpCommand: true,
		HideVersion:     true,
		Reader:          p.In,
		Writer:          p.Out,
		ErrWriter:       p.Err,
		ExitErrHandler:  func(*urfave.Context, error) {},
		OnUsageError:    usageError,
		Commands: []*urfave.Command{
			startCommand().build(p),
			demoCommand().build(p),
			statusCommand().build(p),
			group("repo", "add, list, show, change, pause, remove and sync mirrored repositories, approve what upstream took away",
				repoAddCommand().build(p), repoLsCommand().build(p), repoShowCommand().build(p), repoURLCommand().build(p),
				repoSetCommand().build(p), repoPauseCommand().build(p), repoResumeCommand().build(p), repoRmCommand().build(p), repoSyncCommand().build(p), repoVerifyCommand().build(p), repoGCCommand().build(p), repoImportCommand().build(p),
				repoRefsCommand().build(p), repoApproveCommand().build(p), repoRestoreCommand().build(p)),
			group("source", "have what index repositories list, and accounts of forges have, mirrored",
				sourceAddCommand().build(p), sourceLsCommand().build(p), sourceShowCommand().build(p), sourceSetCommand().build(p), sourceSyncCommand().build(p),
				sourcePauseCommand().build(p), sourceResumeCommand().build(p), sourceApproveCommand().build(p), sourceRmCommand().build(p)),
			importCommand().build(p),
			group("trash", "list what was removed, and bring it back", trashLsCommand().build(p), trashRestoreCommand().build(p)),
			group("node", "list, show, drain and remove the nodes of the cluster",
				nodeLsCommand().build(p), nodeShowCommand().build(p), nodeDrainCommand().build(p), nodeUndrainCommand().build(p), nodeRmCommand().build(p)),
			group("cluster", "say who leads, and go on when the quorum is lost for good",
				clusterTransferCommand().build(p), clusterRecoverCommand().build(p)),
			doctorCommand().build(p),
			group("debug", "collect what helps to find a fault", debugBundleCommand().build(p)),
			eventsCommand().build(p),
			group("config", "write, check and show the settings of a node",
				configInitCommand().build(p), configValidateCommand().build(p), configShowCommand().build(p)),
			versionCommand().build(p),
			completionCommand().build(p),
		},
	}
	return app
}

const appDescription = `See it work on this machine alone:
  gitmirror demo

Three nodes, one repository:
  gitmirror start --name n1 --data d1 --http 127.0.0.1:7654 --peer 127.0.0.1:7655
  gitmirror start --name n2 --data d2 --http 127.0.0.1:7664 --peer 127.0.0.1:7665 --join 127.0.0.1:7655
  gitmirror start --name n3 --data d3 --http 127.0.0.1:7674 --peer 127.0.0.1:7675 --join 127.0.0.1:7655
  gitmirror repo add https://github.com/acme/big --wait

Exit codes: 0 ok, 1 failed, 2 usage or refused input, 3 part failed, 4 forbidden,
5 not found, 6 conflict, 7 no node or no leader, 8 --wait or --timeout ran out, 130 interrupted.`

func group(name, usage string, commands ...*urfave.Command) *urfave.Command {
	return &urfave.Command{
		Name: name, Usage: usage, UsageText: "gitmirror " + name + " COMMAND [flags] [arguments]",
		HideHelpCommand: true, OnUsageError: usageError, Subcommands: commands,
	}
}

// interrupted tells whether err is what a cancelled context leaves behind.
func interrupted(err error) bool { return errors.Is(err, context.Canceled) }
