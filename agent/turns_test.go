package agent

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"gitmirror/fsm/command"
)

// A failure is logged when it begins and when it ends, in one line however many begin with
// it.
func TestFailuresAreLoggedOnce(t *testing.T) {
	w := newWorld(t, "one", "two", "three")
	report := func(class string, ids ...string) string {
		msg := &command.Report{Node: "a"}
		for _, id := range ids {
			msg.Health = append(msg.Health, &command.HealthReport{Repo: id, Epoch: 1, ErrorClass: class, Message: "no such host"})
		}
		turns := turnsOf(w.state.View(), msg)
		w.do(msg)
		var out bytes.Buffer
		turns.log(slog.New(slog.NewTextHandler(&out, nil)))
		return out.String()
	}
	for _, step := range []struct {
		class string
		ids   []string
		says  string // empty: nothing
	}{
		{"", []string{"one", "two"}, ""},
		{"network", []string{"one", "two"}, `level=WARN msg="a repository is failing" repo=one class=network why="no such host" others=1`},
		{"network", []string{"one", "two"}, ""},
		{"auth", []string{"two"}, "repo=two class=auth"},
		{"", []string{"one", "two", "three"}, `level=INFO msg="a repository is well again" repo=one others=1`},
	} {
		said := report(step.class, step.ids...)
		if (said == "") != (step.says == "") || !strings.Contains(said, step.says) || strings.Count(said, "\n") > 1 {
			t.Errorf("%q of %v: %q", step.class, step.ids, said)
		}
	}
}
