package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"gitmirror/api"
)

func row(name, state string) api.Repo {
	return api.Repo{ID: "01", Name: name, URLs: []string{"https://" + name}, State: state, Owner: "n2", Generation: 3, Refs: 5, Head: "refs/heads/main", Policy: api.Policy{Replicas: 2},
		Labels: map[string]string{}, Copies: []api.Copy{{Node: "n2", State: "ready", Generation: 3}, {Node: "n1", State: "wanted"}}}
}

func failing(class string, times int) api.Repo {
	r := row("h/a", "failing")
	r.Error = &api.RepoError{Class: class, Message: "upstream says no", Since: time.Now(), Count: &times}
	return r
}

func TestRepoLsMergesAllPages(t *testing.T) {
	f := fakeNode(t, func(n int, _ request) any {
		l := api.RepoList{Repos: []api.Repo{}}
		if n != 2 { // a page may be empty and not the last
			l.Repos = append(l.Repos, row(fmt.Sprintf("h/%d", n), "ready"))
		}
		if n < 3 {
			l.NextCursor = fmt.Sprint("after", n)
		}
		return l
	})
	r := run(t, "repo", "ls", "h/*", "--state", "ready", "-o", "json").want(t, exitOK)
	var list api.RepoList
	if err := json.Unmarshal([]byte(r.out), &list); err != nil || len(list.Repos) != 2 || list.NextCursor != "" {
		t.Errorf("%v: %s", err, r.out)
	}
	want := []string{"GET /api/v1/repos?limit=500&q=h%2F%2A&state=ready", "GET /api/v1/repos?cursor=after1&limit=500&q=h%2F%2A&state=ready"}
	for i, line := range want {
		if got := f.requests()[i].line; got != line {
			t.Errorf("asked %s, want %s", got, line)
		}
	}
}

func TestRepoLsStopsAtTheLimit(t *testing.T) {
	f := fakeNode(t, func(n int, _ request) any {
		l := api.RepoList{NextCursor: fmt.Sprint("after", n)}
		for i := range 500 {
			l.Repos = append(l.Repos, row(fmt.Sprintf("h/%d-%d", n, i), "ready"))
		}
		if n == 2 {
			l.Repos = l.Repos[:20]
		}
		return l
	})
	r := run(t, "repo", "ls", "--limit", "520", "-q").want(t, exitOK)
	if lines := strings.Count(r.out, "\n"); lines != 520 || len(f.requests()) != 2 {
		t.Errorf("%d lines of %d pages", lines, len(f.requests()))
	}
	contains(t, "second page", f.requests()[1].line, "limit=20")
}

func TestRepoLsEndsWhereTheCursorStands(t *testing.T) {
	fakeNode(t, func(int, request) any { return api.RepoList{NextCursor: "same"} })
	contains(t, "stderr", run(t, "repo", "ls").want(t, exitFailed).err, "does not get past")
}

func TestEmptyListIsNoFailure(t *testing.T) {
	fakeNode(t, func(int, request) any { return api.RepoList{Repos: []api.Repo{}} })
	r := run(t, "repo", "ls").want(t, exitOK)
	contains(t, "stderr", r.err, "repo add")
	if r = run(t, "repo", "ls", "-o", "json").want(t, exitOK); !strings.Contains(r.out, `"repos": []`) || r.err != "" {
		t.Errorf("%q, %q", r.out, r.err)
	}
}

// -o json prints what the API said.
func TestJSONIsTheBody(t *testing.T) {
	since := time.Date(2026, 11, 20, 7, 0, 0, 0, time.UTC)
	node := api.Node{Name: "n1", ID: "i", State: "up", Role: "leader", HTTP: "http://h:1", Peer: "h:2", Owned: 1, Copies: 2, Since: since, Version: "v1"}
	repo := failing("network", 2)
	for line, body := range map[string]any{
		"status":                     api.Status{ClusterID: "c", Verdict: api.Degraded, Leader: "n1", Nodes: []api.Node{node}, Repos: api.RepoCounts{Total: 3, Stale: 1}},
		"repo show h/a":              repo,
		"repo ls":                    api.RepoList{Repos: []api.Repo{repo}},
		"repo add http://h/a":        repo,
		"repo sync h/a":              api.SyncOutcome{Repo: "h/a", Outcome: api.SyncAccepted, Changes: []api.Change{}, CopiesBehind: []string{}},
		"node ls":                    api.NodeList{Nodes: []api.Node{node}},
		"node show n1":               node,
		"repo add http://h/a http:b": api.AddResults{Results: []api.AddResult{{Repo: &repo}, {Repo: &repo}}},
	} {
		fakeNode(t, func(int, request) any { return body })
		r := run(t, append(strings.Fields(line), "-o", "json")...).want(t, exitOK)
		data, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		var want, got any
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(r.out), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\ngot  %s\nwant %s", line, err, r.out, data)
		}
		if r.err != "" {
			t.Errorf("%s: stderr %s", line, r.err)
		}
	}
}

