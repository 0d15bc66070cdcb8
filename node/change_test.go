package node_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/internal/gittest"
	"gitmirror/internal/refusal"
	"gitmirror/internal/testlog"
)

func set(row api.SetRow) api.SetRepo { return api.SetRepo{SetRow: row} }

// A repository that gets another name keeps its copies, and is cloned by both; one that gets
// another upstream follows that, and one that shall have other copies gets them.
func TestARepositoryIsChanged(t *testing.T) {
	up := gittest.Upstream(t)
	sample(t, up, "acme/big.git")
	sample(t, up, "acme/other.git")
	nodes := cluster(t, 3)
	was := nodes[0].add(t, api.AddRepo{URL: up.URL("acme/big.git"), Name: "acme/big", Replicas: 2})
	asker := nodes[2]

	name := "big"
	if row, err := asker.client.Set(t.Context(), "acme/big", set(api.SetRow{Name: &name}), ""); err != nil || row.Name != "big" || !slices.Equal(row.Aliases, []string{"acme/big"}) {
		t.Fatal(row, err)
	}
	for _, n := range nodes {
		for _, called := range []string{"big", "BIG", "acme/big", "acme/big.git", up.URL("acme/big"), up.URL("acme/big.git")} {
			row := n.await(t, called, "called big", func(r *api.Repo) bool { return r.Name == "big" })
			if row.ID != was.ID || row.Generation != was.Generation {
				t.Errorf("%s is %+v", called, row)
			}
		}
	}
	follows(t, nodes, up, "acme/big.git", "big")
	follows(t, nodes, up, "acme/big.git", "acme/big")
	if _, err := asker.client.Add(t.Context(), api.AddRepo{URL: up.URL("acme/other.git"), Name: "Acme/Big"}, ""); !errors.Is(err, refusal.ConflictName) {
		t.Errorf("another's second name is taken: %v", err)
	}

	urls := []string{up.URL("acme/other.git")}
	if _, err := asker.client.Set(t.Context(), "big", set(api.SetRow{URLs: &urls}), ""); err != nil {
		t.Fatal(err)
	}
	follows(t, nodes, up, "acme/other.git", "big")
	if row := asker.await(t, "big", "there", func(*api.Repo) bool { return true }); !slices.Equal(row.URLs, urls) || row.ID != was.ID {
		t.Errorf("from %v", row.URLs)
	}
	for _, n := range []int{3, 1} {
		if _, err := asker.client.Set(t.Context(), "big", api.SetRepo{Replicas: &n}, ""); err != nil {
			t.Fatal(err)
		}
		asker.await(t, "big", fmt.Sprintf("on %d nodes", n), func(r *api.Repo) bool { return len(r.Copies) == n && r.State == "ready" })
	}
}

// An upstream that redirects for good is followed where it is, and the row says so until it has
// that address.
func TestAnUpstreamHasMoved(t *testing.T) {
	up := gittest.Upstream(t)
	sample(t, up, "acme/new.git")
	up.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		path, old := strings.CutPrefix(r.URL.Path, "/acme/old/")
		if old {
			http.Redirect(w, r, up.URL("acme/new.git/")+path+"?"+r.URL.RawQuery, http.StatusMovedPermanently)
		}
		return old
	})
	n := cluster(t, 1)[0]
	n.add(t, api.AddRepo{URL: up.URL("acme/old"), Name: "acme/old"})
	row := n.await(t, "acme/old", "told where it is", func(r *api.Repo) bool { return r.Moved != nil })
	if m := row.Moved; m.From != up.URL("acme/old") || m.To != up.URL("acme/new.git") || !slices.Equal(row.URLs, []string{m.From}) {
		t.Errorf("moved: %+v, from %v", m, row.URLs)
	}
	told, err := n.client.Events(t.Context(), api.EventQuery{Repo: "acme/old"})
	if err != nil || !slices.ContainsFunc(told.Events, func(e api.Event) bool {
		return e.Type == "redirected" && e.Detail == row.Moved.From+" to "+row.Moved.To
	}) {
		t.Errorf("events: %+v, %v", told, err)
	}
	urls := []string{row.Moved.To}
	if row, err := n.client.Set(t.Context(), "acme/old", set(api.SetRow{URLs: &urls}), ""); err != nil || row.Moved != nil {
		t.Errorf("with its new address: %+v, %v", row, err)
	}
}

