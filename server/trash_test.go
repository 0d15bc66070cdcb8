package server

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
	"gitmirror/peer"
)

// Pages of what was removed have each of it once, the last removed first, though more is removed
// and brought back meanwhile.
func TestWhatWasRemovedIsListedInPages(t *testing.T) {
	a := surrounded(t)
	a.do(&command.RaiseFormat{Format: fsm.Format})
	remove := func(from, to int) {
		for i := from; i < to; i++ {
			id := fmt.Sprintf("r%02d", i)
			a.do(&command.AddRepos{Repos: []*command.NewRepo{{Id: id, Name: id, Urls: []string{"https://h/" + id}, UrlKeys: []string{"h/" + id}, Copies: []string{"n1"}, Owner: "n1"}}})
			if i%3 == 0 {
				a.later(time.Second) // others go at one moment
			}
			a.do(&command.RemoveRepos{Ids: []string{id}})
		}
	}
	remove(0, 20)
	a.do(&command.AddRepos{Repos: []*command.NewRepo{{Id: "x", Name: "other", Urls: []string{"https://h/x"}, UrlKeys: []string{"h/x"}}}})
	a.do(&command.RemoveRepos{Ids: []string{"x"}}) // does not match
	var got []string
	cursor := ""
	for page := 0; ; page++ {
		var l api.TrashList
		a.get(t, "GET", "/api/v1/trash?limit=7&q=r*&cursor="+cursor, &l)
		for _, r := range l.Trash {
			got = append(got, r.Name)
		}
		if want := 20 + 5*min(page, 1); l.Total != want { // as many match, on whatever page
			t.Errorf("page %d: %d in all, want %d", page, l.Total, want)
		}
		if page == 0 {
			remove(20, 25)                                    // comes before what was shown
			a.do(&command.RestoreRepos{Ids: []string{"r13"}}) // the last that was shown
			a.do(&command.RemoveRepos{Ids: []string{"r13"}})
		}
		if cursor = l.NextCursor; cursor == "" {
			break
		}
	}
	want := []string{}
	for i := range 20 {
		want = append(want, fmt.Sprintf("r%02d", i))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for _, cursor := range []string{"!", "eA"} { // "x"
		if code, p := a.get(t, "GET", "/api/v1/trash?cursor="+cursor, nil); code != 400 || !strings.Contains(p.Detail, "not one that was given out") {
			t.Errorf("cursor %s: %d, %s", cursor, code, p.Detail)
		}
	}
}

// Of one row all who have a copy are asked what they have; of many those that lack something.
func TestWhatNodesHaveIsAskedForOneRow(t *testing.T) {
	a := surrounded(t)
	a.publish(1).ready("n1", 1).ready("n2", 1)
	has := func(g uint64) peer.LiveAnswer {
		return peer.LiveAnswer{Repos: map[string]peer.Live{"r": {Generation: &g}}}
	}
	a.live["n1:1"], a.live["n2:1"] = has(1), has(0)
	var r api.Repo
	a.get(t, "GET", "/api/v1/repos/r", &r)
	if c := r.Copies; len(c) != 2 || c[0].Live == nil || *c[0].Live != 1 || c[1].Live == nil || *c[1].Live != 0 {
		t.Errorf("of one: %+v", c)
	}
	a.others(1)
	var l api.RepoList
	a.get(t, "GET", "/api/v1/repos", &l)
	for _, r := range l.Repos {
		if r.ID == "r" && (len(r.Copies) != 2 || r.Copies[1].Live != nil) {
			t.Errorf("of many: %+v", r.Copies)
		}
	}
	delete(a.live, "n2:1") // it does not answer
	r = api.Repo{}
	a.get(t, "GET", "/api/v1/repos/r", &r)
	if c := r.Copies; c[1].Live != nil {
		t.Errorf("of who does not answer: %+v", c)
	}
}

// Of several that had one name and one URL the last is meant, and another by its id.
func TestWhichOfThoseOfOneNameIsMeant(t *testing.T) {
	a := surrounded(t)
	a.do(&command.RaiseFormat{Format: fsm.Format})
	for _, id := range []string{"older", "newer"} {
		a.do(&command.AddRepos{Repos: []*command.NewRepo{{Id: id, Name: "same", Urls: []string{"https://h/same"}, UrlKeys: []string{"h/same"}, Copies: []string{"n1"}, Owner: "n1"}}})
		a.do(&command.RemoveRepos{Ids: []string{id}})
		a.later(time.Second)
	}
	for ask, want := range map[string]string{"same": "newer", "older": "older", "newer": "newer"} {
		var got api.Trashed
		if a.get(t, "GET", "/api/v1/trash/"+ask, &got); got.ID != want {
			t.Errorf("%s is %q, want %q", ask, got.ID, want)
		}
	}
}

// slow is a writer before whom somebody else restores what was removed.
type slow struct {
	Writer
	a *surroundings
}

func (s slow) Restore(_ context.Context, id, _ string) (string, error) {
	s.a.do(&command.RestoreRepos{Ids: []string{id}})
	return "", refusal.New(refusal.NotFound, "nothing of that id was removed")
}

// Who comes second where two bring something back at once is told that it is back, by whatever it
// was asked for.
func TestWhoBringsBackSecondIsToldSo(t *testing.T) {
	for _, by := range []string{"r", "https://h/r", "older"} {
		a := surrounded(t)
		a.do(&command.RaiseFormat{Format: fsm.Format})
		id := "r"
		if by == "older" {
			id = by
			a.do(&command.AddRepos{Repos: []*command.NewRepo{{Id: id, Name: "other", Urls: []string{"https://h/x"}, UrlKeys: []string{"h/x"}, Copies: []string{"n1"}, Owner: "n1"}}})
		}
		name := a.state.View().Repo(id).Name
		a.do(&command.RemoveRepos{Ids: []string{id}})
		a.leader = "n3" // it is not passed on
		s := a.server(t)
		s.cfg.Writer = slow{a: a}
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/api/v1/trash/"+url.PathEscape(by)+":restore", nil)
		r.Host = "127.0.0.1"
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.Handler(Open).ServeHTTP(w, r)
		if body := w.Body.String(); w.Code != 404 || !strings.Contains(body, name+" is not removed: it is there, or back already") || !strings.Contains(body, "gitmirror repo show "+name) {
			t.Errorf("by %s: %d, %s", by, w.Code, body)
		}
	}
}
