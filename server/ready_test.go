package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/testlog"
)

// A node whose disk or copies are not well, or that hears nobody else, answers all the same,
// from others' copies; who asks for more sees it.
func TestWhatIsNotWellAndDoesNotCount(t *testing.T) {
	a := served(t)
	a.dead = map[string]bool{"n1": true, "n2": true, "n3": false}
	a.do(&command.Report{Node: "n3", Condition: &command.NodeCondition{Disk: "full", DiskMessage: "1 % is free"}})
	s := New(Config{Self: "n3", State: a.state, Consensus: a, Git: a, Peers: a, Now: time.Now, Hosts: []string{"example.com"}, Log: testlog.New(t)})
	w := httptest.NewRecorder()
	s.Handler(Open).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz?verbose", nil))
	if w.Code != 200 {
		t.Errorf("%d", w.Code)
	}
	for _, want := range []string{"[+]log ok\n", "[+]leader ok\n", "[!]peers failed, which does not count: gossip takes all 2 other nodes for dead\n", "[!]disk failed, which does not count: full: 1 % is free\n", "[+]copies ok\n", "readyz check passed\n"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("there is no %q in\n%s", want, w.Body)
		}
	}
	a.dead = map[string]bool{"n1": true, "n2": false}
	w = httptest.NewRecorder()
	if s.Handler(Open).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz?verbose", nil)); !strings.Contains(w.Body.String(), "[+]peers ok\n") {
		t.Errorf("one of two others is heard:\n%s", w.Body)
	}
	if n := a.state.View().NodeByID("n3"); n == nil || n.State != fsm.NodeUp {
		t.Fatal("n3 is not a member")
	}
}
