package fsm

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

func TestRequestIDAnswersOnce(t *testing.T) {
	m := cluster(t)
	first := m.request("r1", addRepos(newRepo("one")))
	before := m.rows()
	again := m.request("r1", addRepos(newRepo("one")))
	if !proto.Equal(first, again) || again.Items[0].Code != "" {
		t.Errorf("second answer %v, want %v", again, first)
	}
	if other := m.request("r1", addRepos(newRepo("two"))); !proto.Equal(first, other) || m.rows() != before {
		t.Errorf("an entry with a known request id did something: %v", other)
	}
	if out := m.request("r2", addRepos(newRepo("one"))); out.Items[0].Code != string(refusal.ConflictName) {
		t.Errorf("another request id was taken for the first: %v", out)
	}
}

func TestRequestsAreForgottenByTimeAndCount(t *testing.T) {
	m := cluster(t)
	known := func(id string) bool {
		_, known := m.state.requests.find(id)
		return known
	}
	m.request("r1", addRepos(newRepo("one")))
	for range 5 {
		m.now = m.now.Add(50 * time.Minute)
		m.do(&command.RemoveRepos{})
	}
	if !known("r1") {
		t.Error("forgotten, though it is one of the latest")
	}
	for i := range rememberLeast + 1 {
		m.request(fmt.Sprint("later", i), &command.RemoveRepos{})
	}
	if known("r1") {
		t.Error("remembered after an hour and many others")
	}
	if !known("later1") {
		t.Error("forgotten within the hour, and among the latest")
	}
}

func TestAWrongClockForgetsNoRequest(t *testing.T) {
	m := cluster(t)
	m.request("r1", addRepos(newRepo("one")))
	for i := range rememberLeast + 10 {
		m.now = m.now.Add(-time.Second) // all within the same second
		m.request(fmt.Sprint("later", i), &command.RemoveRepos{})
	}
	m.now = m.now.Add(3 * 365 * 24 * time.Hour)
	m.do(&command.RemoveRepos{})
	if _, known := m.state.requests.find("r1"); !known {
		t.Error("a jump of three years made a request of this minute forgotten")
	}
	if m.state.View().DatesHold() {
		t.Error("dates hold right after a jump")
	}
	for range 26 {
		m.now = m.now.Add(59 * time.Minute)
		m.do(&command.RemoveRepos{})
	}
	if _, known := m.state.requests.find("r1"); known || !m.state.View().DatesHold() {
		t.Errorf("a day later: known %v, dates hold %v", known, m.state.View().DatesHold())
	}
}

func TestRequestMemoryIsBounded(t *testing.T) {
	r := newRequests()
	outcome := &command.Outcome{Message: string(make([]byte, 100_000))}
	for i := range 200 {
		r.remember(fmt.Sprint(i), 1, outcome)
	}
	if r.bytes > rememberSize || len(r.byID) != r.queue.Len() || len(r.byID) == 0 {
		t.Errorf("%d bytes in %d requests, %d by id", r.bytes, r.queue.Len(), len(r.byID))
	}
	if _, known := r.find("199"); !known {
		t.Error("the newest was forgotten")
	}
}

func TestAJumpOfTheClockIsFollowedBothWays(t *testing.T) {
	m := cluster(t)
	right := m.now
	m.now = right.Add(3 * 365 * 24 * time.Hour)
	m.ok(addRepos(newRepo("one")))
	m.now = right.Add(time.Minute)
	m.ok(addRepos(newRepo("two")))
	if got := m.repo("two").AddedAt(); !got.Equal(m.now) {
		t.Errorf("added at %v after the clock was set right, want %v", got, m.now)
	}
	if m.state.View().DatesHold() {
		t.Error("dates hold right after a jump back")
	}
}

func TestSmallStepsBackAreHeldOff(t *testing.T) {
	m := cluster(t)
	latest := m.now
	m.now = m.now.Add(-time.Hour)
	m.ok(addRepos(newRepo("one")))
	if got := m.repo("one").AddedAt(); !got.Equal(latest) {
		t.Errorf("added at %v, want %v", got, latest)
	}
}

// A key belongs to one request, for as long as that is remembered, and through a
// snapshot.
func TestAKeyBelongsToItsRequest(t *testing.T) {
	m := published1(t)
	for _, name := range []string{"a", "b", "c"} {
		n := putNode(name)
		n.Node.Format = Format
		m.ok(n)
	}
	m.ok(&command.RaiseFormat{Format: formatKeys})
	key, other, one, two := "api/"+strings.Repeat("a", 64)+"#", "api/"+strings.Repeat("b", 64)+"#", strings.Repeat("1", 16), strings.Repeat("2", 16)
	propose := func(id string, repo string) *command.Outcome {
		t.Helper()
		return m.request(id, &command.RemoveRepos{Ids: []string{repo}})
	}
	first := propose(key+one, "one")
	if code := first.Items[0].Code; code != "" {
		t.Fatalf("refused: %s", code)
	}
	for range 2 {
		if again := propose(key+one, "one"); again.Code != "" || again.Items[0].Code != "" {
			t.Errorf("the same request again: %v", again)
		}
		if part := propose(key+one+"/1", "other"); part.Code != "" {
			t.Errorf("another part of the same request: %v", part)
		}
		if out := propose(key+two, "one"); out.Code != string(refusal.KeyReused) {
			t.Errorf("another request with its key: %v", out)
		}
		if out := propose(other+two, "one"); out.Code != "" {
			t.Errorf("another request with another key: %v", out)
		}
		if err := m.state.Restore(bytes.NewReader(m.snapshot())); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 { // keys of an earlier release were taken as they came
		if out := propose(fmt.Sprint("api/deploy#", i), "one"); out.Code != "" {
			t.Errorf("an id that is not of the form: %v", out)
		}
	}
	for m.state.requests.queue.Len() > 0 {
		m.state.requests.drop()
	}
	if out := propose(key+two, "one"); out.Code != "" {
		t.Errorf("when it is forgotten: %v", out)
	}
}

// An answer that no snapshot could hold is forgotten, and not what keeps snapshots from being written.
func TestAnAnswerThatCannotBeEncodedIsForgotten(t *testing.T) {
	m := cluster(t)
	m.state.requests.remember("bad", m.now.UnixMilli(), &command.Outcome{Message: "\xff"})
	if _, known := m.state.requests.find("bad"); known {
		t.Error("it is remembered")
	}
	if err := m.state.Capture().Persist(io.Discard); err != nil {
		t.Error(err)
	}
}
