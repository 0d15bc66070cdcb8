package mirror_test

import (
	"strings"
	"testing"

	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/mirror"
	"gitmirror/mirror/failure"
)

// A candidate that the log will never take is a failure that a person sees, on
// a first clone too, and is not tried again at once.
func TestARefusalIsShown(t *testing.T) {
	up := gittest.Upstream(t)
	sample(t, up, "x.git")
	b := newBook()
	asked := make(chan struct{}, 1000)
	b.fate = func(mirror.Candidate) mirror.CommitStatus { asked <- struct{}{}; return mirror.Refused }
	n := startNode(t, b, t.TempDir())
	owned(t, b, n, map[string]string{"repox": up.URL("x.git")})
	s := failsAs(t, n, "repox", failure.Refused)
	if !strings.Contains(s.Failure.Message, "fate") || !s.Checked {
		t.Errorf("it is shown as %q (checked: %v), want the reason", s.Failure.Message, s.Checked)
	}
	if len(asked) > 1 {
		t.Errorf("it was proposed %d times at once", len(asked))
	}
	b.mu.Lock()
	b.fate = nil
	b.mu.Unlock()
	if _, err := n.engine.Sync(t.Context(), "repox"); err != nil {
		t.Fatal(err)
	}
	testlog.Eventually(t, "the failure to end", func() bool {
		s, _ := n.engine.Status("repox")
		return s.Generation == 1 && s.Failure == nil
	})
}
