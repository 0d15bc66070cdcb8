package cli

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"gitmirror/api"
	"gitmirror/cli/render"
	"gitmirror/internal/refusal"

	"github.com/google/uuid"
	"golang.org/x/term"
)

// read makes one call that changes nothing. A node that cannot answer yet is
// asked again for a while.
func (s *session) read(ctx context.Context, call func(ctx context.Context) error) error {
	return s.settle(ctx, call, unavailable)
}

// write makes one call that changes something, with a key that makes its
// repetitions one and the same call: while a new leader is elected it is
// repeated until one has decided.
func (s *session) write(ctx context.Context, call func(ctx context.Context, key string) error) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	leaderless := s.leaderless(ctx)
	key := uuid.NewString()
	var undecided error // what an attempt came to that may have written
	err := s.settle(ctx, func(ctx context.Context) error {
		err := call(ctx, key)
		if p := (*api.Problem)(nil); errors.As(err, &p) && p.Code == string(refusal.UnknownOutcome) {
			undecided = err
		} else if ctx.Err() != nil && err != nil {
			undecided = cutWrite{err}
		}
		return err
	}, func(err error) bool { return unavailable(err) || errors.Is(err, api.ErrNoNode) })
	switch {
	case errors.Is(err, context.DeadlineExceeded) && <-leaderless:
		return cutWrite{&Failure{What: "no leader until --timeout ran out", Cause: "a node answers, and knows none: nothing can be decided now", Code: string(refusal.NoLeader), Exit: exitUnavailable, Try: s.command("status")}}
	case err == nil || undecided == nil:
		return err
	case interrupted(err) || errors.Is(err, context.DeadlineExceeded):
		return cutWrite{err}
	case unavailable(err) || errors.Is(err, api.ErrNoNode): // said of the last attempt alone
		return undecided
	}
	return err
}

// leaderless tells whether a node answers, and says that nobody leads. It is asked when little is left
// of ctx, which has an end: what has to be said is known by then.
func (s *session) leaderless(ctx context.Context) <-chan bool {
	said := make(chan bool, 1)
	end, _ := ctx.Deadline()
	left := time.Until(end)
	go func() {
		if !sleep(ctx, left-min(left/4, time.Second)) {
			said <- false
			return
		}
		st, err := s.client.Status(ctx)
		said <- err == nil && st.Leader == ""
	}()
	return said
}

// cutWrite is the end of a write that was given up while nobody had decided it.
type cutWrite struct{ error }

func (e cutWrite) Unwrap() error { return e.error }

// maybeDone tells whether a write that ended with err may have happened.
func maybeDone(err error) bool {
	var p *api.Problem
	return errors.As(err, new(cutWrite)) || errors.As(err, &p) && p.Code == string(refusal.UnknownOutcome)
}

func unavailable(err error) bool {
	var p *api.Problem
	return errors.As(err, &p) && p.Status == http.StatusServiceUnavailable
}

func (s *session) settle(ctx context.Context, call func(ctx context.Context) error, again func(error) bool) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	pause := 100 * time.Millisecond
	var end time.Time // of patience, which begins with the first failure: one call may wait for long
	for {
		err := call(ctx)
		if err == nil || !again(err) {
			return err
		}
		if end.IsZero() {
			s.absent.Do(func() {
				who := "leader"
				if errors.Is(err, api.ErrNoNode) {
					who = "node"
				}
				s.remark("No %s answers yet, trying for %s.", who, s.patience)
			})
			end = time.Now().Add(s.patience)
		}
		if time.Now().Add(pause).After(end) {
			return err
		}
		if !sleep(ctx, pause) {
			return err
		}
		pause = min(2*pause, time.Second)
	}
}

// bounded is ctx with an end: that of --timeout where it has none yet, or else of one call.
func (s *session) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, bounded := ctx.Deadline(); bounded {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, cmp.Or(s.timeout, callTimeout))
}

// sleep waits for d, or returns false when ctx ends.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// whole bounds everything that follows, a --wait, by one time-out.
func (s *session) whole(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, cmp.Or(s.timeout, waitTimeout))
}

// show prints data to stdout: v as JSON, or what table draws.
func (s *session) show(v any, table func(p render.Printer) error) error {
	if s.json {
		return writeJSON(s.Out, v)
	}
	buffer := bufio.NewWriter(s.Out)
	if err := table(s.printer(buffer)); err != nil {
		return err
	}
	return buffer.Flush()
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// printer draws onto w for the terminal that stdout is, if it is one.
func (s *session) printer(w io.Writer) render.Printer {
	width := terminalWidth(s.Out)
	return render.Printer{Out: w, Width: width, Color: width > 0 && os.Getenv("NO_COLOR") == "", Now: time.Now(),
		Command: func(line string) string { return s.command("%s", line) }}
}

// say prints the outcome of a change to stdout, for people.
func (s *session) say(format string, args ...any) {
	if s.quiet || s.json {
		return
	}
	if _, err := fmt.Fprintf(s.Out, "%s\n", printable(fmt.Sprintf(format, args...))); err != nil && s.unsaid == nil {
		s.unsaid = fmt.Errorf("what came of it cannot be written: %w", err)
	}
}

// remark prints a side note to stderr.
func (s *session) remark(format string, args ...any) {
	if !s.quiet && !s.json {
		_, _ = fmt.Fprintf(s.Err, "%s\n", printable(fmt.Sprintf(format, args...)))
	}
}

// showJSON prints v where JSON is wanted, after say has told people.
func (s *session) showJSON(v any) error {
	if !s.json {
		return nil
	}
	return writeJSON(s.Out, v)
}

// notFound gives a 404 the command that lists what there is.
func notFound(err error, list string) error {
	var p *api.Problem
	if !errors.As(err, &p) || p.Status != http.StatusNotFound || p.Hint != "" {
		return err
	}
	hinted := *p
	hinted.Hint = list
	return &hinted
}

// terminalWidth is how wide the terminal is that w writes to, 0 where it is none, or a dumb one,
// which acts upon nothing: it gets what a file would.
func terminalWidth(w any) int {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return 80
	}
	return width
}