func TestRepoAddWaits(t *testing.T) {
	states := []any{problem(http.StatusNotFound, "not_found"), row("h/a", "pending"), row("h/a", "cloning"), problem(http.StatusServiceUnavailable, "busy"), row("h/a", "ready")}
	f := fakeNode(t, func(n int, r request) any {
		if strings.HasPrefix(r.line, "POST") {
			return row("h/a", "pending")
		}
		return states[min(n-2, len(states)-1)]
	})
	r := run(t, "repo", "add", "https://h/a", "--wait", "--replicas", "3", "--interval", "90s").want(t, exitOK)
	contains(t, "stdout", r.out, "Added h/a: owner n2, copies on n2 and n1", "Ready after ", "5 refs", "clone: git clone "+f.URL+"/git/h/a")
	contains(t, "request", f.requests()[0].body, `"url":"https://h/a"`, `"replicas":3`, `"interval":"1m30s"`)
}

func TestRepoAddReportsWhatWillNotGetReady(t *testing.T) {
	held := row("h/a", "held")
	held.Reason = "empty"
	for name, tt := range map[string]struct {
		states []api.Repo
		code   int
		text   string
	}{
		"fails twice":         {[]api.Repo{failing("network", 1), failing("network", 2)}, exitFailed, "Cause: upstream says no"},
		"is not there":        {[]api.Repo{failing("not_found", 1)}, exitFailed, "cannot be mirrored: not_found"},
		"held":                {[]api.Repo{held}, exitFailed, "h/a is held\nCause: empty"},
		"fails once, then on": {[]api.Repo{failing("timeout", 1), row("h/a", "ready")}, exitOK, ""},
		"never":               {[]api.Repo{row("h/a", "cloning")}, exitTimeout, "it is cloning; the work goes on"},
	} {
		t.Run(name, func(t *testing.T) {
			fakeNode(t, func(n int, r request) any {
				if strings.HasPrefix(r.line, "POST") {
					return row("h/a", "pending")
				}
				return tt.states[min(n-2, len(tt.states)-1)]
			})
			timeout := "30s"
			if tt.code == exitTimeout {
				timeout = "300ms"
			}
			r := run(t, "repo", "add", "https://h/a", "--wait", "--timeout", timeout).want(t, tt.code)
			contains(t, "stderr", r.err, tt.text)
		})
	}
}

func TestRepoAddMany(t *testing.T) {
	ok := row("h/a", "pending")
	fakeNode(t, func(int, request) any {
		return api.AddResults{Results: []api.AddResult{{Repo: &ok}, {Problem: &api.Problem{Status: 400, Code: "url_userinfo", Detail: "has a password"}}}}
	})
	r := run(t, "repo", "add", "https://h/a", "https://u:secret@h/b").want(t, exitPartFailed)
	contains(t, "stderr", r.err, "Error: https://***@h/b: has a password", "1 of 2 URLs were not added")
	if strings.Contains(r.out+r.err, "secret") {
		t.Error("the password is repeated")
	}
}

