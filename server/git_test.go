package server

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gitmirror/internal/testlog"
)

// around is everything a server of node n3, which has no copy, has around it.
type around struct {
	*table
	Consensus
	Peers
	self    string // default n3, which has no copy
	dead    map[string]bool
	mine    OpenCopy
	answers func(host string, body string) (int, error) // of a holder; the status it answers with
	asked   []string
	begins  []time.Duration
	catchUp func()
}

func (a *around) Dead() map[string]bool       { return a.dead }
func (a *around) Led() bool                   { return true }
func (a *around) Settled() bool               { return true }
func (a *around) LastContact() time.Time      { return time.Time{} }
func (a *around) Ready() error                { return nil }
func (a *around) Await(context.Context) error { return nil }
func (a *around) Leader() (string, string) {
	return "n1", "n1:1"
}
func (a *around) ReadIndex(context.Context) (uint64, error) {
	if a.catchUp == nil {
		return 0, errors.New("no leader")
	}
	a.catchUp()
	return a.index, nil
}
func (a *around) WaitApplied(context.Context, uint64) error { return nil }

func (a *around) Open(string) (OpenCopy, error) {
	if a.mine == nil {
		return nil, errors.New("no copy")
	}
	return a.mine, nil
}
func (a *around) OpenByName(string) (OpenCopy, error) { return a.Open("") }

func (a *around) Transport(begin time.Duration) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		var body []byte
		if r.Body != nil {
			body, _ = io.ReadAll(r.Body)
		}
		a.asked, a.begins = append(a.asked, r.URL.Host), append(a.begins, begin)
		status, err := a.answers(r.URL.Host, string(body))
		if err != nil {
			return nil, err
		}
		return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: http.Header{}, Body: io.NopCloser(strings.NewReader("from " + r.URL.Host))}, nil
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// gone is a copy that is taken away between being opened and being read.
type gone struct{ generation uint64 }

func (g gone) Generation() uint64 { return g.generation }
func (g gone) Advertise(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "from here")
}
func (g gone) UploadPack(http.ResponseWriter, *http.Request) error { return errors.New("gone") }

func (a *around) request(t *testing.T, method, op, body string) *httptest.ResponseRecorder {
	t.Helper()
	s := New(Config{Self: cmp.Or(a.self, "n3"), State: a.state, Consensus: a, Git: a, Peers: a, Now: time.Now, Log: testlog.New(t)})
	r := httptest.NewRequestWithContext(t.Context(), method, "/git/r/"+op, strings.NewReader(body))
	w := httptest.NewRecorder()
	s.git(w, r)
	return w
}

func served(t *testing.T) *around {
	return &around{table: newTable(t).publish(1).ready("n2", 1), answers: func(string, string) (int, error) { return 200, nil }}
}

const refsOf, packOf = "info/refs?service=git-upload-pack", "git-upload-pack"

// One holder that has lost its copy, or that stops in the middle of a large
// request, costs the client nothing: the next gets all of the request.
func TestTheNextHolderGetsTheWholeRequest(t *testing.T) {
	for _, size := range []int{100, 1 << 20, 3 << 20} {
		a := served(t)
		body := strings.Repeat("x", size-1) + "y"
		a.answers = func(_, got string) (int, error) {
			if got != body {
				t.Errorf("a holder got %d bytes of %d", len(got), len(body))
			}
			if len(a.asked) == 1 {
				return http.StatusNotFound, nil
			}
			return 200, nil
		}
		if w := a.request(t, "POST", packOf, body); w.Code != 200 || len(a.asked) != 2 {
			t.Errorf("%d bytes: %d after asking %v", size, w.Code, a.asked)
		}
	}
}

// With no copy here, holders are asked again, with more patience, before a
// client is refused; those that gossip takes for dead too, last.
func TestARefusalIsTheLastResort(t *testing.T) {
	a := served(t)
	a.dead = map[string]bool{"n1": true, "n2": true}
	if w := a.request(t, "GET", refsOf, ""); w.Code != 200 {
		t.Errorf("gossip is wrong about every holder: %d", w.Code)
	}
	a = served(t)
	a.answers = func(string, string) (int, error) {
		if a.begins[len(a.begins)-1] <= time.Second {
			return 0, errors.New("slow")
		}
		return 200, nil
	}
	if w := a.request(t, "GET", refsOf, ""); w.Code != 200 {
		t.Errorf("every holder is slow: %d", w.Code)
	}
	a = served(t)
	a.answers = func(string, string) (int, error) { return 0, errors.New("silent") }
	if w := a.request(t, "GET", refsOf, ""); w.Code != 503 || !strings.Contains(w.Body.String(), "n1") {
		t.Errorf("no holder answers: %d %s", w.Code, w.Body)
	}
}