// While the first url of a row does not answer the next is asked, and the row says so; a person who
// asks is answered by the first that answers.
func TestAnotherURLAnswers(t *testing.T) {
	up := gittest.Upstream(t)
	sample(t, up, "acme/first.git")
	sample(t, up, "acme/second.git")
	var dead atomic.Bool
	dead.Store(true)
	up.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		out := dead.Load() && strings.HasPrefix(r.URL.Path, "/acme/first.git/")
		if out {
			http.Error(w, "down for today", http.StatusBadGateway)
		}
		return out
	})
	n := cluster(t, 1)[0]
	first, second := up.URL("acme/first.git"), up.URL("acme/second.git")
	n.add(t, api.AddRepo{URLs: []string{first, second}, Name: "acme/two"})
	row := n.await(t, "acme/two", "mirrored from its second url", func(r *api.Repo) bool { return r.Generation > 0 && r.Fallback != nil })
	if row.Fallback.URL != second || row.Error != nil {
		t.Errorf("%+v, %+v", row.Fallback, row.Error)
	}
	dead.Store(false)
	if _, err := n.client.Sync(t.Context(), "acme/two", time.Minute); err != nil {
		t.Fatal(err)
	}
	n.await(t, "acme/two", "followed at its first url", func(r *api.Repo) bool { return r.Fallback == nil })
	told, err := n.client.Events(t.Context(), api.EventQuery{Repo: "acme/two"})
	if err != nil {
		t.Fatal(err)
	}
	var switched []string
	for _, e := range told.Events {
		if e.Type == "upstream_switched" {
			switched = append(switched, e.Detail)
		}
	}
	if !slices.Equal(switched, []string{second, first}) {
		t.Errorf("events: %v", switched)
	}
}

// What is paused is served and not followed; a check that is asked for is made once.
func TestARepositoryIsPaused(t *testing.T) {
	up := gittest.Upstream(t)
	r := sample(t, up, "acme/big.git")
	nodes := cluster(t, 2)
	asker := nodes[1]
	was := asker.add(t, api.AddRepo{URL: up.URL("acme/big.git"), Name: "acme/big"})
	paused := true
	row, err := asker.client.Set(t.Context(), "acme/big", set(api.SetRow{Paused: &paused}), "")
	if err != nil || row.State != "paused" || !row.Paused {
		t.Fatal(row, err)
	}
	gittest.Edit(t, r, commit("while it is paused"))
	out, err := asker.client.Sync(t.Context(), "acme/big", 20*time.Second)
	if err != nil || out.Outcome != api.SyncChanged || !out.Paused {
		t.Fatal(out, err)
	}
	follows(t, nodes, up, "acme/big.git", "acme/big")
	gittest.Edit(t, r, commit("after that"))
	asker.await(t, "acme/big", "left alone", func(r *api.Repo) bool {
		return r.State == "paused" && r.Generation == was.Generation+1 && r.NextCheck == nil && r.LastCheck != nil
	})
	if s, err := asker.client.Status(t.Context()); err != nil || s.Verdict != api.Healthy || s.Repos.ByState["paused"] != 1 {
		t.Error(s, err)
	}
	paused = false
	if _, err := asker.client.Set(t.Context(), "acme/big", set(api.SetRow{Paused: &paused}), ""); err != nil {
		t.Fatal(err)
	}
	follows(t, nodes, up, "acme/big.git", "acme/big")
}