func TestRepoRm(t *testing.T) {
	f := fakeNode(t, func(_ int, r request) any {
		switch {
		case strings.HasSuffix(r.line, "/gone"):
			return problem(http.StatusNotFound, "not_found")
		case strings.HasSuffix(r.line, "/repos:remove"):
			return each(r, func(name string) api.RepoResult {
				if name == "gone" {
					return api.RepoResult{Problem: problem(http.StatusNotFound, "not_found")}
				}
				return api.RepoResult{}
			})
		case strings.HasPrefix(r.line, "GET"):
			return row("h/a", "ready")
		}
		return nil
	})
	contains(t, "stdout", run(t, "repo", "rm", "h/a", "--yes").want(t, exitOK).out, "Removed h/a\n")
	r := run(t, "repo", "rm", "old", "--yes").want(t, exitOK)
	contains(t, "stdout", r.out, "Removed h/a, to which old led")
	f.mu.Lock()
	f.asked = nil
	f.mu.Unlock()
	r = run(t, "repo", "rm", "h/a").want(t, exitUsage)
	contains(t, "stderr", r.err, "Remove h/a and its 2 copies, on n2 and n1.", "Try:   gitmirror repo rm h/a --yes")
	for _, rq := range f.requests() {
		if !strings.HasPrefix(rq.line, "GET") {
			t.Fatalf("without --yes it asked %s", rq.line)
		}
	}
	r = run(t, "repo", "rm", "h/a", "gone", "--yes").want(t, exitPartFailed)
	contains(t, "stdout", r.out, "Removed h/a")
	run(t, "repo", "rm", "--yes", "gone").want(t, exitNotFound)
	r = run(t, "repo", "rm", "h/a", "gone", "--yes", "-o", "json").want(t, exitPartFailed)
	var body removed
	if err := json.Unmarshal([]byte(r.out), &body); err != nil || len(body.Removed) != 1 || len(body.Failed) != 1 {
		t.Errorf("%v: %s", err, r.out)
	}
}

func TestRepoSync(t *testing.T) {
	outcomes := map[string]any{
		"same":   api.SyncOutcome{Outcome: api.SyncUnchanged, Generation: 4},
		"new":    api.SyncOutcome{Outcome: api.SyncChanged, Generation: 5, Changes: []api.Change{{Ref: "refs/heads/x", Old: "1111111111111", New: "2222222222222", Kind: "forced"}}},
		"first":  api.SyncOutcome{Outcome: api.SyncChanged, Generation: 1, First: true, Refs: 12},
		"behind": api.SyncOutcome{Outcome: api.SyncChanged, CopiesBehind: []string{"n3"}},
		"failed": api.SyncOutcome{Outcome: api.SyncFailed, Error: &api.RepoError{Class: "auth", Message: "401"}},
		"held":   api.SyncOutcome{Outcome: api.SyncHeld},
		"gone":   problem(http.StatusNotFound, "not_found"),
	}
	fakeNode(t, func(_ int, r request) any {
		if strings.HasPrefix(r.line, "GET") {
			return api.RepoList{Repos: []api.Repo{row("same", "ready"), row("new", "ready")}}
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(r.line, "POST /api/v1/repos/"), ":sync")
		return outcomes[name]
	})
	for line, want := range map[string]struct {
		code int
		text string
	}{
		"same":              {exitOK, "same: unchanged, generation 4"},
		"new":               {exitOK, "forced   refs/heads/x  1111111111 -> 2222222222"},
		"first":             {exitOK, "first: cloned, 12 refs, generation 1"},
		"failed":            {exitFailed, "Cause: auth: 401"},
		"behind":            {exitOK, "not there yet on n3"},
		"held":              {exitFailed, "came to: held"},
		"gone":              {exitNotFound, "do better"},
		"same failed":       {exitPartFailed, "1 of 2 repositories were not synced"},
		"failed held":       {exitFailed, "2 of 2"},
		"--all":             {exitOK, "new: 1 ref changed"},
		"same gone -o json": {exitPartFailed, `"problem"`},
	} {
		r := run(t, append([]string{"repo", "sync", "--wait"}, strings.Fields(line)...)...).want(t, want.code)
		contains(t, line, r.out+r.err, want.text)
	}
}

func TestRepoSyncAsksAgainWhereTheNodeStopsWaiting(t *testing.T) {
	f := fakeNode(t, func(n int, _ request) any {
		if n < 3 {
			return problem(http.StatusGatewayTimeout, "wait_over")
		}
		return api.SyncOutcome{Outcome: api.SyncUnchanged}
	})
	run(t, "repo", "sync", "a", "--wait").want(t, exitOK)
	if n := len(f.requests()); n != 3 {
		t.Errorf("asked %d times", n)
	}
	contains(t, "request", f.requests()[0].line, "wait=5m")
}

