package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"gitmirror/fsm"
	"gitmirror/internal/reflimit"
	"gitmirror/internal/refusal"
	"gitmirror/mirror"
	"gitmirror/mirror/refs"
)

// Every lawful HEAD is taken, bytes that are no characters too, which take more
// room in the log than on disk.
func TestEveryLawfulHeadIsPublished(t *testing.T) {
	part := strings.Repeat("x", reflimit.Component)
	long := "refs/heads/" + strings.Repeat(part+"/", 5)
	long += strings.Repeat("y", reflimit.Name-len(long))
	bytes := "refs/heads/" + strings.Repeat(strings.Repeat("\xffa", 50)+"/", 9)
	bytes += strings.Repeat("z", reflimit.Name-len(bytes))
	for _, name := range []string{"refs/heads/main", long, long[:1020], bytes} {
		if !refs.ValidName(name) {
			t.Fatalf("%q is no lawful name", name)
		}
		w := newWorld(t, "repo")
		c := w.candidate("repo")
		c.Head = refs.Symbolic(name)
		if o, err := w.agent.Publish(t.Context(), c); o != mirror.Committed {
			t.Errorf("a HEAD of %d bytes: %v, %v", len(c.Head), o, err)
		}
	}
}

// A candidate that was overtaken is forgotten; one that is refused for what it
// is must be shown, or it is made and refused for ever.
func TestRefusalsOfAPublish(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(*world, *mirror.Candidate)
		want  mirror.CommitStatus
	}{
		"epoch":      {func(_ *world, c *mirror.Candidate) { c.Epoch++ }, mirror.Overtaken},
		"generation": {func(_ *world, c *mirror.Candidate) { c.FromGeneration, c.Generation = 7, 8 }, mirror.Overtaken},
		"owner":      {func(w *world, _ *mirror.Candidate) { w.agent.cfg.Self = "b" }, mirror.Overtaken},
		"removed":    {func(_ *world, c *mirror.Candidate) { c.Repo = "gone" }, mirror.Overtaken},
		"limit":      {func(_ *world, c *mirror.Candidate) { c.Changes = []refs.Change{{New: "x"}} }, mirror.Refused},
	} {
		w := newWorld(t, "repo")
		c := w.candidate("repo")
		tc.spoil(w, &c)
		if o, err := w.agent.Publish(t.Context(), c); o != tc.want || err == nil {
			t.Errorf("%s: outcome %v (%v), want %v", name, o, err, tc.want)
		}
	}
	if o := statusOf(fmt.Errorf("encode: %w", fsm.ErrTooLarge)); o != mirror.Refused {
		t.Errorf("a command that is too large: %v, want refused", o)
	}
	// Who was asked last did not lead, and then the time was over: nobody has decided.
	if o := statusOf(fmt.Errorf("%w (%w)", refusal.NotLeader, context.DeadlineExceeded)); o != mirror.Unknown {
		t.Errorf("who does not lead decides nothing: %v", o)
	}
	if o := statusOf(errors.New("no leader")); o != mirror.Unknown {
		t.Errorf("an error of the way there: %v, want unknown", o)
	}
}

// Names that grow in the log are counted as they are there.
func TestChangesFitIntoAnEntry(t *testing.T) {
	w := newWorld(t, "repo")
	c := w.candidate("repo")
	for i := range 500 {
		c.Changes = append(c.Changes, refs.Change{Ref: fmt.Sprintf("refs/heads/%03d%s", i, strings.Repeat("\xffa", 490)), New: strings.Repeat("a", 40), Kind: refs.Created})
	}
	if o, err := w.agent.Publish(t.Context(), c); o != mirror.Committed {
		t.Errorf("500 long names: %v, %v", o, err)
	}
}

// The request id carries the epoch: a candidate refused under one owner is
// decided anew under the next.
func TestACandidateIsDecidedAnewInTheNextEpoch(t *testing.T) {
	w := newWorld(t, "repo")
	c := w.candidate("repo")
	c.Epoch++
	if o, _ := w.agent.Publish(t.Context(), c); o != mirror.Overtaken {
		t.Fatalf("of an epoch that has not begun: %v", o)
	}
	c.Epoch--
	if o, err := w.agent.Publish(t.Context(), c); o != mirror.Committed {
		t.Errorf("of the present epoch: %v, %v", o, err)
	}
}
