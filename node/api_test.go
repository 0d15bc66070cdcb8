package node_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitmirror/api"
	"gitmirror/internal/atomicfile"
	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/node"
)

// call sends a request as a client without our library would: again, when there is no leader
// for it just then, as happens where the machine is busy.
func (r *running) call(t *testing.T, method, path, body string, header ...string) (status int, p *api.Problem, h http.Header) {
	t.Helper()
	testlog.Eventually(t, "an answer of a leader to "+method+" "+path, func() bool {
		status, p, h = r.callOnce(t, method, path, body, header...)
		return p.Code != "no_leader"
	})
	return status, p, h
}

func (r *running) callOnce(t *testing.T, method, path, body string, header ...string) (int, *api.Problem, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.info.HTTP+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if method != http.MethodGet {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	p := &api.Problem{}
	if resp.StatusCode >= 400 && resp.Header.Get("Content-Type") == "application/problem+json" {
		if err := json.Unmarshal(data, p); err != nil {
			t.Fatalf("%s %s: the problem is not JSON: %s", method, path, data)
		}
	}
	return resp.StatusCode, p, resp.Header
}

func TestBadInputChangesNothing(t *testing.T) {
	up := gittest.Upstream(t)
	sample(t, up, "acme/big.git")
	nodes := cluster(t, 3)
	nodes[0].add(t, api.AddRepo{URL: up.URL("acme/big.git"), Name: "acme/big"})
	for _, r := range nodes {
		r.await(t, "acme/big", "ready", func(x *api.Repo) bool { return x.State == "ready" })
	}
	add := func(fields string) string { return `{` + fields + `}` }
	cases := []struct {
		name, body, code string
		status           int
	}{
		{"remote helper", add(`"url":"ext::sh -c id"`), "url_scheme", 400},
		{"remote helper over http", add(`"url":"http::http://example.org/x"`), "url_scheme", 400},
		{"file", add(`"url":"file:///etc"`), "url_scheme", 400},
		{"path", add(`"url":"/etc/passwd"`), "url_scheme", 400},
		{"option", add(`"url":"--upload-pack=x"`), "url_invalid", 400},
		{"ssh option", add(`"url":"ssh://-oProxyCommand=id/x"`), "url_scheme", 400},
		{"password", add(`"url":"https://user:CANARY@example.org/x"`), "url_userinfo", 400},
		{"query", add(`"url":"https://example.org/x?y=1"`), "url_query", 400},
		{"control character", add(`"url":"https://example.org/x\u0007"`), "url_invalid", 400},
		{"no host", add(`"url":"https:///x"`), "url_host", 400},
		{"bad port", add(`"url":"https://example.org:99999/x"`), "url_port", 400},
		{"decimal address", add(`"url":"http://2130706433/x"`), "address_denied", 400},
		{"private address", add(`"url":"http://10.1.2.3/x"`), "address_denied", 400},
		{"metadata address", add(`"url":"http://169.254.169.254/latest"`), "address_denied", 400},
		{"climbing name", add(`"url":"https://example.org/x","name":"../x"`), "name_invalid", 400},
		{"absolute name", add(`"url":"https://example.org/x","name":"/x"`), "name_invalid", 400},
		{"name in another case", add(`"url":"https://example.org/x","name":"ACME/Big"`), "conflict_name", 409},
		{"the same upstream spelt otherwise", add(`"url":"` + up.URL("ACME/big") + `/","name":"other"`), "conflict_url", 409},
		{"interval too short", add(`"url":"https://example.org/x","interval":"10ms"`), "interval_invalid", 400},
		{"interval zero", add(`"url":"https://example.org/x","interval":"0s"`), "interval_invalid", 400},
		{"interval no duration", add(`"url":"https://example.org/x","interval":"soon"`), "interval_invalid", 400},
		{"too many replicas", add(`"url":"https://example.org/x","replicas":1000`), "replicas_invalid", 400},
		{"no url", add(`"name":"x"`), "url_invalid", 400},
		{"unknown field", add(`"url":"https://example.org/x","color":"red"`), "json_invalid", 400},
		{"wrong type", add(`"url":7`), "json_invalid", 400},
		{"malformed", `{"url":`, "json_invalid", 400},
		{"interval finer than a millisecond", add(`"url":"https://example.org/x","interval":"1.0005s"`), "interval_invalid", 400},
		{"trailing", `{"url":"https://example.org/x"} {}`, "json_invalid", 400},
		{"empty", ``, "json_invalid", 400},
		{"empty list", `{"repos":[]}`, "json_invalid", 400},
		{"one and a list", `{"url":"https://example.org/x","repos":[{"url":"https://example.org/y"}]}`, "json_invalid", 400},
		{"oversized", `{"url":"` + strings.Repeat("a", 5<<20) + `"}`, "too_large", 413},
	}
	before := nodes[0].client
	list, err := before.Repos(t.Context(), api.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		for _, r := range nodes { // the leader, and those that forward to it
			status, p, _ := r.call(t, http.MethodPost, "/api/v1/repos", c.body)
			if status != c.status || p.Code != c.code {
				t.Errorf("%s, asked %s: %d %s (%s), want %d %s", c.name, r.cfg.Name, status, p.Code, p.Detail, c.status, c.code)
			}
			if strings.Contains(p.Detail+p.Hint, "CANARY") {
				t.Errorf("%s: the refusal repeats the password", c.name)
			}
			if c.status == 409 && p.Existing != "acme/big" {
				t.Errorf("%s: the refusal names %q as the row in the way", c.name, p.Existing)
			}
		}
	}
	after, err := before.Repos(t.Context(), api.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if len(after.Repos) != len(list.Repos) || len(after.Repos) != 1 {
		t.Errorf("refused input left %d repos, want 1", len(after.Repos))
	}
	for _, c := range []struct {
		method, path, code string
		status             int
		header             []string
	}{
		{"GET", "/api/v1/repos/nope", "not_found", 404, nil},
		{"DELETE", "/api/v1/repos/nope", "not_found", 404, nil},
		{"POST", "/api/v1/repos/nope:sync", "not_found", 404, nil},
		{"POST", "/api/v1/repos/acme/big:sync?wait=never", "query_invalid", 400, nil},
		{"POST", "/api/v1/repos/acme/big:explode", "no_such_verb", 404, nil},
		{"PUT", "/api/v1/repos/acme/big", "method", 405, nil},
		{"GET", "/api/v1/repos?limit=-1", "query_invalid", 400, nil},
		{"GET", "/api/v1/repos?limit=1000000000", "query_invalid", 400, nil},
		{"GET", "/api/v1/repos?cursor=../../", "query_invalid", 400, nil},
		{"GET", "/api/v1/repos?state=happy", "query_invalid", 400, nil},
		{"GET", "/api/v1/status?consistent=maybe", "query_invalid", 400, nil},
		{"GET", "/api/v1/nodes/nope", "not_found", 404, nil},
		{"DELETE", "/api/v1/nodes/nope", "not_found", 404, nil},
		{"DELETE", "/api/v1/nodes/n2", "node_up", 409, nil},
		{"POST", "/api/v1/repos", "content_type", 415, []string{"Content-Type", "text/plain"}},
		{"GET", "/elsewhere", "no_such_path", 404, nil},
	} {
		status, p, _ := nodes[1].call(t, c.method, c.path, "{}", c.header...)
		if status != c.status || p.Code != c.code || p.Detail == "" {
			t.Errorf("%s %s: %d %s %q, want %d %s", c.method, c.path, status, p.Code, p.Detail, c.status, c.code)
		}
	}
}

func TestWritesGoToTheLeaderByThemselves(t *testing.T) {
	up := gittest.Upstream(t)
	nodes := cluster(t, 3)
	for _, r := range nodes {
		sample(t, up, r.cfg.Name)
		body := `{"url":"https://example.invalid/` + r.cfg.Name + `","interval":"1h"}`
		status, _, h := r.call(t, http.MethodPost, "/api/v1/repos", body)
		if status != http.StatusCreated || len(h.Values("X-Gitmirror-Index")) != 1 || h.Get("Location") == "" {
			t.Errorf("add through %s: %d, headers %v", r.cfg.Name, status, h)
		}
		if _, err := r.client.Repo(t.Context(), "example.invalid/"+r.cfg.Name); err != nil {
			t.Errorf("%s does not have what was just written through it: %v", r.cfg.Name, err)
		}
		if err := r.client.Remove(t.Context(), "example.invalid/"+r.cfg.Name, ""); err != nil {
			t.Errorf("remove through %s: %v", r.cfg.Name, err)
		}
		row, err := r.client.Add(t.Context(), api.AddRepo{URL: up.URL(r.cfg.Name), Name: r.cfg.Name, Interval: "1s"}, "same-key-"+r.cfg.Name)
		if err != nil {
			t.Fatalf("add through %s: %v", r.cfg.Name, err)
		}
		again, err := nodes[0].client.Add(t.Context(), api.AddRepo{URL: up.URL(r.cfg.Name), Name: r.cfg.Name, Interval: "1s"}, "same-key-"+r.cfg.Name)
		if err != nil || again.ID != row.ID {
			t.Errorf("the same request again was answered with %v, %v; want the row %s", again, err, row.ID)
		}
		if _, err := nodes[0].client.Add(t.Context(), api.AddRepo{URL: up.URL(r.cfg.Name), Name: r.cfg.Name}, ""); err == nil {
			t.Error("the same repo was added twice")
		}
	}
	for _, r := range nodes {
		// What was acknowledged is there for a linearizable read on any node.
		status, _, h := r.call(t, http.MethodGet, "/api/v1/repos/n3?consistent=true", "")
		if status != http.StatusOK || h.Get("X-Gitmirror-Index") == "" {
			t.Errorf("consistent read on %s: %d, index %q", r.cfg.Name, status, h.Get("X-Gitmirror-Index"))
		}
		if err := r.client.Remove(t.Context(), r.cfg.Name, ""); err != nil {
			t.Errorf("remove through %s: %v", r.cfg.Name, err)
		}
	}
	testlog.Eventually(t, "all copies to be deleted and their rows to go", func() bool {
		s, err := nodes[0].client.Status(t.Context())
		return err == nil && s.Repos.Total == 0 && s.Repos.ByState[api.StateRemoving] == 0
	})
}

func TestSyncOnRequest(t *testing.T) {
	up := gittest.Upstream(t)
	r := sample(t, up, "a")
	nodes := cluster(t, 3)
	nodes[0].add(t, api.AddRepo{URL: up.URL("a"), Name: "a", Interval: "1h"})
	for i, via := range nodes {
		via.await(t, "a", "known", func(x *api.Repo) bool { return x.Owner != "" })
		gittest.Edit(t, r, commit("sync "+via.cfg.Name))
		out, err := via.client.Sync(t.Context(), "a", 30e9)
		if err != nil {
			t.Fatalf("sync through %s: %v", via.cfg.Name, err)
		}
		if out.Outcome != api.SyncChanged || out.Generation != uint64(i+2) || len(out.Changes) != 1 || out.Changes[0].Ref != "refs/heads/main" || out.Changes[0].Kind != "updated" {
			t.Errorf("sync through %s: %+v, want one updated main at generation %d", via.cfg.Name, out, i+2)
		}
		if len(out.CopiesBehind) != 0 {
			t.Errorf("copies behind after the wait: %v", out.CopiesBehind)
		}
		for _, n := range nodes {
			if got, want := gittest.LsRemote(t, n.gitURL("a")), gittest.LsRemote(t, up.URL("a")); got != want {
				t.Errorf("%s does not serve what the sync brought", n.cfg.Name)
			}
		}
	}
	out, err := nodes[2].client.Sync(t.Context(), "a", 30e9)
	if err != nil || out.Outcome != api.SyncUnchanged {
		t.Errorf("sync of nothing new: %+v, %v", out, err)
	}
	if out, err := nodes[2].client.Sync(t.Context(), "a", 0); err != nil || out.Outcome != api.SyncAccepted {
		t.Errorf("sync without wait: %+v, %v", out, err)
	}
	up.Intercept(func(w http.ResponseWriter, r *http.Request) bool { http.NotFound(w, r); return true })
	out, err = nodes[1].client.Sync(t.Context(), "a", 30e9)
	if err != nil || out.Outcome != api.SyncFailed || out.Error == nil || out.Error.Class != "not_found" {
		t.Errorf("sync of a lost upstream: %+v, %v", out, err)
	}
	row := nodes[1].await(t, "a", "failing", func(x *api.Repo) bool { return x.State == "failing" })
	if row.Error == nil || row.Error.Class != "not_found" || row.Error.Count == nil {
		t.Errorf("the failing row says %+v", row.Error)
	}
	gittest.Run(t, t.TempDir(), "clone", "--quiet", nodes[0].gitURL("a"), "last-good") // still served
	up.Intercept(nil)
	if _, err := nodes[1].client.Sync(t.Context(), "a", 30e9); err != nil {
		t.Error(err)
	}
	nodes[1].await(t, "a", "well again", func(x *api.Repo) bool { return x.State == "ready" && x.Error == nil })
}

func TestPushIsRefusedInWordsThatGitShows(t *testing.T) {
	up := gittest.Upstream(t)
	sample(t, up, "a")
	nodes := cluster(t, 1)
	nodes[0].add(t, api.AddRepo{URL: up.URL("a"), Name: "a"})
	dir := t.TempDir()
	gittest.Run(t, dir, "clone", "--quiet", nodes[0].gitURL("a"), "c")
	out, err := gittest.Try(t, dir+"/c", "push", "origin", "HEAD:refs/heads/mine")
	if err == nil || !strings.Contains(out, "read-only mirror") || !strings.Contains(out, up.URL("a")) {
		t.Errorf("push: %v\n%s", err, out)
	}
	for _, path := range []string{"/git/a/HEAD", "/git/a/objects/info/packs", "/git/a/config", "/git/..%2f..%2fetc/info/refs?service=git-upload-pack", "/git/a/info/refs"} {
		if status, _, _ := nodes[0].call(t, http.MethodGet, path, ""); status != http.StatusNotFound {
			t.Errorf("%s was answered with %d, want 404", path, status)
		}
	}
}

func TestImportOfManyAnswersForEach(t *testing.T) {
	nodes := cluster(t, 1)
	var many api.AddRepos
	for i := range 1000 {
		u := "https://example.invalid/r" + string(rune('a'+i%26)) + strings.Repeat("x", i/26)
		many.Repos = append(many.Repos, api.AddRepo{URL: u, Interval: "1h"})
	}
	many.Repos[7].URL = "ext::x"
	many.Repos[8].URL = many.Repos[0].URL + ".git"
	out, err := nodes[0].client.AddMany(t.Context(), many, "import")
	if err != nil {
		t.Fatal(err)
	}
	again, err := nodes[0].client.AddMany(t.Context(), many, "import")
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range out.Results {
		bad := i == 7 || i == 8
		if (r.Problem != nil) != bad {
			t.Fatalf("item %d: problem %v", i, r.Problem)
		}
		if !bad && again.Results[i].Repo.ID != r.Repo.ID {
			t.Fatalf("item %d is another row when the import is repeated", i)
		}
	}
	s, err := nodes[0].client.Status(t.Context())
	if err != nil || s.Repos.Total != 998 {
		t.Errorf("%d repos, %v; want 998", s.Repos.Total, err)
	}
	var got []string
	for q := (api.Query{Limit: 100}); ; {
		page, err := nodes[0].client.Repos(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Repos {
			got = append(got, r.Name)
		}
		if q.Cursor = page.NextCursor; q.Cursor == "" {
			break
		}
	}
	if len(got) != 998 || !bytes.Equal([]byte(strings.Join(got, "\n")), []byte(strings.Join(sortedUnique(got), "\n"))) {
		t.Errorf("pages brought %d names, not 998 in order", len(got))
	}
}

func TestEmptiedUpstreamShowsAsHeld(t *testing.T) {
	up := gittest.Upstream(t)
	r := sample(t, up, "a")
	n := cluster(t, 1)[0]
	n.add(t, api.AddRepo{URL: up.URL("a"), Name: "a"})
	before := gittest.LsRemote(t, n.gitURL("a"))
	if _, err := r.Git("pack-refs", "--all"); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(filepath.Join(r.Dir, "packed-refs"))
	if err != nil {
		t.Fatal(err)
	}
	refs := func(content []byte) { // all at once, as a forge would
		if err := atomicfile.Write(nil, filepath.Join(r.Dir, "packed-refs"), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	refs(nil)
	row := n.await(t, "a", "held", func(x *api.Repo) bool { return x.State == "held" })
	if row.Reason != "empty" || row.Generation != 1 {
		t.Errorf("held for %q at generation %d, want empty at 1", row.Reason, row.Generation)
	}
	if s, err := n.client.Status(t.Context()); err != nil || s.Repos.ByState[api.StateHeld] != 1 {
		t.Errorf("status counts %+v, %v; want one held", s.Repos, err)
	}
	out, err := n.client.Sync(t.Context(), "a", 30e9)
	if err != nil || out.Outcome != api.SyncHeld || out.Error == nil || out.Error.Class != "empty" {
		t.Errorf("sync of what is held: %+v, %v", out, err)
	}
	if after := gittest.LsRemote(t, n.gitURL("a")); after != before {
		t.Errorf("the hold changed what is served:\n%s", after)
	}
	refs(good)
	n.await(t, "a", "let go", func(x *api.Repo) bool { return x.State == "ready" })
}

// A key belongs to one request: the same again is answered as the first was, another
// is refused, and a long key is as good as a short one.
func TestAnIdempotencyKeyBelongsToItsRequest(t *testing.T) {
	r := start(t, node.Config{Name: "n1"})
	r.eventually(t, "a leader", func(s *api.Status) bool { return s.Leader != "" })
	for _, key := range []string{"a-key", "with#sign/0", strings.Repeat("long", 48)} {
		name := "x" + key[:3]
		add := fmt.Sprintf(`{"url": "http://127.0.0.1:1/%s", "name": "%s"}`, name, name)
		want := func(status int, method, path, body, code string) {
			t.Helper()
			got, p, _ := r.call(t, method, path, body, "Idempotency-Key", key)
			if got != status || p.Code != code || code != "" && p.Hint == "" {
				t.Errorf("%s %s %s: %d %q, want %d %q", method, path, body, got, p.Code, status, code)
			}
		}
		for range 2 {
			want(201, "POST", "/api/v1/repos", add, "")
		}
		want(409, "POST", "/api/v1/repos", strings.Replace(add, ":1/", ":2/", 1), "key_reused")
		want(409, "DELETE", "/api/v1/repos/"+name, "", "key_reused")
		want(409, "POST", "/api/v1/repos?x", add, "key_reused")
		key += "2"
		for range 2 {
			want(204, "DELETE", "/api/v1/repos/"+name, "", "")
		}
		key += "3"
		want(404, "DELETE", "/api/v1/repos/"+name, "", "not_found")
	}
}

// What a browser sends for a page of elsewhere changes nothing, on either port.
func TestAWebPageWritesNothing(t *testing.T) {
	nodes := cluster(t, 2)
	add := `{"url": "http://127.0.0.1:1/x", "name": "x"}`
	send := func(base, method, path, body, host string, header ...string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			req.Host = host
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	for _, r := range nodes {
		public, peers := r.info.HTTP, "http://"+r.info.Peer
		for _, c := range []struct {
			base, method, path, host string
			header                   []string
			want                     int
		}{
			{public, "POST", "/api/v1/repos", "evil.example", []string{"Content-Type", "application/json"}, 421},
			{public, "GET", "/api/v1/status", "evil.example", nil, 421},
			{public, "GET", "/git/x/info/refs?service=git-upload-pack", "evil.example", nil, 421},
			{public, "GET", "/livez", "evil.example", nil, 200},
			{public, "GET", "/readyz", "evil.example", nil, 200},
			{public, "GET", "/api/v1/status", "mirror.corp", nil, 421},
			{public, "POST", "/api/v1/repos", "", []string{"Content-Type", "application/json", "Origin", "http://evil.example"}, 403},
			{public, "POST", "/api/v1/repos", "", []string{"Content-Type", "text/plain"}, 415},
			{public, "POST", "/api/v1/repos/x:sync", "", []string{"Content-Type", "text/plain"}, 415},
			{public, "DELETE", "/api/v1/repos/x", "", nil, 415},
			{peers, "POST", "/peer/v1/join", "", []string{"Content-Type", "text/plain"}, 415},
			{peers, "POST", "/peer/v1/join", "evil.example", []string{"Content-Type", "application/json"}, 403},
			{peers, "POST", "/peer/v1/join", "", []string{"Content-Type", "application/json", "Sec-Fetch-Site", "cross-site"}, 403},
			{peers, "GET", "/peer/v1/hello", "evil.example", nil, 403},
			{peers, "POST", "/api/v1/repos", "evil.example", []string{"Content-Type", "application/json", "X-Gitmirror-Cluster", r.info.ClusterID}, 403},
		} {
			if got := send(c.base, c.method, c.path, add, c.host, c.header...); got != c.want {
				t.Errorf("%s %s%s for %q with %q: %d, want %d", c.method, c.base, c.path, c.host, c.header, got, c.want)
			}
		}
		if list, err := r.client.Repos(t.Context(), api.Query{}); err != nil || len(list.Repos) != 0 {
			t.Fatalf("%+v, %v", list, err)
		}
	}
	// A page of our own, on whichever node, may.
	for i, r := range nodes {
		body := strings.ReplaceAll(add, "x", fmt.Sprint("own", i))
		if got := send(r.info.HTTP, "POST", "/api/v1/repos", body, "", "Content-Type", "application/json", "Origin", r.info.HTTP, "Sec-Fetch-Site", "same-origin"); got != 201 {
			t.Errorf("a page of %s itself: %d", r.cfg.Name, got)
		}
	}
}

func TestANodeIsKnownByTheNamesItWasTold(t *testing.T) {
	r := start(t, node.Config{Name: "n1", AllowHost: []string{"mirror.corp.", "second.corp:7654"}})
	for host, want := range map[string]int{"mirror.corp:7654": 200, "MIRROR.corp": 200, "mirror.corp.": 200, "second.corp": 200, "other.corp": 421} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.info.HTTP+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("for %s: %d, want %d", host, resp.StatusCode, want)
		}
	}
}

// What upstream shows and is not mirrored is told, with the reason, on every node.
func TestRefsThatAreNotMirroredAreTold(t *testing.T) {
	up := gittest.Upstream(t)
	repo := sample(t, up, "acme/big.git")
	if _, err := repo.Git("symbolic-ref", "HEAD", "refs/heads/"+strings.Repeat("long/", 300)+"x"); err != nil {
		t.Fatal(err)
	}
	nodes := cluster(t, 2)
	nodes[0].add(t, api.AddRepo{URL: up.URL("acme/big.git"), Name: "acme/big"})
	for _, r := range nodes {
		row := r.await(t, "acme/big", "told to lack a ref", func(x *api.Repo) bool { return x.Skipped != nil })
		if row.Skipped.Count != 1 || len(row.Skipped.First) != 1 || row.Skipped.First[0].Ref != "HEAD" || row.Skipped.First[0].Reason == "" {
			t.Errorf("as %s says: %+v", r.cfg.Name, row.Skipped)
		}
	}
	if _, err := repo.Git("symbolic-ref", "HEAD", "refs/heads/main"); err != nil {
		t.Fatal(err)
	}
	for _, r := range nodes {
		r.await(t, "acme/big", "without that", func(x *api.Repo) bool { return x.LastCheck != nil && x.Skipped == nil && x.Head == "refs/heads/main" })
	}
}
