package node_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"gitmirror/api"
	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
)

// What is kept is listed page by page, by any node, the latest of a name first; and
// only what is kept can be restored.
func TestRefsAndRestoreOverTheAPI(t *testing.T) {
	up := gittest.Upstream(t)
	repo := sample(t, up, "acme/big.git")
	gittest.Edit(t, repo, func(e *upstream.Edit) {
		for i := range 20 {
			e.Branch(fmt.Sprintf("dir/b%02d", i), "main")
		}
		e.Branch("topic", "main")
	})
	nodes := cluster(t, 3)
	name := nodes[0].add(t, api.AddRepo{URL: up.URL("acme/big.git"), Name: "acme/big", Replicas: 2}).Name
	var tips []string
	for i := range 3 { // three tips of one branch, one after the other
		tip, err := repo.Git("rev-parse", "refs/heads/topic")
		if err != nil {
			t.Fatal(err)
		}
		tips = append(tips, tip)
		gittest.Edit(t, repo, func(e *upstream.Edit) {
			e.Branch("topic", "side")
			e.Commit("topic", "again", map[string]string{"n": fmt.Sprint(i)})
		})
		follows(t, nodes, up, "acme/big.git", name)
	}
	for _, r := range nodes {
		var all []api.Ref
		q := api.RefQuery{Limit: 7}
		for {
			page, err := r.client.Refs(t.Context(), name, q)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, page.Refs...)
			if q.Cursor = page.NextCursor; q.Cursor == "" {
				break
			}
		}
		var topic []string
		for i, x := range all {
			if i > 0 && all[i-1].Ref > x.Ref {
				t.Errorf("%s comes after %s", x.Ref, all[i-1].Ref)
			}
			if x.Ref == "refs/heads/topic" {
				topic = append(topic, x.OID)
				if x.Kept == (len(topic) == 1) || x.Kept && (x.At == nil || x.ReplacedBy != topic[len(topic)-2]) {
					t.Errorf("%s lists %+v", r.cfg.Name, x)
				}
			}
		}
		// The first tip is main's too, and is kept all the same: main may be the next to move.
		if len(all) != 24+3 || len(topic) != 4 || topic[1] != tips[2] || topic[2] != tips[1] || topic[3] != tips[0] {
			t.Errorf("%s lists %d refs, and of topic %v; it was at %v", r.cfg.Name, len(all), topic, tips)
		}
		kept, err := r.client.Refs(t.Context(), name, api.RefQuery{Kept: true, Pattern: "refs/heads/t*"})
		if err != nil || len(kept.Refs) != 3 || kept.Repo != name || kept.Generation < 4 {
			t.Errorf("kept: %+v, %v", kept, err)
		}
	}
	r := nodes[1]
	path := "/api/v1/repos/" + name
	for what, c := range map[string]struct {
		path, body, code string
		status           int
	}{
		"restore what never was":       {":restore", `{"ref":"refs/heads/never"}`, "not_kept", 404},
		"restore what was never away":  {":restore", `{"ref":"main"}`, "not_kept", 404},
		"restore to somewhere else":    {":restore", `{"ref":"topic","to":"` + strings.Repeat("1", 40) + `"}`, "not_kept", 404},
		"restore without a ref":        {":restore", `{}`, "ref_missing", 400},
		"restore to no object":         {":restore", `{"ref":"topic","to":"xyz"}`, "oid_invalid", 400},
		"restore to too little":        {":restore", `{"ref":"topic","to":"abc"}`, "oid_invalid", 400},
		"restore with more":            {":restore", `{"ref":"topic","color":"red"}`, "json_invalid", 400},
		"approve what is not held":     {":approve", `{}`, "not_held", 409},
		"approve what nobody saw":      {":approve", `{"losses":"` + strings.Repeat("1", 40) + `"}`, "not_held", 409},
		"approve no digest":            {":approve", `{"losses":"x"}`, "digest_invalid", 400},
		"release to no object":         {":approve", `{"release":[{"ref":"refs/heads/topic","upstream":"x"}]}`, "oid_invalid", 400},
		"restore HEAD":                 {":restore", `{"ref":"HEAD"}`, "ref_invalid", 400},
		"release what is not restored": {":approve", `{"release":[{"ref":"refs/heads/topic"}]}`, "not_found", 404},
	} {
		status, p, _ := r.call(t, http.MethodPost, path+c.path, c.body)
		if status != c.status || p.Code != c.code {
			t.Errorf("%s: %d %s (%s), want %d %s", what, status, p.Code, p.Detail, c.status, c.code)
		}
	}
	for _, query := range []string{"?limit=0", "?limit=1001", "?cursor=%25", "?kept=maybe"} {
		if status, _, _ := r.call(t, http.MethodGet, path+":refs"+query, ""); status != 400 {
			t.Errorf("%s: %d", query, status)
		}
	}
	pin, err := r.client.Restore(t.Context(), name, api.Restore{Ref: "topic", To: tips[1][:10]}, "")
	if err != nil || pin.Ref != "refs/heads/topic" || pin.OID != tips[1] {
		t.Fatalf("%+v, %v", pin, err)
	}
	for _, n := range nodes {
		testlog.Eventually(t, "the restored tip on "+n.cfg.Name, func() bool {
			return strings.Contains(gittest.LsRemote(t, n.gitURL(name)), tips[1]+"\trefs/heads/topic")
		})
	}
	row := r.await(t, name, "pinned", func(x *api.Repo) bool {
		return len(x.Pins) == 1 && x.Pins[0].Upstream != nil && *x.Pins[0].Upstream != "" && *x.Pins[0].Upstream != tips[1]
	})
	if list, err := r.client.Refs(t.Context(), name, api.RefQuery{Pattern: "topic"}); err != nil || len(list.Refs) < 3 || !list.Refs[0].Pinned {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := r.client.Approve(t.Context(), name, api.Approve{Release: []api.Release{{Ref: row.Pins[0].Ref, Upstream: row.Pins[0].Upstream}}}, ""); err != nil {
		t.Fatal(err)
	}
	follows(t, nodes, up, "acme/big.git", name)
}

