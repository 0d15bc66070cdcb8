package peer

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// greeting is a process that is starting.
type greeting struct{}

func (greeting) Hello() Hello      { return Hello{ID: "me"} }
func (greeting) Pulse() Pulse      { return Pulse{ID: "me"} }
func (greeting) Whois(Claim) Whois { return Whois{Seen: []string{"a"}} }
func (greeting) Superseded()       {}
func (greeting) Meet(rq MeetRequest) (MeetAnswer, error) {
	return MeetAnswer{Given: rq.Asks && rq.Waiting.ID == "you"}, nil
}

// A process that is starting greets, is told who claims to be it, and says of the rest that
// it is starting; what is no call of a node it refuses as a node does.
func TestAProcessGreetsFromItsFirstMoment(t *testing.T) {
	h := Greet(func() string { return "c" }, greeting{})
	for _, c := range []struct {
		method, path, cluster, host, body string
		status                            int
		answer                            string
	}{
		{"GET", pathHello, "", hostName, "", 200, `"me"`},
		{"GET", pathPulse, "c", hostName, "", 200, `"me"`},
		{"POST", pathWhois, "c", hostName, `{"id":"me","run":"r"}`, 200, `"a"`},
		{"POST", pathMeet, "", hostName, `{"waiting":{"id":"you","name":"n","peer":"p:1","expect":3},"asks":true}`, 200, `"given":true`},
		{"POST", pathMeet, "", hostName, `{"waiting":{"id":"you","nmae":"n"}}`, 400, "malformed"},
		{"GET", pathMeet, "", hostName, "", 405, "method"},
		{"GET", pathPulse, "other", hostName, "", 421, "other_cluster"},
		{"POST", pathJoin, "", hostName, "{}", 503, "starting"},
		{"POST", pathPropose, "c", hostName, "x", 503, "starting"},
		{"GET", "/api/v1/status", "c", hostName, "", 503, "starting"},
		{"GET", PathGit + "id/info/refs", "", "elsewhere.example", "", 503, "starting"},
		{"GET", pathHello, "", "elsewhere.example", "", 403, "foreign"},
	} {
		r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
		r.Host = c.host
		r.Header.Set("Content-Type", callType)
		if c.cluster != "" {
			r.Header.Set(headerCluster, c.cluster)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.answer) {
			t.Errorf("%s %s of cluster %q: %d %s, want %d with %s", c.method, c.path, c.cluster, w.Code, w.Body, c.status, c.answer)
		}
	}
}
