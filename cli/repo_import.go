package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"gitmirror/api"
	"gitmirror/internal/refusal"

	urfave "github.com/urfave/cli/v2"
)

const (
	// importBatch is how many repos one call adds.
	importBatch = 500
	// importFlight is how many calls are under way at once: while the log writes one,
	// the next are read and checked.
	importFlight = 4
	// importPatience is how much longer than for one write an absent leader is waited for:
	// who is at line 90,000 of a list would rather wait.
	importPatience = 4
	importGrace    = 5 * time.Second
)

type repoImportOptions struct {
	file   string      // "-": stdin
	ask    api.AddRepo // of each, but for its URL and name
	same   api.SetRepo // what is said of it, for what is there already
	update bool        // what is there becomes so
	dry    bool        // nothing is written
	plan   *importPlan
}

func repoImportCommand() command {
	return command{
		path: "repo import", args: "FILE|-", usage: "mirror every repository of a list", min: 1, max: 1,
		about: `A line each: URL, or URL NAME; empty lines and what follows a # are skipped.
A line that is refused is named, and the others are added all the same. What is
mirrored already stays as it is, so that a list can be imported again, unless
--update says that it shall have the name and the settings that are given.`,
		examples: []string{"gitmirror repo import repos.txt --interval 10m", "gh repo list acme --json url -q '.[].url' | gitmirror repo import -",
			"gitmirror repo import repos.txt --interval 5m --update --dry-run"},
		flags: append([]urfave.Flag{
			&urfave.BoolFlag{Name: "update", Usage: "change what is mirrored already into what is said here", DisableDefaultText: true},
			&urfave.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "say what would be done, and do nothing", DisableDefaultText: true},
			labelFlag(""),
		}, newPolicyFlags()...),
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			ask, same, err := askedOf(c)
			if err != nil {
				return err
			}
			return repoImport(ctx, s, repoImportOptions{file: c.Args().First(), ask: ask, same: same, update: c.Bool("update"), dry: c.Bool("dry-run")})
		},
	}
}

// importResult is what became of one line.
type importResult struct {
	Line    int          `json:"line"`
	URL     string       `json:"url"`
	Repo    *api.Repo    `json:"repo,omitempty"`
	Problem *api.Problem `json:"problem,omitempty"`
	Would   string       `json:"would,omitempty"`   // the name that it would be added by
	Differs []string     `json:"differs,omitempty"` // where what is mirrored already is otherwise than is said
	Changed bool         `json:"changed,omitempty"` // into that; or it would be

	name string    // that was asked for, empty for the URL's own
	was  *api.Repo // what mirrors it already
	same bool      // it is there, by that name or one that it need not have
}

// there tells whether what a line asks for is mirrored already, as it asks.
func (r *importResult) there() bool { return r.same }

// compare says where what mirrors the upstream of a line is otherwise than is said, and what it
// would take for it not to be.
func (r *importResult) compare(o repoImportOptions) (set api.SetRepo) {
	switch {
	case r.Problem == nil || !is(r.Problem, refusal.ConflictURL):
		return set
	case r.was == nil: // a node of an earlier release
		r.same = r.name == "" || r.name == r.Problem.Existing
		return set
	}
	r.was = o.plan.now(r.was)
	if r.was.ServesOf != "" { // it is of that url by name alone
		return set
	}
	set = o.same
	if !calledSo(r.was, r.name) {
		if !o.update {
			return api.SetRepo{}
		}
		set.Name = &r.name
	}
	r.same, r.Differs = true, differences(r.was, set)
	return set
}