// Whoever is told that it is held may approve it at once, on any node; and where a hold and
// a restored ref are approved together, both are followed.
func TestHeldIsApprovedAtOnce(t *testing.T) {
	up := gittest.Upstream(t)
	repo := sample(t, up, "acme/big.git")
	gittest.Edit(t, repo, func(e *upstream.Edit) {
		for i := range 12 {
			e.Commit(fmt.Sprintf("b%02d", i), "work", map[string]string{"w": fmt.Sprint(i)})
		}
	})
	remove := func(from, to int) {
		for i := from; i < to; i++ {
			if _, err := repo.Git("update-ref", "-d", fmt.Sprintf("refs/heads/b%02d", i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	nodes := cluster(t, 3)
	name := nodes[0].add(t, api.AddRepo{URL: up.URL("acme/big.git"), Name: "acme/big", Replicas: 2, Interval: "1h"}).Name
	follows(t, nodes, up, "acme/big.git", name)
	remove(11, 12)
	if out, err := nodes[0].client.Sync(t.Context(), name, 30e9); err != nil || out.Outcome != api.SyncChanged {
		t.Fatalf("%+v, %v", out, err)
	}
	if _, err := nodes[1].client.Restore(t.Context(), name, api.Restore{Ref: "b11"}, ""); err != nil {
		t.Fatal(err)
	}
	nodes[1].await(t, name, "looked at beside the pin", func(r *api.Repo) bool { return len(r.Pins) == 1 && r.Pins[0].Upstream != nil })
	if out, err := nodes[1].client.Sync(t.Context(), name, 30e9); err != nil || out.Outcome != api.SyncUnchanged {
		t.Fatalf("%+v, %v", out, err)
	}
	remove(0, 10)
	for _, r := range nodes { // each as it is told
		out, err := r.client.Sync(t.Context(), name, 30e9)
		if err != nil || out.Outcome != api.SyncHeld {
			t.Fatalf("%+v, %v", out, err)
		}
		row, err := r.client.Repo(t.Context(), name)
		if err != nil || row.Hold == nil || row.Hold.Losses != out.Hold.Losses {
			t.Fatalf("%s does not know of the hold: %+v, %v", r.cfg.Name, row.Hold, err)
		}
	}
	row, err := nodes[2].client.Repo(t.Context(), name)
	if err != nil || len(row.Pins) != 1 || row.Pins[0].Upstream == nil || *row.Pins[0].Upstream != "" {
		t.Fatalf("%+v, %v", row, err)
	}
	_, err = nodes[2].client.Approve(t.Context(), name, api.Approve{Losses: row.Hold.Losses, Observed: row.Hold.Observed,
		Release: []api.Release{{Ref: "refs/heads/b11", Upstream: row.Pins[0].Upstream}}}, "")
	if err != nil {
		t.Fatal(err)
	}
	row = nodes[2].await(t, name, "followed", func(r *api.Repo) bool { return r.Hold == nil && len(r.Released) == 0 && len(r.Pins) == 0 })
	for _, r := range nodes {
		testlog.Eventually(t, "what upstream shows, on "+r.cfg.Name, func() bool { return gittest.LsRemote(t, r.gitURL(name)) == gittest.LsRemote(t, up.URL("acme/big.git")) })
	}
	if row.Lost != nil {
		t.Errorf("%+v are told as lost", row.Lost)
	}
}
