package cli

import (
	"context"
	"fmt"
	"time"

	"gitmirror/api"
	"gitmirror/cli/render"

	urfave "github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"
)

// syncsAtOnce bounds the calls in flight.
const syncsAtOnce = 16

type repoSyncOptions struct {
	names []string
	all   bool
	wait  bool
}

func repoSyncCommand() command {
	return command{
		path: "repo sync", args: "NAME...|--all", usage: "have upstream looked at now", max: unlimited,
		about: `With --wait it returns when what was found is committed and every live copy has
it, and says which refs changed. A held repository is looked at once and
counts as failed.`,
		examples: []string{"gitmirror repo sync github.com/acme/big --wait", "gitmirror repo sync --all"},
		flags: []urfave.Flag{
			&urfave.BoolFlag{Name: "all", Usage: "every repository", DisableDefaultText: true},
			&urfave.BoolFlag{Name: "wait", Usage: "return when it is done, at the latest after --timeout", DisableDefaultText: true},
		},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			o := repoSyncOptions{names: c.Args().Slice(), all: c.Bool("all"), wait: c.Bool("wait")}
			switch {
			case o.all && len(o.names) > 0:
				return usagef("gitmirror repo sync --all", "--all and names exclude each other")
			case !o.all && len(o.names) == 0:
				return usagef("gitmirror repo sync --all", "gitmirror repo sync needs NAME..., or --all")
			}
			return repoSync(ctx, s, o)
		},
	}
}

// syncResult is one repo's outcome, or why there is none.
type syncResult struct {
	*api.SyncOutcome
	Repo    string       `json:"repo"`
	Problem *api.Problem `json:"problem,omitempty"`
	err     error
}

func repoSync(ctx context.Context, s *session, o repoSyncOptions) error {
	if o.wait {
		var cancel context.CancelFunc
		ctx, cancel = s.whole(ctx)
		defer cancel()
	}
	names := o.names
	if o.all {
		list, err := s.repos(ctx, repoLsOptions{})
		if err != nil {
			return err
		}
		paused := 0
		for _, r := range list.Repos {
			if r.Paused {
				paused++
			} else {
				names = append(names, r.Name)
			}
		}
		if paused > 0 {
			s.remark("%d paused, and left alone.", paused)
		}
	}
	if !o.wait && len(names) > 1 {
		return syncMany(ctx, s, names)
	}
	results := syncAll(ctx, s, names, o.wait)
	if ctx.Err() != nil && interrupted(ctx.Err()) {
		return ctx.Err()
	}
	if !o.all && len(names) == 1 {
		return syncedOne(s, results[0])
	}
	var t tally
	return tellSynced(s, &t, results)
}

func tellSynced(s *session, t *tally, results []syncResult) error {
	for i := range results {
		if err := synced(s, &results[i]); err != nil {
			t.fail(s, results[i].Repo, err)
		} else {
			t.ok++
		}
	}
	err := s.showJSON(struct {
		Results []syncResult `json:"results"`
	}{results})
	if err != nil {
		return err
	}
	return t.result("repositories", "synced")
}

// syncMany has many looked at, and waits for none.
func syncMany(ctx context.Context, s *session, names []string) error {
	var t tally
	results := []syncResult{}
	err := inBatches(ctx, s, &t, names, itself, func(ctx context.Context, batch []string, _ string) (*api.RepoResults, error) {
		return s.client.SyncMany(ctx, api.RepoNames{Repos: batch})
	}, func(r api.RepoResult) {
		one := syncResult{SyncOutcome: r.Sync, Repo: r.Name, Problem: r.Problem}
		if r.Problem != nil {
			one.err = r.Problem
		}
		results = append(results, one)
	})
	if err != nil {
		return err
	}
	return tellSynced(s, &t, results)
}

func syncAll(ctx context.Context, s *session, names []string, wait bool) []syncResult {
	results := make([]syncResult, len(names))
	var g errgroup.Group
	g.SetLimit(syncsAtOnce)
	for i, name := range names {
		g.Go(func() error {
			results[i] = syncOne(ctx, s, name, wait)
			return nil
		})
	}
	_ = g.Wait() // every result has its own error
	return results
}