func repoImport(ctx context.Context, s *session, o repoImportOptions) error {
	entries, err := readImport(s.In, o.file)
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		s.remark("There is no URL in %s.", importName(o.file))
	}
	s.patience *= importPatience
	o.plan = newImportPlan()
	results := make([]importResult, 0, len(entries))
	var t tally
	progress := newProgress(s)
	defer progress.end()
	total := len(entries)
	var broke *importCall // the first that failed; some behind it may have been done
	for call := range addAll(ctx, s, entries, o) {
		if call.err != nil && broke == nil {
			broke = call
		}
		if maybeDone(call.err) {
			progress.end()
			t.unknown += len(call.batch)
			s.remark("Lines %d to %d may or may not have been added.", call.batch[0].line, call.batch[len(call.batch)-1].line)
		}
		for i := range call.results {
			r := &call.results[i]
			if o.dry {
				o.plan.add(r, call.batch[i].url, o.update)
				wouldUpdate(ctx, s, r, o)
			}
			switch {
			case r.Changed:
				t.changed++
			case r.there():
				t.there++
				if len(r.Differs) > 0 {
					t.differ++
				}
			case r.Problem == nil:
				t.ok++
			default:
				progress.end()
				if is(r.Problem, refusal.ConflictName) {
					r.Problem.Hint = otherName(s, r)
				}
				t.fail(s, fmt.Sprintf("line %d, %s", r.Line, r.URL), r.Problem)
			}
		}
		if o.dry {
			progress.end()
			sayWould(s, call.results)
		}
		results = append(results, call.results...)
		progress.part(len(results), total, "lines")
	}
	if broke != nil && len(results)+t.unknown == 0 {
		return broke.err
	}
	if untried := total - len(results) - t.unknown; broke != nil {
		t.stop(broke.err, untried, fmt.Sprintf("from line %d on", broke.batch[0].line))
	} else if untried > 0 {
		t.stop(context.Cause(ctx), untried, fmt.Sprintf("from line %d on", entries[len(results)].line))
	}
	progress.end()
	done := "Added"
	if o.dry {
		done = "Would add"
	}
	s.say("%s %d%s, refused %d%s", done, t.ok, t.known(), len(t.failures), t.rest())
	err = s.showJSON(struct {
		Results  []importResult `json:"results"`
		DryRun   bool           `json:"dry_run"` // what follows would have been
		Added    int            `json:"added"`
		Changed  int            `json:"changed"`
		There    int            `json:"there"`  // mirrored before, by that name; they stay as they are
		Differ   int            `json:"differ"` // of these, those that are otherwise than is said
		Failed   int            `json:"failed"`
		Unknown  int            `json:"unknown"` // may or may not have been added; they have no result
		NotTried int            `json:"not_tried"`
	}{results, o.dry, t.ok, t.changed, t.there, t.differ, len(t.failures), t.unknown, t.untried})
	if err != nil {
		return err
	}
	return t.imported("lines", o.dry)
}

// sayWould tells what would be done with each line.
func sayWould(s *session, results []importResult) {
	for _, r := range results {
		switch {
		case r.Changed:
			s.say("would change %s: %s", r.was.Name, strings.Join(r.Differs, ", "))
		case r.same && len(r.Differs) > 0:
			s.say("there is %s, otherwise: %s", r.was.Name, strings.Join(r.Differs, ", "))
		case r.Would != "":
			s.say("would add %s", r.Would)
		}
	}
}

// importCall is one call's part of a list.
type importCall struct {
	batch   []importEntry
	results []importResult // of each line, unless err says why there are none
	err     error
	done    chan struct{}
}

// addAll adds the lines in calls of importBatch each, of which importFlight are under way
// at once, and yields what came of them in the order of the list. After a call that
// failed no more are begun: what is under way ends, and is yielded too.
//
// When ctx ends no more are begun either, and what is under way has importGrace to end: who
// interrupts an import wants to know how far it has come.
func addAll(ctx context.Context, s *session, entries []importEntry, o repoImportOptions) iter.Seq[*importCall] {
	return func(yield func(*importCall) bool) {
		work, stop := context.WithCancel(context.WithoutCancel(ctx))
		defer stop()
		defer context.AfterFunc(ctx, func() {
			if errors.Is(ctx.Err(), context.DeadlineExceeded) { // it has had its time
				stop()
				return
			}
			time.AfterFunc(importGrace, stop)
		})()
		calls := make(chan *importCall, importFlight-1) // and the one that is waited for
		var failed atomic.Bool
		go func() {
			defer close(calls)
			for batch := range slices.Chunk(entries, importBatch) {
				c := &importCall{batch: batch, done: make(chan struct{})}
				calls <- c
				if failed.Load() || ctx.Err() != nil {
					c.err = errNotTried
					close(c.done)
					return
				}
				go func() {
					defer close(c.done)
					if c.results, c.err = addBatch(work, s, batch, o); c.err != nil {
						failed.Store(true)
					}
				}()
			}
		}()
		on := true
		for c := range calls {
			<-c.done
			on = on && !errors.Is(c.err, errNotTried) && yield(c)
			if !on {
				failed.Store(true)
			}
		}
	}
}

