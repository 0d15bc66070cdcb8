package server

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// watched is a server of the table, and what tells it to stop.
func (tb *table) watched() (*Server, chan struct{}) {
	stopping := make(chan struct{})
	return New(Config{Self: "n1", State: tb.state, Consensus: &surroundings{contact: tb.at}, Now: func() time.Time { return tb.at }, Stopping: stopping}), stopping
}

// events asks for them; where that is refused it returns the code.
func events(t *testing.T, s *Server, query string) (l api.EventList, code refusal.Code) {
	t.Helper()
	w := httptest.NewRecorder()
	if err := s.events(w, httptest.NewRequest("GET", "/api/v1/events?"+query, nil)); err != nil {
		return l, refusal.Of(err).Code
	}
	if err := json.Unmarshal(w.Body.Bytes(), &l); err != nil {
		t.Error(err)
	}
	return l, ""
}

// said is the numbers of a page, where it goes on, and how many are gone.
func said(l api.EventList) string {
	var seqs []string
	for _, e := range l.Events {
		seqs = append(seqs, fmt.Sprint(e.Seq))
	}
	return fmt.Sprintf("%s next %d newest %d dropped %d", strings.Join(seqs, " "), l.Next, l.Newest, l.Dropped)
}

// Three nodes join (1 to 3), r is added (4), and s (5); r is cloned (6), fails (7) and is well
// again (8).
func eventful(t *testing.T) *table {
	tb := newTable(t)
	tb.do(&command.RaiseFormat{Format: fsm.Format})
	tb.do(&command.AddRepos{Repos: []*command.NewRepo{{Id: "s", Name: "S", Urls: []string{"https://h/s"}, UrlKeys: []string{"h/s"}, Copies: []string{"n2"}, Owner: "n2"}}})
	return tb.publish(1).health("network", "").health("", "")
}

func TestPagesOfEvents(t *testing.T) {
	s, _ := eventful(t).watched()
	for query, want := range map[string]string{
		"":                       "1 2 3 4 5 6 7 8 next 8 newest 8 dropped 0",
		"limit=2":                "7 8 next 8 newest 8 dropped 0",
		"after=0&limit=3":        "1 2 3 next 3 newest 8 dropped 0",
		"after=3&limit=3":        "4 5 6 next 6 newest 8 dropped 0",
		"after=6":                "7 8 next 8 newest 8 dropped 0",
		"after=8":                " next 8 newest 8 dropped 0",
		"after=9":                " next 9 newest 8 dropped 0", // this node is behind the one asked before
		"repo=R":                 "4 6 7 8 next 8 newest 8 dropped 0",
		"repo=r&limit=1":         "8 next 8 newest 8 dropped 0",
		"repo=r&after=0&limit=2": "4 6 next 6 newest 8 dropped 0",
		"repo=r&after=6&limit=2": "7 8 next 8 newest 8 dropped 0",
		"repo=s&after=5":         " next 8 newest 8 dropped 0",
		"repo=gone&after=1":      " next 8 newest 8 dropped 0",
	} {
		if l, code := events(t, s, query); code != "" || said(l) != want {
			t.Errorf("%q: %s %s, want %s", query, code, said(l), want)
		}
	}
	for query, want := range map[string]refusal.Code{
		"repo=gone": refusal.NotFound, "after=-1": refusal.QueryInvalid, "after=x": refusal.QueryInvalid, "after=": refusal.QueryInvalid, "limit=0": refusal.QueryInvalid,
		"limit=1001": refusal.QueryInvalid, "after=1&wait=61s": refusal.QueryInvalid, "after=1&wait=soon": refusal.QueryInvalid, "after=1&wait=1us": refusal.QueryInvalid, "wait=1s": refusal.QueryInvalid,
	} {
		if _, code := events(t, s, query); code != want {
			t.Errorf("%q: %q, want %q", query, code, want)
		}
	}
}