// A node whose own copy cannot be read names the others, and says so where there is none: that it is on
// itself helps nobody.
func TestANodeDoesNotNameItself(t *testing.T) {
	for _, c := range []struct {
		name  string
		table func() *table
		says  []string
	}{
		{"another has it", func() *table { return newTable(t).publish(1).ready("n2", 1) }, []string{"r: no copy", "no other node that holds it answers", "it is on n2 (http://n2)"}},
		{"no other has it", func() *table { return newTable(t).publish(1) }, []string{"r: no copy", "it is on no other"}},
	} {
		a := &around{table: c.table(), self: "n1", answers: func(string, string) (int, error) { return 0, errors.New("silent") }}
		w := a.request(t, "GET", refsOf, "")
		for _, want := range c.says {
			if w.Code != 503 || !strings.Contains(w.Body.String(), want) || strings.Contains(w.Body.String(), "n1") {
				t.Errorf("%s: %d %s, want %q in it", c.name, w.Code, w.Body, want)
			}
		}
	}
}

// Refs are waited for as long, or short, whichever protocol asks for them; a pack may take a
// while to be made.
func TestRefsAreWaitedForShortly(t *testing.T) {
	for _, c := range []struct {
		method, op, body string
		first            time.Duration
	}{
		{"GET", refsOf, "", holderPatience.refs},
		{"POST", packOf, "0014command=ls-refs\n00010000", holderPatience.refs},
		{"POST", packOf, "0012command=fetch00010000", holderPatience.pack},
		{"POST", packOf, "0032want 0000000000000000000000000000000000000000\n0000", holderPatience.pack},
	} {
		a := served(t)
		if a.request(t, c.method, c.op, c.body); len(a.begins) != 1 || a.begins[0] != c.first {
			t.Errorf("%s %.20q: waited for %v, want %s", c.op, c.body, a.begins, c.first)
		}
	}
}

// A node that has not applied a first publish yet looks at the newest table
// before it says that there is no copy.
func TestARefusalIsOfTheNewestTable(t *testing.T) {
	a := &around{table: newTable(t), answers: func(string, string) (int, error) { return 200, nil }}
	a.catchUp = func() { a.publish(1) }
	if w := a.request(t, "GET", refsOf, ""); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A copy that goes while it is read is streamed from another node.
func TestACopyThatHasGoneIsStreamed(t *testing.T) {
	a := served(t)
	a.mine = gone{1}
	if w := a.request(t, "POST", packOf, "0000"); w.Code != 200 || !strings.HasPrefix(w.Body.String(), "from n") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// An older copy here is served when nobody has the newer.
func TestAnOlderCopyIsBetterThanNone(t *testing.T) {
	a := served(t)
	a.publish(2)
	a.mine = gone{1}
	a.answers = func(string, string) (int, error) { return 0, errors.New("silent") }
	if w := a.request(t, "GET", refsOf, ""); w.Code != 200 || w.Body.String() != "from here" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// What is wrong with the request is said once, by the first holder, as it says it; what
// is wrong with the holders is not asked again of those that answered.
func TestARequestThatIsWrongIsRefusedAsItIs(t *testing.T) {
	for status, want := range map[int]struct{ code, asked int }{400: {400, 1}, 411: {411, 1}, 413: {413, 1}, 415: {415, 1}, 422: {422, 1}, 431: {431, 1},
		404: {503, 2}, 403: {503, 2}, 408: {503, 2}, 421: {503, 2}, 429: {503, 2}, 500: {503, 2}} {
		a := served(t)
		a.answers = func(string, string) (int, error) { return status, nil }
		if w := a.request(t, "POST", packOf, "nonsense"); w.Code != want.code || len(a.asked) != want.asked {
			t.Errorf("%d from the holders: %d after asking %v", status, w.Code, a.asked)
		}
	}
}

// A copy here that is behind is not shown while a node that has what was published answers.
func TestAnOlderCopyIsTheSecondBest(t *testing.T) {
	for _, here := range []uint64{1, 2} {
		a := served(t)
		a.publish(2).ready("n2", 2)
		a.mine = gone{here}
		want := "from n1"
		if here == 2 {
			want = "from here"
		}
		if w := a.request(t, "GET", refsOf, ""); !strings.HasPrefix(w.Body.String(), want) {
			t.Errorf("with generation %d here: %q, want %q", here, w.Body, want)
		}
	}
	a := served(t)
	a.publish(2).ready("n2", 2)
	a.mine = gone{1}
	a.answers = func(string, string) (int, error) { return 0, errors.New("silent") }
	if w := a.request(t, "GET", refsOf, ""); w.Body.String() != "from here" {
		t.Errorf("nobody else answers: %d %q", w.Code, w.Body)
	}
}