// errNotTried is of a call that was not made, because another had failed.
var errNotTried = errors.New("not tried")

// addBatch adds what it can of the batch; a line that is no URL [NAME] is
// refused here and not sent.
func addBatch(ctx context.Context, s *session, batch []importEntry, o repoImportOptions) ([]importResult, error) {
	results := make([]importResult, len(batch))
	var ask api.AddRepos
	var sent []int
	for i, e := range batch {
		results[i] = importResult{Line: e.line, URL: redact(e.url), Problem: e.problem, name: e.name}
		if e.problem == nil {
			one := o.ask
			one.URL, one.Name = e.url, e.name
			ask.Repos = append(ask.Repos, one)
			sent = append(sent, i)
		}
	}
	if len(sent) == 0 {
		return results, nil
	}
	var answer *api.AddResults
	err := s.write(ctx, func(ctx context.Context, key string) (err error) {
		if o.dry {
			answer, err = s.client.WouldAdd(ctx, ask)
		} else {
			answer, err = s.client.AddMany(ctx, ask, key)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for j, i := range sent {
		a := answer.Results[j]
		results[i].Repo, results[i].Problem, results[i].Would, results[i].was = a.Repo, a.Problem, a.Would, a.There
	}
	if !o.dry {
		updateBatch(ctx, s, results, o)
	}
	return results, nil
}

// wouldUpdate compares what is there already with what a line says, and tells what would be
// changed.
func wouldUpdate(ctx context.Context, s *session, r *importResult, o repoImportOptions) {
	if r.Changed {
		return
	}
	set := r.compare(o)
	if !o.update || len(r.Differs) == 0 {
		return
	}
	r.Problem, r.same = nil, false
	if set.Name != nil {
		r.Problem = o.plan.taken(ctx, s, r.was, *set.Name)
	}
	if r.Changed = r.Problem == nil; r.Changed {
		o.plan.change(r.was, set)
	}
}

// updateBatch compares what is there already with what is said, and has it changed where that
// is asked for. Where that cannot be, the lines it is about have failed.
func updateBatch(ctx context.Context, s *session, results []importResult, o repoImportOptions) {
	var ask api.SetRepos
	var which []*importResult
	for i := range results {
		r := &results[i]
		set := r.compare(o)
		if !o.update || len(r.Differs) == 0 {
			continue
		}
		o.plan.change(r.was, set)
		ask.Repos, which = append(ask.Repos, api.SetOne{Repo: r.was.Name, SetRepo: set}), append(which, r)
	}
	if len(which) == 0 {
		return
	}
	var answer *api.RepoResults
	err := s.write(ctx, func(ctx context.Context, key string) (err error) {
		answer, err = s.client.SetMany(ctx, ask, key)
		return err
	})
	for j, r := range which {
		if r.same = false; err != nil {
			r.Problem = asProblem(err)
			continue
		}
		r.Repo, r.Problem = answer.Results[j].Repo, answer.Results[j].Problem
		r.Changed = r.Problem == nil
	}
}

func importName(file string) string {
	if file == "-" {
		return "the standard input"
	}
	return file
}

func readImport(stdin io.Reader, file string) ([]importEntry, error) {
	in := stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, &Failure{What: "cannot read the list", Cause: err.Error(), Code: codeUsage, Exit: exitUsage, Try: "gitmirror repo import --help"}
		}
		defer f.Close()
		in = f
	}
	entries, err := parseImport(in)
	if err != nil {
		return nil, &Failure{What: "cannot read " + importName(file), Cause: err.Error(), Code: codeUsage, Exit: exitUsage, Try: "gitmirror repo import --help"}
	}
	return entries, nil
}

// otherName is what to do where another repository has the name of a line. Of two that shall
// swap their names one needs a third meanwhile.
func otherName(s *session, r *importResult) string {
	hint := "give another name in that line, behind the URL"
	if r.was == nil || r.Problem.Existing == "" {
		return hint
	}
	return hint + fmt.Sprintf(", or call %s otherwise first: ", r.Problem.Existing) + s.command("repo set %s --name OTHER --alias none", r.Problem.Existing)
}