func TestParseImport(t *testing.T) {
	entries, err := parseImport(strings.NewReader("\ufeffhttps://h/a\r\n\n# a comment\n  https://h/b  other/name # why\nhttps://h/c#frag\nhttps://h/d x y\n\t\nhttps://h/e"))
	if err != nil {
		t.Fatal(err)
	}
	type line struct {
		n         int
		url, name string
		bad       bool
	}
	var got []line
	for _, e := range entries {
		got = append(got, line{e.line, e.url, e.name, e.problem != nil})
	}
	want := []line{{1, "https://h/a", "", false}, {4, "https://h/b", "other/name", false}, {5, "https://h/c#frag", "", false}, {6, "https://h/d", "", true}, {8, "https://h/e", "", false}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if _, err := parseImport(strings.NewReader("a\n" + strings.Repeat("x", longestLine+1))); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a line that is too long: %v", err)
	}
}

// importer adds all but the URLs that end in "bad", and all batches but those
// after the first few.
func importer(t *testing.T) *fake {
	return fakeNode(t, func(n int, r request) any {
		var ask api.AddRepos
		if err := json.Unmarshal([]byte(r.body), &ask); err != nil {
			t.Error(err)
		}
		if strings.Contains(r.body, "/down") {
			return problem(http.StatusServiceUnavailable, "no_leader")
		}
		var out api.AddResults
		for _, a := range ask.Repos {
			repo := row(a.URL, "pending")
			result := api.AddResult{Repo: &repo}
			if strings.HasSuffix(a.URL, "bad") {
				result = api.AddResult{Problem: problem(http.StatusBadRequest, "url_invalid")}
			}
			out.Results = append(out.Results, result)
		}
		return out
	})
}

func TestRepoImport(t *testing.T) {
	var list strings.Builder
	for i := range 1200 {
		fmt.Fprintf(&list, "https://h/%d\n", i)
	}
	f := importer(t)
	r := runWith(t, list.String(), "repo", "import", "-", "--interval", "5m").want(t, exitOK)
	contains(t, "stdout", r.out, "Added 1200, refused 0")
	if n := len(f.requests()); n != 3 {
		t.Errorf("%d batches", n)
	}
	keys := map[string]bool{}
	for _, rq := range f.requests() {
		keys[rq.key] = true
		contains(t, "request", rq.body, `"interval":"5m0s"`)
	}
	if len(keys) != 3 {
		t.Errorf("%d keys for 3 batches", len(keys))
	}

	r = runWith(t, "https://h/ok\nhttps://u:pw@h/bad\na b c\n", "repo", "import", "-").want(t, exitPartFailed)
	contains(t, "stderr", r.err, "Error: line 2, https://***@h/bad: it went", "Error: line 3, a: there are 3 words", "2 of 3 lines were not added")
	contains(t, "stdout", r.out, "Added 1, refused 2")
	runWith(t, "https://h/bad\nx y z\n", "repo", "import", "-").want(t, exitUsage)
	runWith(t, "# nothing\n", "repo", "import", "-").want(t, exitOK)
	run(t, "repo", "import", t.TempDir()+"/missing").want(t, exitUsage)

	r = runWith(t, "https://h/ok\nhttps://h/bad\n", "repo", "import", "-", "-o", "json").want(t, exitPartFailed)
	var body struct {
		Results       []importResult
		Added, Failed int
	}
	if err := json.Unmarshal([]byte(r.out), &body); err != nil || body.Added != 1 || body.Failed != 1 || body.Results[1].Problem == nil {
		t.Errorf("%v: %s", err, r.out)
	}
}

func TestRepoImportThatStopsHalfWay(t *testing.T) {
	importer(t)
	up, down := strings.Repeat("https://h/x\n", 500), strings.Repeat("https://h/down\n", 500)
	r := runWith(t, up+down[:3000], "repo", "import", "-").want(t, exitPartFailed)
	contains(t, "output", r.out+r.err, "stopped, from line 501 on", "Added 500, refused 0, not tried 200")
	// What was under way behind the call that failed is counted.
	r = runWith(t, down+up[:1200], "repo", "import", "-").want(t, exitPartFailed)
	contains(t, "output", r.out+r.err, "stopped, from line 1 on", "Added 100, refused 0, not tried 500")
	r = runWith(t, down, "repo", "import", "-").want(t, exitUnavailable)
	if strings.Contains(r.out, "Added") {
		t.Errorf("nothing was added: %s", r.out)
	}
}

