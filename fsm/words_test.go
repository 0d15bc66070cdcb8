package fsm

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

func release(ref string, upstream *string) *command.Approve {
	return &command.Approve{Repo: "one", Release: []*command.Release{{Ref: ref, Upstream: upstream}}}
}

// heard is a publish by whoever had heard the words up to there.
func heard(p *command.Publish, index uint64) *command.Publish {
	p.Heard = index
	return p
}

// pinned is a held repo with two refs that stay.
func pinned(t *testing.T) *machine {
	t.Helper()
	m := held(t)
	for _, ref := range []string{"refs/heads/a", "refs/heads/b"} {
		m.ok(&command.Pin{Repo: "one", Ref: ref, Oid: strings.Repeat("a", 40)})
	}
	return m
}

func (m *machine) released() (list []string) {
	for _, r := range m.repo("one").Released {
		list = append(list, r.Ref)
	}
	return list
}

// One word does not take back another: a second release, one beside an approval, and an
// approval beside releases.
func TestWordsStandBesideEachOther(t *testing.T) {
	m := pinned(t)
	m.ok(release("refs/heads/b", proto.String("")))
	m.ok(&command.Approve{Repo: "one", Losses: digest(1)})
	m.ok(release("refs/heads/a", nil))
	if r := m.repo("one"); r.Approved == nil || len(r.Pins) != 0 || !slices.Equal(m.released(), []string{"refs/heads/a", "refs/heads/b"}) {
		t.Errorf("approved %+v, released %v, pinned %v", r.Approved, m.released(), r.Pins)
	}
}

// A ref that is pinned again stays; that word is the later one.
func TestPinTakesAReleaseBack(t *testing.T) {
	m := pinned(t)
	m.ok(release("refs/heads/a", nil))
	m.ok(&command.Pin{Repo: "one", Ref: "refs/heads/a", Oid: strings.Repeat("b", 40)})
	if got := m.released(); len(got) != 0 || m.repo("one").Word() != 0 {
		t.Errorf("released %v", got)
	}
}

// What comes while a check is under way is not of that check: the next one hears it.
func TestPublishClearsOnlyTheWordsItHeard(t *testing.T) {
	m := pinned(t)
	m.ok(health(func(*command.HealthReport) {}))
	m.ok(release("refs/heads/a", nil))
	word := m.repo("one").Word()
	m.ok(release("refs/heads/b", nil))
	m.ok(heard(publish("one", 2), word))
	if got := m.released(); !slices.Equal(got, []string{"refs/heads/b"}) {
		t.Errorf("released %v, want b alone", got)
	}
	m.ok(publish("one", 3)) // a candidate of an earlier run: nobody knows what it had heard
	if got := m.released(); len(got) != 1 {
		t.Errorf("released %v, want b still", got)
	}
	m = held(t)
	m.ok(&command.Approve{Repo: "one", Losses: digest(1)})
	m.ok(publish("one", 2))
	if m.repo("one").Approved == nil {
		t.Error("an approval is lost with a publish that had not heard it")
	}
}

// A word of which the first check after it made nothing is gone, and that is told.
func TestUnusedWordsAreToldInTheLog(t *testing.T) {
	unused := func(m *machine, want string) {
		t.Helper()
		var last Event
		for _, e := range m.state.View().Events(0) {
			if e.Type == EventApprovalUnused {
				last = e
			}
		}
		if !strings.HasPrefix(last.Detail, want) || want == "" && last.Detail != "" {
			t.Errorf("it says %q, want %q", last.Detail, want)
		}
	}
	m := pinned(t)
	m.ok(&command.Approve{Repo: "one", Losses: digest(1)})
	m.ok(release("refs/heads/a", nil))
	stillHeld := func(heard uint64) *command.Report {
		r := holdOf(3)
		r.Health[0].Heard = heard
		return r
	}
	m.ok(stillHeld(0))
	unused(m, "")
	m.ok(stillHeld(m.repo("one").Word()))
	unused(m, "12 losses: upstream takes away something else")
	if r := m.repo("one"); r.Approved != nil || r.Hold == nil || len(r.Released) != 1 {
		t.Errorf("held %+v, approved %+v, released %v: what is released waits for the rest", r.Hold, r.Approved, m.released())
	}
	before := m.repo("one").Version
	m.ok(stillHeld(m.repo("one").Word()))
	if m.repo("one").Version != before {
		t.Error("the same report changed the row")
	}
	m.ok(health(func(h *command.HealthReport) { h.Heard = m.repo("one").Word() }))
	unused(m, "refs/heads/a: nothing was left to follow")
	m.ok(release("refs/heads/b", nil))
	recovered := len(m.eventTypes("host/Acme/one"))
	m.ok(health(func(h *command.HealthReport) { h.Heard = m.repo("one").Word() }))
	unused(m, "refs/heads/b:")
	if got := m.eventTypes("host/Acme/one")[recovered:]; len(got) != 1 {
		t.Errorf("it tells %v: nothing has recovered", got)
	}
	if r := m.repo("one"); r.Word() != 0 {
		t.Errorf("released %v", m.released())
	}
}

// What format 4 made of an approval it makes still, as its members do; with format 5 what
// nobody can be said to have heard is to be said anew.
func TestApprovalsOfFormatFour(t *testing.T) {
	entry, err := Encode(&command.Approve{Repo: "one", Losses: digest(1)}, "", epoch)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Admit(entry, formatWords-1, epoch); !errors.Is(err, refusal.FormatTooOld) {
		t.Errorf("an approval is admitted into format %d: %v", formatWords-1, err)
	}
	m := held(t)
	m.state.tables.format = formatWords - 1
	a := strings.Repeat("a", 40)
	for _, ref := range []string{"refs/heads/a", "refs/heads/b"} {
		m.ok(&command.Pin{Repo: "one", Ref: ref, Oid: a})
	}
	old := &command.Approve{Repo: "one", Losses: digest(1), Unpin: []string{"refs/heads/a"}}
	m.ok(old)
	r := m.repo("one")
	if len(r.Pins) != 1 || r.Approved == nil || r.Approved.Index != 0 || len(r.Approved.Unpinned) != 1 || r.Released != nil || r.Word() != 0 {
		t.Errorf("pins %v, approval %+v, released %v", r.Pins, r.Approved, r.Released)
	}
	restored := New()
	if err := restored.Restore(bytes.NewReader(m.snapshot())); err != nil || len(restored.View().Repo("one").Approved.Unpinned) != 1 {
		t.Errorf("restored: %v", err)
	}
	next := heard(publish("one", r.Generation+1), 1000)
	next.FromGeneration = r.Generation
	m.ok(next)
	if r := m.repo("one"); r.Approved != nil || r.Hold != nil {
		t.Errorf("after a publish: %+v", r.Approved)
	}
	m = held(t)
	m.state.tables.format = formatWords - 1
	m.ok(&command.Approve{Repo: "one", Losses: digest(1)})
	for _, n := range m.state.tables.nodes.sorted {
		n.Format = Format
	}
	m.ok(&command.RaiseFormat{Format: formatWords})
	if r := m.repo("one"); r.Approved != nil || r.Hold == nil {
		t.Errorf("with format %d: %+v, held %v", formatWords, r.Approved, r.Hold)
	}
}
