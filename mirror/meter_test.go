package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"gitmirror/internal/clock"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/maintain"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/work"
)

// heard notes what a Meter is told.
type heard struct{ list []string }

func (m *heard) say(format string, args ...any) {
	m.list = append(m.list, fmt.Sprintf(format, args...))
}

func (m *heard) Checked(outcome string, took time.Duration) { m.say("checked %s %s", outcome, took) }
func (m *heard) Published(fate CommitStatus, took time.Duration) {
	m.say("published %s %s", fate, took)
}
func (m *heard) Maintained(job maintain.Job, failed bool, took time.Duration) {
	m.say("maintained %s %v %s", job, failed, took)
}
func (m *heard) Freed(bytes int64)                 { m.say("freed %d", bytes) }
func (m *heard) RefsChanged(kind refs.Kind, n int) { m.say("%d %s", n, kind) }
func (m *heard) Fetched(peer bool, class failure.Class, bytes int64, took time.Duration) {
	m.say("fetched %v %q %d %s", peer, class, bytes, took)
}

// slow takes a second by the clock, for a run or a publish.
type slow struct {
	clock  *clock.Manual
	result work.Result
	fate   CommitStatus
}

func (s slow) Run(context.Context, work.Task) work.Result {
	s.clock.Advance(time.Second)
	return s.result
}

func (s slow) Publish(context.Context, Candidate) (CommitStatus, error) {
	s.clock.Advance(time.Second)
	return s.fate, errors.New("said")
}

// A run counts as a check when upstream was asked, and it was not ended for another reason.
func TestChecksAreMetered(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		ctx    context.Context
		result work.Result
		want   []string
	}{
		{t.Context(), work.Result{}, nil},
		{t.Context(), work.Result{Waiting: true}, nil},
		{ended, work.Result{Checked: true}, nil},
		{t.Context(), work.Result{Checked: true}, []string{"checked unchanged 1s"}},
		{t.Context(), work.Result{Checked: true, Answer: work.Answer{Changed: true}}, []string{"checked changed 1s"}},
		{t.Context(), work.Result{Checked: true, Answer: work.Answer{Hold: &Hold{}}}, []string{"checked held 1s"}},
		{t.Context(), work.Result{Checked: true, Answer: work.Answer{Hold: &Hold{}, Failure: failure.New(failure.Auth, "no", nil)}}, []string{"checked auth 1s"}},
	} {
		m, at := &heard{}, clock.NewManual(time.Unix(1e9, 0))
		out := meteredRuns{slow{clock: at, result: c.result}, metered{m, at}}.Run(c.ctx, work.Task{})
		if !slices.Equal(m.list, c.want) || out.Checked != c.result.Checked {
			t.Errorf("%+v: told %q, want %q", c.result, m.list, c.want)
		}
	}
}

// Refs count as changed once the log has taken their generation.
func TestPublishesAreMetered(t *testing.T) {
	changes := []refs.Change{{Kind: refs.Forced}, {Kind: refs.Forced}}
	for fate, want := range map[CommitStatus][]string{
		Committed: {"published committed 1s", "2 forced"}, Overtaken: {"published overtaken 1s"}, Refused: {"published refused 1s"}, Unknown: {"published unknown 1s"},
	} {
		m, at := &heard{}, clock.NewManual(time.Unix(1e9, 0))
		got, err := meteredPublisher{slow{clock: at, fate: fate}, metered{m, at}}.Publish(t.Context(), Candidate{Changes: changes})
		if got != fate || err == nil || !slices.Equal(m.list, want) {
			t.Errorf("%s: %s, %v, told %q, want %q", fate, got, err, m.list, want)
		}
	}
}