// Who interrupts an import is told how far it has come: what was under way ends.
func TestAnInterruptedImportCounts(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	var once sync.Once
	fakeNode(t, func(n int, r request) any {
		once.Do(interrupt)
		var ask api.AddRepos
		_ = json.Unmarshal([]byte(r.body), &ask)
		var out api.AddResults
		for _, a := range ask.Repos {
			repo := row(a.URL, "pending")
			out.Results = append(out.Results, api.AddResult{Repo: &repo})
		}
		return out
	})
	var out, said bytes.Buffer
	p := program{Streams: Streams{In: strings.NewReader(strings.Repeat("https://h/x\n", 20*importBatch)), Out: &out, Err: &said}, patience: testPatience}
	if code := p.main(ctx, []string{"gitmirror", "repo", "import", "-", "-o", "json"}); code != exitInterrupted {
		t.Errorf("exit %d: %s", code, &said)
	}
	var body struct {
		Results        []importResult
		Added, Unknown int
		NotTried       int `json:"not_tried"`
	}
	if err := json.Unmarshal(out.Bytes(), &body); err != nil {
		t.Fatalf("%v: %s", err, &out)
	}
	if body.Added == 0 || body.Added > (importFlight+1)*importBatch || body.Unknown != 0 || body.Added+body.NotTried != 20*importBatch || len(body.Results) != body.Added {
		t.Errorf("added %d, unknown %d, not tried %d", body.Added, body.Unknown, body.NotTried)
	}
}

// Lines of which nobody knows are counted for themselves.
func TestAnImportKnowsWhatItDoesNotKnow(t *testing.T) {
	fakeNode(t, func(n int, r request) any {
		if strings.Contains(r.body, "/lost") {
			return problem(http.StatusServiceUnavailable, "unknown_outcome")
		}
		return problem(http.StatusServiceUnavailable, "no_leader")
	})
	r := runWith(t, strings.Repeat("https://h/lost\n", importBatch)+strings.Repeat("https://h/x\n", importBatch), "repo", "import", "-").want(t, exitUnavailable)
	contains(t, "output", r.out+r.err, fmt.Sprintf("Lines 1 to %d may or may not", importBatch), fmt.Sprintf("Added 0, refused 0, unknown %d, not tried %d", importBatch, importBatch))
}

// What is mirrored already, by the name that is asked for, is no failure: an import can be
// repeated.
func TestAnImportThatIsRepeated(t *testing.T) {
	fakeNode(t, func(n int, r request) any {
		var ask api.AddRepos
		_ = json.Unmarshal([]byte(r.body), &ask)
		var out api.AddResults
		for range ask.Repos {
			p := problem(http.StatusConflict, "conflict_url")
			p.Existing = "h/x"
			out.Results = append(out.Results, api.AddResult{Problem: p})
		}
		return out
	})
	r := runWith(t, "https://h/x\nhttps://h/x h/x\n", "repo", "import", "-").want(t, exitOK)
	contains(t, "stdout", r.out, "Added 0, mirrored already 2, refused 0")
	r = runWith(t, "https://h/x\nhttps://h/x other\n", "repo", "import", "-").want(t, exitPartFailed)
	contains(t, "output", r.out+r.err, "mirrored already 1, refused 1", "line 2", "1 of 2 lines were not added")
}

