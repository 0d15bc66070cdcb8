package api_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"gitmirror/api"
	"gitmirror/internal/refusal"
)

// answering is a node that answers everything with that.
func answering(t *testing.T, status int, body string) (addr string, asked *atomic.Int64) {
	t.Helper()
	asked = &atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func problem(code string) string { return `{"code":"` + code + `","detail":"no","hint":"do"}` }

// Of several addresses the next is asked where one does not answer, or cannot decide; an
// answer is an answer, a refusal too.
func TestTheNextAddressIsAsked(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		next   bool
	}{
		{"it answers", 200, `{"cluster_id":"c","verdict":"healthy"}`, false},
		{"it refuses", 409, problem("conflict_name"), false},
		{"it does not know the table yet", 503, problem("not_caught_up"), true},
		{"it is something else", 502, "<html>", true},
		{"it says nothing that can be read", 500, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			first, _ := answering(t, c.status, c.body)
			second, asked := answering(t, 200, `{"cluster_id":"c","verdict":"degraded"}`)
			client := api.NewClient(first + "," + second)
			t.Cleanup(client.Close)
			s, err := client.Status(t.Context())
			if (asked.Load() == 1) != c.next {
				t.Fatalf("the next was asked %d times: %+v, %v", asked.Load(), s, err)
			}
			if c.next && (err != nil || s.Verdict != "degraded") {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	client := api.NewClient(gone.URL)
	if _, err := client.Status(t.Context()); !errors.Is(err, api.ErrNoNode) || !strings.Contains(err.Error(), gone.URL) {
		t.Errorf("nobody answers: %v", err)
	}
	if _, err := api.NewClient(" , ").Status(t.Context()); !errors.Is(err, api.ErrNoNode) {
		t.Errorf("no address: %v", err)
	}
	// When nobody can decide, that is said, not that nobody answers.
	busy, _ := answering(t, 503, problem("no_leader"))
	if _, err := api.NewClient(busy, gone.URL).Status(t.Context()); !errors.Is(err, refusal.NoLeader) {
		t.Errorf("one node without a leader, one gone: %v", err)
	}
}

// A write that was cut off may have happened, also where the node is not even reached any more: net/http
// sends what has a key once more by itself.
func TestAWriteThatWasCutOffMayHaveHappened(t *testing.T) {
	for _, key := range []string{"", "k"} {
		var node *httptest.Server
		node = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet { // which leaves a connection
				_, _ = io.WriteString(w, `{"cluster_id":"c","verdict":"healthy"}`)
				return
			}
			_ = node.Listener.Close()
			panic(http.ErrAbortHandler)
		}))
		t.Cleanup(node.Close)
		client := api.NewClient(node.URL)
		t.Cleanup(client.Close)
		if _, err := client.Status(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := client.Remove(t.Context(), "r", key); !errors.Is(err, refusal.UnknownOutcome) {
			t.Errorf("with the key %q: %v", key, err)
		}
		if err := client.Remove(t.Context(), "r", key); !errors.Is(err, api.ErrNoNode) {
			t.Errorf("with the key %q, and nothing sent: %v", key, err)
		}
	}
}

// What is sent, and where: paths keep the slashes of names, writes say what they are.
func TestRequests(t *testing.T) {
	type seen struct{ line, key, kind, body string }
	var last seen
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		last = seen{r.Method + " " + r.URL.RequestURI(), r.Header.Get("Idempotency-Key"), r.Header.Get("Content-Type"), string(body)}
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		_, _ = io.WriteString(w, `{"repos":[],"id":"x","name":"x","leader":"x"}`)
	}))
	t.Cleanup(s.Close)
	c, ctx := api.NewClient(strings.TrimPrefix(s.URL, "http://")), t.Context()
	t.Cleanup(c.Close)
	size := int64(7)
	for _, call := range []struct {
		want seen
		do   func() error
	}{
		{seen{line: "GET /api/v1/repos?cursor=x&limit=5&q=a%2A&state=held"}, func() error {
			_, err := c.Repos(ctx, api.Query{Pattern: "a*", State: "held", Limit: 5, Cursor: "x"})
			return err
		}},
		{seen{line: "GET /api/v1/repos/github.com/acme/big"}, func() error { _, err := c.Repo(ctx, "github.com/acme/big"); return err }},
		{seen{"POST /api/v1/repos", "k", "application/json", `{"url":"https://h/a"}`}, func() error { _, err := c.Add(ctx, api.AddRepo{URL: "https://h/a"}, "k"); return err }},
		{seen{"PATCH /api/v1/repos/a%20b", "k", "application/json", `{"max_size":7}`}, func() error { _, err := c.Set(ctx, "a b", api.SetRepo{MaxSize: &size}, "k"); return err }},
		{seen{"DELETE /api/v1/nodes/n%2F1", "k", "application/json", ""}, func() error { return c.RemoveNode(ctx, "n/1", false, "k") }},
		{seen{"DELETE /api/v1/nodes/n1?accept_loss=true", "k", "application/json", ""}, func() error { return c.RemoveNode(ctx, "n1", true, "k") }},
		{seen{"POST /api/v1/nodes/n%2F1:drain", "k", "application/json", ""}, func() error { _, err := c.Drain(ctx, "n/1", "k"); return err }},
		{seen{"POST /api/v1/nodes/n1:undrain", "k", "application/json", ""}, func() error { _, err := c.Undrain(ctx, "n1", "k"); return err }},
		{seen{"POST /api/v1/cluster/leader:transfer", "k", "application/json", `{"to":"n2"}`}, func() error { _, err := c.Transfer(ctx, api.TransferLeader{To: "n2"}, "k"); return err }},
	} {
		if err := call.do(); err != nil || last != call.want {
			t.Errorf("asked %+v, %v; want %+v", last, err, call.want)
		}
	}
}

// An error is told as what it is: a refusal with its words, anything else as a failure of
// the node.
func TestProblemOf(t *testing.T) {
	taken := refusal.New(refusal.ConflictURL, "it is there").Try("look")
	taken.Existing = "h/a"
	data, err := json.Marshal(api.ProblemOf(taken))
	if err != nil {
		t.Fatal(err)
	}
	var p api.Problem
	if err := json.Unmarshal(data, &p); err != nil || !errors.Is(&p, refusal.ConflictURL) || errors.Is(&p, refusal.NotFound) {
		t.Fatalf("%s, %v", data, err)
	}
	if back := p.Refusal(); back.Error() != "it is there" || back.Hint != "look" || back.Existing != "h/a" || back.HTTP() != 409 || p.Title != "Conflict" {
		t.Errorf("%s is read as %+v", data, back)
	}
	if p := api.ProblemOf(errors.New("a disk")); p.Status != 500 || p.Code != "failed" || p.Detail != "a disk" {
		t.Errorf("%+v", p)
	}
	later := api.Problem{Status: 418, Code: "of_a_later_release", Detail: "no"}
	if again := api.ProblemOf(later.Refusal()); again.Status != 418 || again.Code != later.Code {
		t.Errorf("a code that this release does not know becomes %+v", again)
	}
}
