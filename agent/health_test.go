package agent

import (
	"testing"
	"time"

	"gitmirror/fsm/command"
	"gitmirror/mirror"
	"gitmirror/mirror/failure"
)

// The cause that is shown is the newest one; its class, and since when, stay.
func TestTheNewestCauseIsShown(t *testing.T) {
	w := newWorld(t, "repo")
	now := time.Now()
	tell := func(message string, at time.Time) (told bool, again time.Duration) {
		s := mirror.Status{Checked: true, Failure: failure.New(failure.Network, message, nil)}
		h, again := w.agent.healthReport(w.row("repo"), s, at)
		if h != nil {
			w.do(&command.Report{Node: "a", Health: []*command.HealthReport{h}})
		}
		return h != nil, again
	}
	if told, _ := tell("dial 10.0.0.1:41234: refused", now); !told {
		t.Fatal("a first failure was not told")
	}
	since := w.row("repo").Error.Since
	if told, again := tell("dial 10.0.0.7:9: refused", now.Add(time.Hour)); told || again != 0 {
		t.Error("a message that differs in its figures alone was told")
	}
	if told, again := tell("no such host", now.Add(10*time.Second)); told || again != 50*time.Second {
		t.Errorf("within a minute: told %v, again in %s; want to wait 50 s", told, again)
	}
	if told, _ := tell("no such host", now.Add(time.Minute)); !told {
		t.Error("another cause was not told after a minute")
	}
	if e := w.row("repo").Error; e.Message != "no such host" || !e.Since.Equal(since) {
		t.Errorf("the row shows %q since %s, want the newest cause since %s", e.Message, e.Since, since)
	}
	h, _ := w.agent.healthReport(w.row("repo"), mirror.Status{Checked: true}, now.Add(61*time.Second))
	if h == nil || h.ErrorClass != "" {
		t.Errorf("the end of a failure within a minute of its last message: %v, want it told", h)
	}
}

func TestGistLeavesOutFigures(t *testing.T) {
	for _, pair := range [][2]string{
		{"the fetch made no progress for 1m0s (17 bytes received)", "the fetch made no progress for 59.5s (8112 bytes received)"},
		{"object 4b825dc642cb6eb9a060e54bf8d69288fbee4904 of refs/heads/x is missing", "object f3a5dc642cb6eb9a060e54bf8d69288fbee49000 of refs/heads/x is missing"},
	} {
		if gist(pair[0]) != gist(pair[1]) {
			t.Errorf("%q and %q are told apart", gist(pair[0]), gist(pair[1]))
		}
	}
	if gist("no such host") == gist("connection refused") {
		t.Error("two causes are taken for one")
	}
}