// Calls are made side by side, no more than importFlight, and told in the order of the
// list however they are answered.
func TestRepoImportIsBoundedInFlight(t *testing.T) {
	var mu sync.Mutex
	flying, most := 0, 0
	full, once := make(chan struct{}), sync.Once{}
	fakeNode(t, func(n int, r request) any {
		var ask api.AddRepos
		if err := json.Unmarshal([]byte(r.body), &ask); err != nil {
			t.Error(err)
		}
		mu.Lock()
		flying++
		if most = max(most, flying); flying == importFlight {
			once.Do(func() { close(full) })
		}
		mu.Unlock()
		<-full // the first ones wait for each other
		mu.Lock()
		flying--
		mu.Unlock()
		var out api.AddResults
		for _, a := range ask.Repos {
			repo := row(a.URL, "pending")
			out.Results = append(out.Results, api.AddResult{Repo: &repo})
		}
		return out
	})
	var list strings.Builder
	for i := range 10*importBatch + 7 {
		fmt.Fprintf(&list, "https://h/%d\n", i)
	}
	r := runWith(t, list.String(), "repo", "import", "-", "-o", "json").want(t, exitOK)
	var body struct{ Results []importResult }
	if err := json.Unmarshal([]byte(r.out), &body); err != nil || len(body.Results) != 10*importBatch+7 {
		t.Fatalf("%d results, %v", len(body.Results), err)
	}
	for i, got := range body.Results {
		if want := fmt.Sprintf("https://h/%d", i); got.URL != want || got.Line != i+1 || got.Repo == nil || got.Repo.Name != want {
			t.Fatalf("line %d: %+v, want %s", i+1, got, want)
		}
	}
	if most != importFlight {
		t.Errorf("%d calls at once, want %d", most, importFlight)
	}
}

func TestNodeRm(t *testing.T) {
	fakeNode(t, func(_ int, r request) any {
		if strings.HasPrefix(r.line, "GET") {
			return api.Node{Name: "n2", State: "down", Copies: 4}
		}
		return nil
	})
	contains(t, "stderr", run(t, "node", "rm", "n2").want(t, exitUsage).err, "the 4 copies it holds", "Try:   gitmirror node rm n2 --yes")
	contains(t, "stdout", run(t, "node", "rm", "n2", "--yes").want(t, exitOK).out, "Removed node n2")
}

func TestCompletion(t *testing.T) {
	fakeNode(t, func(_ int, r request) any {
		if strings.Contains(r.line, "nodes") {
			return api.NodeList{Nodes: []api.Node{{Name: "n1"}, {Name: "n2"}}}
		}
		return api.RepoList{Repos: []api.Repo{row("h/a", "ready")}}
	})
	for line, want := range map[string]string{
		"re": "repo\n", "repo s": "show\nset\nsync\n", "repo add --na": "--name\n", "repo add --wait --re": "--replicas\n",
		"node show n": "n1\nn2\n", "repo rm h": "h/a\n", "completion z": "zsh\n", "demo --sab": "", "nothing x": "",
		"repo ls --state f": "failing\n", "repo ls -o w": "wide\n", "status -o w": "", "status --output j": "json\n", "events --repo h": "h/a\n", "start --log-level w": "warn\n", "start --raft-timing sl": "slow\n", "repo ls --limit n": "", "repo ls --stale h": "",
	} {
		if r := run(t, append(strings.Fields(line), completionMarker)...).want(t, exitOK); r.out != want {
			t.Errorf("%s<tab>: %q, want %q", line, r.out, want)
		}
	}
	for shell, part := range map[string]string{"bash": "complete -o default -F _gitmirror gitmirror", "zsh": "compdef _gitmirror gitmirror", "fish": "complete -c gitmirror"} {
		contains(t, shell, run(t, "completion", shell).want(t, exitOK).out, part)
	}
}

// Who asks for more copies than there are nodes is told that there are fewer.
func TestMoreCopiesThanNodes(t *testing.T) {
	fakeNode(t, func(int, request) any {
		return api.Repo{Name: "h/a", State: "pending", Owner: "n1", Policy: api.Policy{Replicas: 5}, Copies: []api.Copy{{Node: "n1"}, {Node: "n2"}}}
	})
	contains(t, "stdout", run(t, "repo", "add", "http://h/a", "--replicas", "5").want(t, exitOK).out, "copies on n1 and n2 (of 5 that were asked for")
}

// What people want no more, and a source does, is not said to be removed.
func TestWhatStaysForASource(t *testing.T) {
	wanted := row("h/a", "ready")
	wanted.Claims = []api.Claim{{Source: "kernel", Path: "a"}, {Source: "kernel", Path: "b"}, {Source: "others", Path: "a"}}
	fakeNode(t, func(_ int, r request) any {
		switch {
		case strings.HasSuffix(r.line, "/repos:remove"):
			return each(r, func(name string) api.RepoResult {
				if name == "h/a" {
					return api.RepoResult{StaysFor: []string{"kernel", "others"}}
				}
				return api.RepoResult{}
			})
		case strings.HasPrefix(r.line, "GET"):
			return wanted
		}
		return nil
	})
	want := "h/a is not wanted by hand any more: it stays for kernel, others\n"
	if r := run(t, "repo", "rm", "h/a", "--yes").want(t, exitOK); r.out != want || strings.Contains(r.err, "brought back") {
		t.Errorf("%q, %q", r.out, r.err)
	}
	if r := run(t, "repo", "rm", "h/a", "h/b", "--yes").want(t, exitOK); r.out != want+"Removed h/b\n" {
		t.Errorf("%q, %q", r.out, r.err)
	}
}