func syncOne(ctx context.Context, s *session, name string, wait bool) syncResult {
	r := syncResult{Repo: name}
	for {
		r.err = s.write(ctx, func(ctx context.Context, _ string) (err error) {
			r.SyncOutcome, err = s.client.Sync(ctx, name, serverWait(ctx, wait))
			return err
		})
		// The node waits for a while only; we may have longer.
		if !wait || r.err == nil || explain(r.err, false).Exit != exitTimeout || ctx.Err() != nil {
			break
		}
	}
	if r.err = notFound(r.err, s.command("repo ls")); r.err != nil {
		r.SyncOutcome, r.Problem = nil, asProblem(r.err)
	} else if wait && r.Outcome == api.SyncAccepted {
		r.err = &Failure{What: name + ": the check is not done yet: --timeout ran out", Cause: "the work goes on", Code: codeTimeout, Exit: exitTimeout, Try: s.command("repo show %s", name)}
	}
	return r
}

// serverWait is how long the node is to wait: it answers before we stop
// listening, and may take some seconds more to see the copies follow.
func serverWait(ctx context.Context, wait bool) time.Duration {
	end, ok := ctx.Deadline()
	if !wait || !ok {
		return 0
	}
	left := time.Until(end)
	return min(max(left-6*time.Second, left/2, time.Millisecond), 5*time.Minute).Round(time.Millisecond)
}

func syncedOne(s *session, r syncResult) error {
	err := synced(s, &r)
	if r.SyncOutcome != nil {
		if jsonErr := s.showJSON(r.SyncOutcome); jsonErr != nil {
			return jsonErr
		}
	}
	return err
}

// synced prints what a check came to, and returns what makes it a failure.
func synced(s *session, r *syncResult) error {
	if r.err != nil {
		return r.err
	}
	o, once := r.SyncOutcome, ""
	if o.Paused {
		once = "; it is paused, and not looked at again by itself"
	}
	switch o.Outcome {
	case api.SyncAccepted:
		s.say("%s: will be looked at now%s", r.Repo, once)
	case api.SyncUnchanged:
		s.say("%s: unchanged, generation %d%s", r.Repo, o.Generation, once)
	case api.SyncChanged:
		what := changed(len(o.Changes))
		if o.First {
			what = "cloned, " + refs(int(o.Refs))
		}
		s.say("%s: %s, generation %d%s", r.Repo, what, o.Generation, once)
		printChanges(s, o.Changes)
	}
	if len(o.CopiesBehind) > 0 {
		s.remark("%s: not there yet on %s", r.Repo, render.And(o.CopiesBehind))
	}
	switch o.Outcome {
	case api.SyncFailed, api.SyncHeld:
		f := &Failure{What: "the check of " + r.Repo + " came to: " + o.Outcome, Code: codeSync + o.Outcome, Exit: exitFailed, Try: s.command("repo show %s", r.Repo)}
		if o.Error != nil {
			f.Cause = o.Error.Class + ": " + o.Error.Message
		}
		return f
	}
	return nil
}

func changed(n int) string { return refs(n) + " changed" }

func refs(n int) string {
	if n == 1 {
		return "1 ref"
	}
	return fmt.Sprintf("%d refs", n)
}

// shownChanges is how many changed refs are printed one by one.
const shownChanges = 50

func printChanges(s *session, changes []api.Change) {
	for i, c := range changes {
		if i == shownChanges {
			s.say("  and %d more; all of them: %s", len(changes)-i, s.command("repo sync NAME --wait -o json"))
			return
		}
		s.say("  %-8s %s  %s -> %s", c.Kind, c.Ref, shortOID(c.Old), shortOID(c.New))
	}
}

func shortOID(oid string) string {
	if oid == "" || oid == "0000000000000000000000000000000000000000" {
		return "none"
	}
	return oid[:min(10, len(oid))]
}
