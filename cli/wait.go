package cli

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"gitmirror/api"
	"gitmirror/cli/render"
)

// pollEvery is how often a row is looked at while it is waited for.
const pollEvery = 250 * time.Millisecond

// Bounds of one look at a row, and of how long looks may go wrong in a row: a
// new leader is elected meanwhile, or the node we ask has not heard of the row.
const (
	lookTimeout  = 10 * time.Second
	lookPatience = 15 * time.Second
)

// goal is what is waited for.
type goal struct {
	reached func(*api.Repo) bool
	lost    func(*session, *api.Repo) *Failure // waiting does not help; nil where it may
}

// ready is that a repo is ready.
var ready = goal{func(r *api.Repo) bool { return r.State == api.StateReady }, hopeless}

// waitFor returns the rows of the repos once all are there. It gives up at the end of ctx, and on
// the first that will not get there by itself.
func (g goal) waitFor(ctx context.Context, s *session, names []string) ([]*api.Repo, error) {
	began, rows := time.Now(), make([]*api.Repo, len(names))
	progress := newProgress(s)
	defer progress.end()
	answered := began
	for there := 0; there < len(names); {
		there = 0
		for i, name := range names {
			if rows[i] != nil && g.reached(rows[i]) {
				there++
				continue
			}
			r, err := look(ctx, s, name)
			if ctx.Err() != nil {
				return nil, waitOver(ctx, s, name, rows[i])
			}
			if err != nil {
				if rows[i] != nil && notThere(err) || time.Since(answered) > lookPatience {
					return nil, err
				}
				break
			}
			answered = time.Now()
			if rows[i] = r; g.reached(r) {
				progress.end()
				s.say("Ready after %s: %s, generation %d, %s, HEAD %s", took(began), r.Name, r.Generation, refs(int(r.Refs)), strings.TrimPrefix(r.Head, "ref: "))
				there++
			} else if f := g.lost(s, r); f != nil {
				return nil, f
			}
		}
		if there < len(names) {
			progress.update(g.waiting(names, rows, began, progress.width()))
			if !sleep(ctx, pollEvery) {
				i := g.firstWaiting(rows)
				return nil, waitOver(ctx, s, names[i], rows[i])
			}
		}
	}
	return rows, nil
}

func look(ctx context.Context, s *session, name string) (*api.Repo, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	r, err := s.client.Repo(ctx, name)
	return r, notFound(err, s.command("repo ls"))
}

func notThere(err error) bool { return explain(err, false).Exit == exitNotFound }

// hopeless is the failure of a repo that waiting does not help: a first
// failure may pass, a second in a row is reported.
func hopeless(s *session, r *api.Repo) *Failure {
	switch {
	case api.StateOf(r.State).Final:
		return &Failure{What: fmt.Sprintf("%s is %s", r.Name, r.State), Cause: r.Reason, Code: r.State, Exit: exitFailed, Try: s.command("repo show %s", r.Name)}
	case r.State != api.StateFailing || r.Error == nil:
		return nil
	}
	lasting := r.Error.Class == "not_found" || r.Error.Class == "auth" || r.Error.Class == "refused"
	repeated := r.Error.Count != nil && *r.Error.Count >= 2
	if !lasting && !repeated && time.Since(r.Error.Since) < time.Minute {
		return nil
	}
	return &Failure{
		What: r.Name + " was added, but cannot be mirrored: " + r.Error.Class, Cause: r.Error.Message, Code: r.Error.Class, Exit: exitFailed,
		Try: s.command("repo show %s", r.Name) + "      it is tried again by itself\n" + s.command("repo rm %s --yes", r.Name),
	}
}

// waitOver is the failure of a wait whose time is over.
func waitOver(ctx context.Context, s *session, name string, last *api.Repo) error {
	if interrupted(ctx.Err()) {
		return &Failure{What: "interrupted", Cause: "the work goes on", Code: codeInterrupted, Exit: exitInterrupted, Try: s.command("repo show %s", name)}
	}
	f := &Failure{What: name + " is not ready yet: --timeout ran out", Cause: "the work goes on", Code: codeTimeout, Exit: exitTimeout, Try: s.command("repo show %s", name)}
	if last != nil {
		f.Cause = "it is " + last.State + "; the work goes on"
	}
	return f
}

// firstWaiting is the index of a row that is not there; there is one.
func (g goal) firstWaiting(rows []*api.Repo) int {
	for i, r := range rows {
		if r == nil || !g.reached(r) {
			return i
		}
	}
	return 0
}

// waiting is a line about what is waited for, for a terminal that wide; 0 for none.
func (g goal) waiting(names []string, rows []*api.Repo, began time.Time, width int) string {
	there := 0
	var last *api.Repo
	for _, r := range rows {
		if r == nil {
			continue
		}
		if g.reached(r) {
			there++
		} else if last == nil {
			last = r
		}
	}
	before := ""
	if len(rows) > 1 {
		before = fmt.Sprintf("%d of %d ready; ", there, len(rows))
	}
	if last == nil {
		return before + fmt.Sprintf("%s: waiting, %s", names[g.firstWaiting(rows)], took(began))
	}
	if last.Error == nil && render.Underway(last, 0) != "" {
		return underway(before, last, began, width)
	}
	line := before + fmt.Sprintf("%s: %s, owner %s, copies %s, %s", last.Name, last.State, or(last.Owner, "not chosen"), render.CopyCount(last), took(began))
	if last.Error != nil {
		line += ", " + last.Error.Class + ": " + last.Error.Message
	}
	return line
}

// underway is a line about a clone or a copy, as long as a terminal is wide: what tells least is
// left out first, then its name is cut.
func underway(before string, r *api.Repo, began time.Time, width int) string {
	line := func(name, far string) string { return before + name + ": " + far + "  " + took(began).String() }
	whole := line(r.Name, render.Underway(r, 0))
	if width == 0 {
		return whole
	}
	fits := func(line string) bool { return utf8.RuneCountInString(line) < width }
	if barred := line(r.Name, render.Underway(r, min(width/4, barCells))); fits(barred) {
		return barred
	}
	words := strings.Split(render.Underway(r, 0), "  ")
	for n := len(words); n > 0; n-- {
		if some := line(r.Name, strings.Join(words[:n], "  ")); fits(some) {
			return some
		}
	}
	room := width - 1 - utf8.RuneCountInString(line("", words[0]))
	return line(render.Ends(r.Name, max(room, shortestName)), words[0])
}

// shortestName is what of a name is shown in any case.
const shortestName = 8

// barCells is how wide a bar is, at most.
const barCells = 20

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func took(began time.Time) time.Duration {
	if d := time.Since(began); d >= 10*time.Second {
		return d.Round(time.Second)
	} else {
		return d.Round(100 * time.Millisecond)
	}
}
