package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gitmirror/api"
	"gitmirror/cli/render"
)

// pollEvery is how often a row is looked at while it is waited for.
const pollEvery = 250 * time.Millisecond

// waitReady returns the rows of the repos once all are ready. It gives up at
// the end of ctx, and on the first that will not get there by itself.
func waitReady(ctx context.Context, s *session, names []string) ([]*api.Repo, error) {
	began, rows := time.Now(), make([]*api.Repo, len(names))
	progress := newProgress(s)
	defer progress.end()
	for ready := 0; ready < len(names); {
		ready = 0
		for i, name := range names {
			if rows[i] != nil && rows[i].State == "ready" {
				ready++
				continue
			}
			r, err := s.repo(ctx, name)
			if err != nil {
				return nil, waitFailed(ctx, s, err, name, rows[i])
			}
			if rows[i] = r; r.State == "ready" {
				progress.end()
				s.say("Ready after %s: %s, generation %d, %d refs, HEAD %s", took(began), r.Name, r.Generation, r.Refs, strings.TrimPrefix(r.Head, "ref: "))
				ready++
			} else if f := hopeless(s, r); f != nil {
				return nil, f
			}
		}
		if ready < len(names) {
			progress.update(waiting(rows, began))
			if !sleep(ctx, pollEvery) {
				return nil, waitFailed(ctx, s, ctx.Err(), firstWaiting(names, rows), nil)
			}
		}
	}
	return rows, nil
}

// hopeless is the failure of a repo that waiting does not help: a first
// failure may pass, a second in a row is reported.
func hopeless(s *session, r *api.Repo) *Failure {
	switch {
	case r.State == "held" || r.State == "parked" || r.State == "paused" || r.State == "removing":
		return &Failure{What: fmt.Sprintf("%s is %s", r.Name, r.State), Cause: r.Reason, Code: r.State, Exit: exitFailed, Try: s.command("repo show %s", r.Name)}
	case r.State != "failing" || r.Error == nil:
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

func waitFailed(ctx context.Context, s *session, err error, name string, last *api.Repo) error {
	if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() == nil {
		return err
	}
	f := &Failure{What: name + " is not ready yet: --timeout ran out", Cause: "the work goes on", Code: "timeout", Exit: exitTimeout, Try: s.command("repo show %s", name)}
	if last != nil {
		f.Cause = "it is " + last.State + "; the work goes on"
	}
	return f
}

func firstWaiting(names []string, rows []*api.Repo) string {
	for i, r := range rows {
		if r == nil || r.State != "ready" {
			return names[i]
		}
	}
	return names[0]
}

func waiting(rows []*api.Repo, began time.Time) string {
	ready := 0
	var last *api.Repo
	for _, r := range rows {
		if r == nil {
			continue
		}
		if r.State == "ready" {
			ready++
		} else if last == nil {
			last = r
		}
	}
	line := took(began).String()
	if last != nil {
		line = fmt.Sprintf("%s: %s, owner %s, copies %s, %s", last.Name, last.State, or(last.Owner, "not chosen"), render.CopyCount(last), line)
		if last.Error != nil {
			line += ", " + last.Error.Class + ": " + last.Error.Message
		}
	}
	if len(rows) > 1 {
		line = fmt.Sprintf("%d of %d ready; %s", ready, len(rows), line)
	}
	return line
}

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

// progress shows how far something is: one line that changes where stderr is a
// terminal, else a line each ten seconds, nothing with -q.
type progress struct {
	s     *session
	width int // of the terminal; 0: none
	last  time.Time
	shown bool
}

const plainEvery = 10 * time.Second

func newProgress(s *session) *progress {
	return &progress{s: s, width: terminalWidth(s.Err), last: time.Now()}
}

func (p *progress) update(line string) {
	switch {
	case p.s.quiet || p.s.json:
	case p.width > 0:
		line = printable(line)
		if r := []rune(line); len(r) >= p.width {
			line = string(r[:p.width-1])
		}
		_, _ = fmt.Fprintf(p.s.Err, "\r%s\x1b[K", line)
		p.shown = true
	case time.Since(p.last) >= plainEvery:
		p.s.remark("%s", line)
		p.last = time.Now()
	}
}

// end takes the line away again.
func (p *progress) end() {
	if p.shown {
		_, _ = fmt.Fprint(p.s.Err, "\r\x1b[K")
		p.shown = false
	}
}