// Many are asked for in one request at any node, each with its own answer, and once however
// often the request is made.
func TestManyAreChangedAndRemovedAtOnce(t *testing.T) {
	nodes := cluster(t, 3)
	ctx := t.Context()
	add := func(list ...string) api.AddRepos {
		var ask api.AddRepos
		for _, name := range list {
			ask.Repos = append(ask.Repos, api.AddRepo{URL: "https://example.invalid/" + name, Name: name, Interval: "24h"})
		}
		return ask
	}
	dry, err := nodes[1].client.WouldAdd(ctx, add("a", "b", "a"))
	if err != nil || dry.Results[0].Would != "a" || dry.Results[1].Would != "b" || dry.Results[2].Problem == nil {
		t.Fatal(dry, err)
	}
	if _, err := nodes[1].client.Repo(ctx, "a"); !errors.Is(err, refusal.NotFound) {
		t.Errorf("added by a request that adds nothing: %v", err)
	}
	if _, err := nodes[1].client.AddMany(ctx, add("a", "b", "c"), ""); err != nil {
		t.Fatal(err)
	}
	again, err := nodes[2].client.AddMany(ctx, add("b", "d"), "")
	if err != nil || again.Results[0].There == nil || again.Results[0].There.Name != "b" || again.Results[1].Repo == nil {
		t.Fatal(again, err)
	}
	dry, err = nodes[1].client.WouldAdd(ctx, add("b", "e"))
	if err != nil || dry.Results[0].There == nil || dry.Results[1].Would != "e" {
		t.Fatal(dry, err)
	}

	every, name := "48h", "first"
	changes := api.SetRepos{Repos: []api.SetOne{{Repo: "a", SetRepo: api.SetRepo{Interval: &every, SetRow: api.SetRow{Name: &name, Aliases: &[]string{}}}},
		{Repo: "none", SetRepo: api.SetRepo{Interval: &every}}, {Repo: "b"}, {Repo: "C", SetRepo: api.SetRepo{Interval: &every}}}}
	for i, n := range []*running{nodes[2], nodes[0], nodes[1]} {
		out, err := n.client.SetMany(ctx, changes, "change them")
		if err != nil {
			t.Fatal(err)
		}
		// What the first request has renamed is not found any more by its name; the log knows.
		if r := out.Results; r[0].Repo == nil || r[0].Repo.Name != "first" || r[1].Problem == nil || r[1].Problem.Code != "not_found" || r[2].Problem == nil || r[2].Problem.Code != "json_invalid" ||
			r[3].Repo == nil || r[3].Repo.IntervalMS != 48*3600*1000 {
			t.Errorf("the %d. time: %+v", i+1, r)
		}
	}
	if status, p, _ := nodes[1].call(t, http.MethodPost, "/api/v1/repos:set", `{"repos":[{"repo":"b","paused":true}]}`, "Idempotency-Key", "change them"); status != 409 || p.Code != "key_reused" {
		t.Errorf("the key of another request: %d %s", status, p.Code)
	}
	row, err := nodes[2].client.Set(ctx, "c", set(api.SetRow{Name: &every, Aliases: &[]string{}}), "one")
	if err != nil || row.Name != every {
		t.Fatal(row, err)
	}
	if row, err = nodes[1].client.Set(ctx, "c", set(api.SetRow{Name: &every, Aliases: &[]string{}}), "one"); err != nil || row.Name != every {
		t.Errorf("the second time: %v %v", row, err)
	}

	names := api.RepoNames{Repos: []string{"first", "none", "b", "b"}}
	for i, n := range []*running{nodes[1], nodes[2]} {
		out, err := n.client.RemoveMany(ctx, names, "remove them")
		if err != nil {
			t.Fatal(err)
		}
		if r := out.Results; r[0].Problem != nil || r[1].Problem == nil || r[2].Problem != nil || r[3].Problem == nil || r[3].Problem.Code != "not_found" || r[3].Name != "b" {
			t.Errorf("the %d. time: %+v", i+1, r)
		}
	}
	for _, n := range nodes[1:] { // what was asked of one node is seen there at once
		if _, err := n.client.Repo(ctx, "b"); !errors.Is(err, refusal.NotFound) {
			t.Errorf("%s has it: %v", n.cfg.Name, err)
		}
	}
	syncs, err := nodes[2].client.SyncMany(ctx, api.RepoNames{Repos: []string{"d", "b"}})
	if err != nil || syncs.Results[0].Sync == nil || syncs.Results[0].Sync.Outcome != api.SyncAccepted || syncs.Results[1].Problem == nil {
		t.Errorf("%+v %v", syncs, err)
	}
	for _, path := range []string{"repos:set", "repos:remove", "repos:sync"} {
		for _, body := range []string{`{}`, `{"repos":[]}`, `{"repos":null}`, `{"names":["a"]}`, `[]`} {
			if status, p, _ := nodes[1].call(t, http.MethodPost, "/api/v1/"+path, body); status != 400 {
				t.Errorf("%s %s: %d %s", path, body, status, p.Code)
			}
		}
	}
}

// Who looks may leave out how a name begins, where one alone ends so; who writes may not.
func TestWhatANameEndsIn(t *testing.T) {
	n := cluster(t, 1)[0]
	for _, name := range []string{"h/acme/big", "h/other/big", "h/acme/small"} {
		if _, err := n.client.Add(t.Context(), api.AddRepo{URL: "https://example.invalid/" + name, Name: name, Interval: "24h"}, ""); err != nil {
			t.Fatal(err)
		}
	}
	for end, want := range map[string]string{"small": "h/acme/small", "small.git": "h/acme/small", "acme/BIG": "h/acme/big", "https://EXAMPLE.invalid/h/other/big.git": "h/other/big"} {
		if row, err := n.client.Find(t.Context(), end); err != nil || row.Name != want {
			t.Errorf("%s: %v %v", end, row.Name, err)
		}
	}
	for end, code := range map[string]refusal.Code{"big": refusal.NameAmbiguous, "mall": refusal.NotFound, "https://example.invalid/none": refusal.NotFound, "/": refusal.NotFound} {
		if _, err := n.client.Find(t.Context(), end); !errors.Is(err, code) {
			t.Errorf("%s: %v", end, err)
		}
	}
	if _, err := n.client.Repo(t.Context(), "small"); !errors.Is(err, refusal.NotFound) { // who asks whether it is there is told
		t.Errorf("there by an end: %v", err)
	}
	every := "5m"
	if _, err := n.client.Set(t.Context(), "small", api.SetRepo{Interval: &every}, ""); !errors.Is(err, refusal.NotFound) {
		t.Errorf("set by an end: %v", err)
	}
	if err := n.client.Remove(t.Context(), "small", ""); !errors.Is(err, refusal.NotFound) {
		t.Errorf("removed by an end: %v", err)
	}
	if _, err := n.client.Set(t.Context(), "https://example.invalid/h/acme/small", api.SetRepo{Interval: &every}, ""); err != nil {
		t.Errorf("set by its URL: %v", err)
	}
	if err := n.client.Remove(t.Context(), "h/acme/small.git", ""); err != nil {
		t.Errorf("removed by its name: %v", err)
	}
	testlog.Eventually(t, "it to be gone", func() bool {
		_, err := n.client.Repo(t.Context(), "h/acme/small")
		return errors.Is(err, refusal.NotFound)
	})
}
