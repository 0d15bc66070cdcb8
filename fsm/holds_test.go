package fsm

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// held is a published repo whose hold names what is lost, in the newest format.
func held(t *testing.T) *machine {
	t.Helper()
	m := published1(t)
	m.state.tables.format = Format
	m.ok(holdOf(1))
	return m
}

func holdOf(losses byte) *command.Report {
	return health(func(h *command.HealthReport) {
		h.HoldReason, h.HoldDigest, h.HoldLosses, h.HoldLost, h.HoldSettled = "mass_delete", digest(losses+100), digest(losses), 12, 30
		h.HoldFirst = []*command.Change{{Ref: "refs/heads/main", Old: "1"}}
	})
}

func TestApprovalIsOfTheHoldThatWasSeen(t *testing.T) {
	m := held(t)
	if h := m.repo("one").Hold; h.Lost != 12 || h.Settled != 30 || len(h.First) != 1 || h.Losses != Digest(digest(1)) {
		t.Fatalf("hold %+v", h)
	}
	m.refused(refusal.StaleHold, &command.Approve{Repo: "one", Losses: digest(2)})
	m.refused(refusal.Invalid, &command.Approve{Repo: "one"})
	m.refused(refusal.NotFound, &command.Approve{Repo: "two", Losses: digest(1)})
	m.refused(refusal.Invalid, &command.Approve{Repo: "one", Losses: []byte{1}})
	m.ok(&command.Approve{Repo: "one", Losses: digest(1)})
	a := m.repo("one").Approved
	if a == nil || a.Losses != Digest(digest(1)) || a.Observed != Digest(digest(101)) || a.Count != 12 || len(a.First) != 1 || !a.At.Equal(m.now) {
		t.Fatalf("approval %+v", a)
	}
	since := m.repo("one").Hold.Since
	m.ok(holdOf(3)) // upstream moved on: whether the word covers that is the owner's to judge
	if r := m.repo("one"); r.Approved == nil || !r.Hold.Since.Equal(since) {
		t.Errorf("approval %+v, held since %s, want %s", r.Approved, r.Hold.Since, since)
	}
	pinned := publish("one", 2)
	pinned.Pinned = true
	m.ok(pinned) // a restored ref alone: upstream was not looked at
	if r := m.repo("one"); r.Approved == nil || r.Hold == nil || r.Generation != 2 {
		t.Errorf("after a restore: approval %+v, hold %+v", r.Approved, r.Hold)
	}
	m.ok(heard(publish("one", 3), a.Index))
	if r := m.repo("one"); r.Approved != nil || r.Hold != nil {
		t.Errorf("after the publish: approval %+v, hold %+v", r.Approved, r.Hold)
	}
	if events := m.eventTypes("host/Acme/one"); !slices.Contains(events, EventApproved) {
		t.Errorf("events %v", events)
	}
}

// Where counts alone are known, it is the picture that is approved.
func TestApprovalWithoutLossesIsOfThePicture(t *testing.T) {
	m := published1(t)
	m.state.tables.format = Format
	m.ok(health(func(h *command.HealthReport) { h.HoldReason, h.HoldDigest = "empty", digest(7) }))
	m.refused(refusal.StaleHold, &command.Approve{Repo: "one", Observed: digest(8)})
	m.ok(&command.Approve{Repo: "one", Observed: digest(7)})
}

func TestPins(t *testing.T) {
	m := held(t)
	a, b := strings.Repeat("a", 40), strings.Repeat("b", 40)
	m.refused(refusal.Invalid, &command.Pin{Repo: "one", Ref: "refs/heads/main", Oid: "a"})
	m.refused(refusal.Invalid, &command.Pin{Repo: "one", Ref: "main", Oid: a})
	m.refused(refusal.Invalid, &command.Pin{Repo: "one", Ref: "refs/gitmirror/kept/1/heads/x", Oid: a})
	m.refused(refusal.NotFound, &command.Pin{Repo: "two", Ref: "refs/heads/main", Oid: a})
	m.ok(&command.Pin{Repo: "one", Ref: "refs/heads/main", Oid: a})
	m.ok(&command.Pin{Repo: "one", Ref: "refs/heads/main", Oid: b})
	m.ok(&command.Pin{Repo: "one", Ref: "refs/heads/a", Oid: a})
	m.refused(refusal.Invalid, &command.Pin{Repo: "one", Ref: "refs/heads/a/b", Oid: a})
	want := []Pin{{"refs/heads/a", a}, {"refs/heads/main", b}}
	if got := m.repo("one").Pins; !slices.Equal(got, want) {
		t.Fatalf("pins %v, want %v", got, want)
	}
	m.refused(refusal.NotFound, release("refs/heads/other", nil))
	m.refused(refusal.Invalid, release("refs/heads/main", proto.String("1")))
	m.ok(release("refs/heads/main", &a))
	r := m.repo("one")
	if !slices.Equal(r.Pins, want[:1]) || r.Approved != nil || len(r.Released) != 1 || r.Released[0].OID != b || *r.Released[0].Upstream != a {
		t.Errorf("pins %v, released %+v, approval %+v", r.Pins, r.Released, r.Approved)
	}
	m.ok(publish("one", 2))
	if got := m.repo("one").Pins; !slices.Equal(got, want[:1]) {
		t.Errorf("a publish left the pins %v", got)
	}
}

// Members of an earlier format do not know what is lost: none may, until all do.
func TestAnEarlierFormatKnowsNoLosses(t *testing.T) {
	m := published1(t)
	m.state.tables.format = formatHolds - 1
	m.ok(holdOf(1))
	if h := m.repo("one").Hold; h.Lost != 0 || len(h.First) != 0 || !h.Losses.IsZero() {
		t.Errorf("hold %+v", h)
	}
	if m.state.View().RemembersPast() {
		t.Error("files of the past are part of generations already")
	}
}

func TestHoldsArePartOfSnapshots(t *testing.T) {
	m := held(t)
	m.ok(&command.Approve{Repo: "one", Losses: digest(1)})
	for _, ref := range []string{"refs/heads/main", "refs/heads/a", "refs/heads/b", "refs/heads/c"} {
		m.ok(&command.Pin{Repo: "one", Ref: ref, Oid: strings.Repeat("a", 40)})
	}
	m.ok(release("refs/heads/a", nil))
	m.ok(release("refs/heads/b", proto.String("")))
	m.ok(release("refs/heads/c", proto.String(strings.Repeat("b", 40))))
	var b bytes.Buffer
	if err := m.state.Capture().Persist(&b); err != nil {
		t.Fatal(err)
	}
	other := New()
	if err := other.Restore(bytes.NewReader(b.Bytes())); err != nil {
		t.Fatal(err)
	}
	was, is := m.repo("one"), other.View().Repo("one")
	if !is.Hold.equal(was.Hold) || len(is.Hold.First) != 1 || is.Approved == nil || is.Approved.Losses != was.Approved.Losses || is.Approved.Index != was.Approved.Index || !reflect.DeepEqual(is.Released, was.Released) || !slices.Equal(is.Pins, was.Pins) {
		t.Errorf("restored as %+v, %+v, %+v, %v", is.Hold, is.Approved, is.Released, is.Pins)
	}
}
