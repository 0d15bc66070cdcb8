package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm"
	"gitmirror/internal/refusal"
	"gitmirror/internal/testlog"
)

// group is a raft group as the server sees it, and a Writer, that write down what
// they are asked.
type group struct {
	mu      sync.Mutex
	leader  string
	changed chan struct{} // closed when there is another leader
	confirm error         // of ReadIndex
	applied error         // of WaitApplied
	ready   error
	led     bool
	asked   []string
	peers   Peers
}

func (g *group) Do(context.Context, proto.Message, string) error { return nil }
func (g *group) Roles() map[string]string                        { return nil }
func (g *group) Dead() map[string]bool                           { return map[string]bool{"me": false} }
func (g *group) Ready() error                                    { return g.ready }
func (g *group) Led() bool                                       { return g.led }
func (g *group) Settled() bool                                   { return g.led }
func (g *group) LastContact() time.Time                          { return time.Time{} }
func (g *group) Await(context.Context) error                     { return g.ready }

func (g *group) Leader() (id, addr string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.leader, "addr"
}

func (g *group) LeaderChanged() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changed
}

func (g *group) ReadIndex(context.Context) (uint64, error) {
	g.asked = append(g.asked, "confirm")
	return 7, g.confirm
}

func (g *group) WaitApplied(context.Context, uint64) error {
	g.asked = append(g.asked, "apply")
	return g.applied
}

func (g *group) Add(context.Context, []NewRepo, string) ([]Added, error) {
	g.asked = append(g.asked, "write")
	return []Added{{Err: refusal.ConflictName}}, nil
}
func (g *group) WouldAdd([]NewRepo) ([]Added, error) { return nil, nil }
func (g *group) Change(context.Context, []Change, string) ([]Added, error) {
	return []Added{{}}, nil
}
func (g *group) Remove(context.Context, []string, string) ([]error, error) {
	return []error{nil}, nil
}
func (g *group) AddSource(_ context.Context, n NewSource, _ string) (string, error) {
	return n.Name, nil
}

func (g *group) Restore(_ context.Context, id, _ string) (string, error) { return id, nil }
func (g *group) RemoveNode(context.Context, string, bool, string) error  { return nil }
func (g *group) Drain(context.Context, string, string) error             { return nil }
func (g *group) Undrain(context.Context, string, string) error           { return nil }
func (g *group) Transfer(context.Context, string) error                  { return nil }

func (g *group) server(t *testing.T) *Server {
	return New(Config{Self: "me", State: fsm.New(), Consensus: g, Writer: g, Peers: g.peers, Now: time.Now, Hosts: []string{"example.com"}, Log: testlog.New(t)})
}

func (g *group) request(header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/api/v1/repos", bytes.NewReader([]byte(`{"url":"https://h/r"}`)))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func (g *group) post(t *testing.T, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	g.server(t).Handler(Open).ServeHTTP(w, g.request(header...))
	return w
}

// A new leader writes only after it has made sure that it leads, and has applied
// what the last one acknowledged.
func TestALeaderCatchesUpBeforeItWrites(t *testing.T) {
	g := &group{leader: "me"}
	if w := g.post(t); w.Code != http.StatusConflict {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if got := strings.Join(g.asked, " "); got != "confirm apply write" {
		t.Errorf("the order was %q", got)
	}
	for name, g := range map[string]*group{
		"it does not lead any more":  {leader: "me", confirm: errors.New("lost")},
		"it has not applied all yet": {leader: "me", applied: context.DeadlineExceeded},
		"there is no leader":         {},
	} {
		if w := g.post(t); w.Code != http.StatusServiceUnavailable || strings.Contains(strings.Join(g.asked, " "), "write") {
			t.Errorf("%s: %d after %v", name, w.Code, g.asked)
		}
	}
}

// A request that was forwarded is not forwarded again, however the leader moves.
func TestAWriteIsForwardedOnce(t *testing.T) {
	g := &group{leader: "other"}
	w := httptest.NewRecorder()
	g.server(t).Forwarded().ServeHTTP(w, g.request("X-Gitmirror-Forwarded", "third"))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// away is a leader that cannot be called.
type away struct {
	Peers
	err   error
	sends bool   // the call before it failed so had been sent
	hangs func() // is called when the call has come; it is not answered
}

func (a away) Transport(time.Duration) http.RoundTripper { return a }
func (a away) RoundTrip(r *http.Request) (*http.Response, error) {
	if a.hangs != nil {
		a.hangs()
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if a.sends {
		httptrace.ContextClientTrace(r.Context()).WroteHeaders()
	}
	return nil, a.err
}

// Whether a write may have happened depends on whether it had left this node.
func TestAWriteThatDoesNotReachTheLeaderSaysSo(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	for _, c := range []struct {
		is   away
		want refusal.Code
	}{
		{away{err: refused}, refusal.NoLeader},
		{away{err: refused, sends: true}, refusal.UnknownOutcome}, // net/http has tried again by itself
		{away{err: io.ErrUnexpectedEOF}, refusal.UnknownOutcome},
	} {
		w := (&group{leader: "other", peers: c.is}).post(t)
		if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), `"`+string(c.want)+`"`) {
			t.Errorf("%+v: %d %s", c.is, w.Code, w.Body)
		}
	}
}

// A leader that is frozen is not waited for when there is another.
func TestAWriteIsNotWaitedForWhereTheLeaderHasChanged(t *testing.T) {
	g := &group{leader: "other", changed: make(chan struct{})}
	g.peers = away{hangs: func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.leader = "third"
		close(g.changed)
		g.changed = nil
	}}
	if w := g.post(t); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "unknown_outcome") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestWhoIsReady(t *testing.T) {
	for _, c := range []struct {
		name           string
		ready          error
		led            bool
		all, gitServes int
	}{
		{"led and caught up", nil, true, 200, 200},
		{"without a leader", nil, false, 503, 200},
		{"catching up with a leader", errors.New("not caught up"), true, 503, 503},
		{"restarted without a quorum", errors.New("not caught up"), false, 503, 200},
	} {
		g := &group{ready: c.ready, led: c.led}
		s := g.server(t)
		for query, want := range map[string]int{"": c.all, "?noleader": c.gitServes} {
			w := httptest.NewRecorder()
			s.Handler(Open).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz"+query, nil))
			if w.Code != want {
				t.Errorf("%s: /readyz%s is %d, want %d", c.name, query, w.Code, want)
			}
			// Whoever asks for more is told the same, and what was looked at.
			v := httptest.NewRecorder()
			s.Handler(Open).ServeHTTP(v, httptest.NewRequest(http.MethodGet, "/readyz?verbose"+strings.Replace(query, "?", "&", 1), nil))
			log, leader := map[bool]string{true: "[+]log ok", false: "]log failed"}[c.ready == nil], map[bool]string{true: "[+]leader ok", false: "]leader failed"}[c.led]
			last := map[int]string{200: "\nreadyz check passed\n", 503: "\nreadyz check failed\n"}[want]
			if body := v.Body.String(); v.Code != want || !strings.Contains(body, log) || !strings.Contains(body, leader) || !strings.HasSuffix(body, last) || strings.Contains(body, "[-]") != (want == 503) {
				t.Errorf("%s: /readyz?verbose%s is %d\n%s", c.name, query, v.Code, body)
			}
		}
	}
}
