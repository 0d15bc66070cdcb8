package peer

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// member is a node that writes down what it is asked.
type member struct {
	Node
	asked []string
}

func (m *member) Join(context.Context, JoinRequest) (JoinAnswer, error) {
	m.asked = append(m.asked, "join")
	return JoinAnswer{}, nil
}

func (m *member) Live(context.Context, []string) LiveAnswer {
	m.asked = append(m.asked, "live")
	return LiveAnswer{}
}

func (m *member) Whois(Claim) Whois {
	m.asked = append(m.asked, "whois")
	return Whois{}
}

func (m *member) ask(method, path, body string) *httptest.ResponseRecorder {
	none := http.NotFoundHandler()
	h := Handlers{Cluster: func() string { return "c" }, Node: m, Git: none, Serve: none, API: none}
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set(headerCluster, "c")
	r.Header.Set("Content-Type", callType)
	w := httptest.NewRecorder()
	h.Handler().ServeHTTP(w, r)
	return w
}

// The body of a call means one thing, as that of the API does.
func TestCallsMeanOneThing(t *testing.T) {
	for path, good := range map[string]string{
		pathJoin:  `{"id":"a","runs":["x"]}`,
		pathLive:  `["a"]`,
		pathWhois: `{"id":"a","run":"b"}`,
	} {
		m := &member{}
		if w := m.ask("POST", path, good); w.Code != 200 || len(m.asked) != 1 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		bad := []string{good + good, "\ufeff" + good, good[:len(good)-1], strings.Repeat("[", 100_000), "", "NaN"}
		if strings.HasPrefix(good, "{") {
			bad = append(bad, `{"id":"a","id":"b"}`, `{"ID":"a"}`, `{"colour":"red"}`, "{\"id\":\"\xff\"}")
		}
		for _, body := range bad {
			if w := m.ask("POST", path, body); w.Code != 400 || !strings.Contains(w.Body.String(), "malformed") || len(m.asked) != 1 {
				t.Errorf("%s, body %.60q: %d %s, asked %v", path, body, w.Code, w.Body, m.asked)
			}
		}
	}
}

func TestACallHasItsMethod(t *testing.T) {
	m := &member{}
	for path, allow := range map[string]string{pathHello: "GET", pathJoin: "POST", pathPulse: "GET", pathSync: "POST"} {
		w := m.ask("PUT", path, "{}")
		if w.Code != 405 || w.Header().Get("Allow") != allow || !strings.Contains(w.Body.String(), `"code":"method"`) {
			t.Errorf("PUT %s: %d, Allow %q, %s", path, w.Code, w.Header().Get("Allow"), w.Body)
		}
	}
}