// An event says what changed by name, and who tells of it.
func TestWhatAnEventSays(t *testing.T) {
	tb := eventful(t)
	changes := make([]*command.Change, 30)
	for i := range changes {
		changes[i] = &command.Change{Ref: fmt.Sprint("refs/heads/", i), New: "1", Kind: command.ChangeKind_CHANGE_KIND_CREATED}
	}
	tb.do(&command.Publish{Repo: "r", Node: "n1", Epoch: 1, FromGeneration: 1, Generation: 2, Complete: true, Candidate: "c2", Digest: make([]byte, 20), RefsDigest: make([]byte, 20),
		Changes: changes, ChangesTotal: 70})
	s, _ := tb.watched()
	l, _ := events(t, s, "after=0")
	if e := l.Events[0]; e.Type != "node_joined" || e.Node != "n1" || e.Repo != "" || e.Changes == nil {
		t.Errorf("%+v", e)
	}
	if e := l.Events[6]; e.Type != "failing" || e.Repo != "r" || e.Node != "n1" || e.Detail != "network" {
		t.Errorf("%+v", e)
	}
	if e := l.Events[8]; e.Type != "published" || e.Generation != 2 || e.ChangesTotal != 70 || len(e.Changes) != api.MostEventChanges || e.Changes[1] != (api.Change{Ref: "refs/heads/1", New: "1", Kind: "created"}) {
		t.Errorf("%+v", e)
	}
	if l.LastContact == nil {
		t.Error("it does not say when a leader was heard from")
	}
}

// What was dropped is counted, for whoever had not seen it.
func TestDroppedEventsAreCounted(t *testing.T) {
	tb := eventful(t)
	for g := range uint64(10_000) {
		tb.publish(g + 2)
	}
	s, _ := tb.watched()
	for query, want := range map[string]string{"after=0&limit=1": "9 next 9 newest 10008 dropped 8", "after=5&limit=1": "9 next 9 newest 10008 dropped 3", "after=8&limit=1": "9 next 9 newest 10008 dropped 0",
		"after=5&repo=s": " next 10008 newest 10008 dropped 3", "limit=1": "10008 next 10008 newest 10008 dropped 0", "after=5&repo=s&wait=1m": " next 10008 newest 10008 dropped 3"} {
		if l, _ := events(t, s, query); said(l) != want {
			t.Errorf("%q: %s, want %s", query, said(l), want)
		}
	}
}

// Who waits is answered with the first event, when the time is over, or when the node stops;
// and a few wait at once.
func TestWaitingForEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb := eventful(t)
		s, stopping := tb.watched()
		ask := func(query string) (answer chan string) {
			answer = make(chan string, 1)
			go func() {
				l, code := events(t, s, query)
				answer <- string(code) + said(l)
			}()
			synctest.Wait()
			return answer
		}
		began := time.Now()
		of := ask("after=8&repo=r&wait=30s")
		tb.do(&command.AddRepos{Repos: []*command.NewRepo{{Id: "q", Name: "q", Urls: []string{"https://h/q"}, UrlKeys: []string{"h/q"}}}})
		time.Sleep(time.Second)
		tb.health("auth", "")
		if got := <-of; got != "10 next 10 newest 10 dropped 0" || time.Since(began) > 2*time.Second {
			t.Errorf("after %s: %s", time.Since(began), got)
		}
		began = time.Now()
		if got := <-ask("after=10&wait=30s"); got != " next 10 newest 10 dropped 0" || time.Since(began) != 30*time.Second {
			t.Errorf("after %s: %s", time.Since(began), got)
		}
		var waiting []chan string
		for range maxVigils {
			waiting = append(waiting, ask("after=10&wait=1m"))
		}
		if got := <-ask("after=10&wait=1m"); !strings.HasPrefix(got, "busy") {
			t.Errorf("one more than may wait: %s", got)
		}
		if got := <-ask("after=0&limit=1&wait=1m"); !strings.HasPrefix(got, "1 ") {
			t.Errorf("who has not to wait: %s", got)
		}
		began = time.Now()
		close(stopping)
		for _, w := range waiting {
			<-w
		}
		if time.Since(began) > time.Second {
			t.Errorf("the node stops, and they wait for %s", time.Since(began))
		}
	})
}