// A name that people gave goes with their wish: what stays is said to be called otherwise.
func TestWhatStaysUnderAnotherName(t *testing.T) {
	mine, theirs := row("mine/v6", "ready"), row("lb/z", "ready")
	mine.ID, mine.URLs, mine.Aliases = "one", []string{"https://h/v6"}, []string{"lb/z"}
	theirs.ID, theirs.URLs, theirs.Claims = "one", mine.URLs, []api.Claim{{Source: "lb", Path: "z"}}
	removed := false
	fakeNode(t, func(_ int, r request) any {
		switch {
		case strings.HasSuffix(r.line, "/repos:remove"):
			return each(r, func(string) api.RepoResult { return api.RepoResult{StaysFor: []string{"lb"}, Repo: &theirs} })
		case strings.HasPrefix(r.line, "DELETE"):
			removed = true
		case !removed:
			return mine
		case strings.Contains(r.line, "mine"):
			return &api.Problem{Status: 404, Code: "not_found", Detail: "no repo mine/v6"}
		default:
			return theirs
		}
		return nil
	})
	want := "mine/v6 is not wanted by hand any more, and that name is gone: the repository stays as lb/z, for lb\n"
	if r := run(t, "repo", "rm", "mine/v6", "--yes").want(t, exitOK); r.out != want || strings.Contains(r.err, "brought back") {
		t.Errorf("%q, %q", r.out, r.err)
	}
	if r := run(t, "repo", "rm", "mine/v6", "mine/v7", "--yes").want(t, exitOK); r.out != want+strings.ReplaceAll(want, "v6", "v7") {
		t.Errorf("%q, %q", r.out, r.err)
	}
}

// What is found by another name alone is told of, and is not among what is listed.
func TestOtherNamesLikeAPattern(t *testing.T) {
	list := api.RepoList{Repos: []api.Repo{}, OtherNamesTotal: 7}
	for i := range 7 {
		list.OtherNames = append(list.OtherNames, api.OtherName{Name: fmt.Sprint("ns/", i), Of: fmt.Sprint("h/", i)})
	}
	fakeNode(t, func(int, request) any { return list })
	said := "Other names like that: ns/0 (of h/0), ns/1 (of h/1), ns/2 (of h/2), ns/3 (of h/3), ns/4 (of h/4) and 2 more\n"
	if r := run(t, "repo", "ls", "ns/").want(t, exitOK); r.out != "" || r.err != said {
		t.Errorf("%q, %q", r.out, r.err)
	}
	list.Repos = []api.Repo{row("ns/own", "ready")}
	if r := run(t, "repo", "ls", "ns/").want(t, exitOK); !strings.Contains(r.out, "ns/own") || r.err != said {
		t.Errorf("%q, %q", r.out, r.err)
	}
	if r := run(t, "repo", "ls", "ns/", "-q").want(t, exitOK); r.out != "ns/own\n" || r.err != "" {
		t.Errorf("%q, %q", r.out, r.err)
	}
}

func TestAPausedSourceIsSaidToBe(t *testing.T) {
	fakeNode(t, func(_ int, r request) any { return &api.Source{Name: "kernel", State: api.SourcePaused} })
	contains(t, "stderr", run(t, "source", "sync", "kernel").want(t, exitOK).err, "It is paused", "gitmirror source resume kernel")
	fakeNode(t, func(_ int, r request) any {
		return &api.Source{Name: "kernel", State: api.SourcePaused, Hold: &api.SourceHold{Digest: "x", Lost: 9, First: []string{"a"}}}
	})
	contains(t, "stderr", run(t, "source", "approve", "kernel", "--yes").want(t, exitOK).err, "It is paused: nothing goes until it is resumed: gitmirror source resume kernel")
}
