package fsm

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
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
	if out := m.request("r2", addRepos(newRepo("one"))); out.Items[0].Code != CodeConflictName {
		t.Errorf("another request id was taken for the first: %v", out)
	}
}

func TestRequestsAreForgottenAfterAnHour(t *testing.T) {
	m := cluster(t)
	m.request("r1", addRepos(newRepo("one")))
	m.now = m.now.Add(time.Hour)
	if out := m.request("r1", addRepos(newRepo("one"))); out.Items[0].Code != CodeConflictName {
		t.Errorf("remembered after an hour: %v", out)
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

func TestClockNeverRunsBackwards(t *testing.T) {
	m := cluster(t)
	latest := m.now
	m.now = m.now.Add(-time.Hour)
	m.ok(addRepos(newRepo("one")))
	if got := m.repo("one").AddedAt; !got.Equal(latest) {
		t.Errorf("added at %v, want %v", got, latest)
	}
}
