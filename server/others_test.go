package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/testlog"
	"gitmirror/peer"
)

// claimed is a server whose table has a source, of what people have added too.
func claimed(t *testing.T) *Server {
	t.Helper()
	b := both(t)
	g := &group{leader: "me"}
	return New(Config{Self: "me", State: b.state, Consensus: g, Writer: g, Peers: nobodyAnswers{}, Now: time.Now, Hosts: []string{"example.com"}, Log: testlog.New(t)})
}

// both is a table where a source wants what people want.
func both(t *testing.T) *forgeTable {
	t.Helper()
	b := &forgeTable{t: t, state: fsm.New(), now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	b.do(&command.FoundCluster{ClusterId: "c", Format: fsm.Format})
	b.do(&command.PutNode{Node: &command.Node{Id: "n1", Name: "n1", Format: fsm.Format}})
	b.do(&command.AddRepos{Repos: []*command.NewRepo{{Id: "x", Name: "mine/x", Urls: []string{"https://h/x"}, UrlKeys: []string{"h/x"}}}})
	b.do(&command.PutSource{Source: &command.NewSource{Id: "s", Name: "s", Namespace: "ns", Index: &command.NewRepo{
		Id: "index", Name: "h/index", Urls: []string{"https://h/index"}, UrlKeys: []string{"h/index"}, Copies: []string{"n1"}, Owner: "n1"}}})
	b.do(&command.Listing{Source: "s", Node: "n1", Epoch: 1, Put: []*command.Entry{{Path: "x", File: "x", Hash: make([]byte, 16),
		Repo: &command.NewRepo{Id: "y", Name: "ns/x", Urls: []string{"https://h/x"}, UrlKeys: []string{"h/x"}}}}})
	return b
}

// What a source wants under two paths is held once.
func TestAHeldRepoIsToldOnce(t *testing.T) {
	b := both(t)
	b.do(&command.Listing{Source: "s", Node: "n1", Epoch: 1, Put: []*command.Entry{{Path: "self", File: "self", Hash: make([]byte, 16),
		Repo: &command.NewRepo{Id: "z", Name: "ns/self", Urls: []string{"https://h/index"}, UrlKeys: []string{"h/index"}}}}})
	b.do(&command.Publish{Repo: "index", Node: "n1", Epoch: 1, Generation: 1, Candidate: "1", Digest: make([]byte, 20), RefsDigest: make([]byte, 20), Baseline: true})
	b.do(&command.Report{Node: "n1", Health: []*command.HealthReport{{Repo: "index", Epoch: 1, HoldReason: "head_rewrite", HoldDigest: make([]byte, 20)}}})
	v := b.state.View()
	if held := heldRepos(v, v.SourceByName("s")); held == nil || held.Total != 1 || len(held.First) != 1 {
		t.Errorf("%+v", held)
	}
}

// nobodyAnswers are peers that are not there.
type nobodyAnswers struct{ Peers }

func (nobodyAnswers) Live(context.Context, string, []string) (peer.LiveAnswer, error) {
	return peer.LiveAnswer{}, errors.New("nobody is there")
}

// answered has the server answer, and reads what it says.
func answered(t *testing.T, s *Server, method, path, body string, into any) {
	t.Helper()
	r, w := httptest.NewRequest(method, path, strings.NewReader(body)), httptest.NewRecorder()
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	s.Handler(Open).ServeHTTP(w, r)
	if err := json.Unmarshal(w.Body.Bytes(), into); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d, %v: %s", w.Code, err, w.Body)
	}
}

// What has only another name like a pattern is told of, and not listed: who removes what is listed removes nothing else.
func TestOtherNamesAreToldOf(t *testing.T) {
	s := claimed(t)
	for query, want := range map[string]string{
		"":                       "[h/index mine/x] []",
		"?q=mine/":               "[mine/x] []",
		"?q=ns/":                 "[] [{ns/x mine/x}]",
		"?q=ns/*":                "[] [{ns/x mine/x}]",
		"?q=ns/&state=failing":   "[] []",
		"?q=ns/&stale=true":      "[] []",
		"?q=x":                   "[h/index mine/x] []",
		"?q=nothing":             "[] []",
		"?q=ns/&state=pending":   "[] [{ns/x mine/x}]",
		"?q=mine/&state=pending": "[mine/x] []",
	} {
		var list api.RepoList
		answered(t, s, http.MethodGet, "/api/v1/repos"+query, "", &list)
		var names []string
		for _, r := range list.Repos {
			names = append(names, r.Name)
		}
		if got := fmt.Sprint(names, " ", list.OtherNames); got != want || list.OtherNamesTotal != len(list.OtherNames) {
			t.Errorf("%s: %s, %d; want %s", query, got, list.OtherNamesTotal, want)
		}
	}
}

// What sources want is not removed, and what it is by then is said.
func TestWhatStaysIsTold(t *testing.T) {
	var out api.RepoResults
	answered(t, claimed(t), http.MethodPost, "/api/v1/repos:remove", `{"repos":["mine/x"]}`, &out)
	if r := out.Results[0]; len(r.StaysFor) != 1 || r.StaysFor[0] != "s" || r.Repo == nil || r.Repo.ID != "x" || r.Problem != nil {
		t.Errorf("%+v", r)
	}
}
