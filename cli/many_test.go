package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"gitmirror/api"
)

// each answers a request about many repositories.
func each(r request, answer func(name string) api.RepoResult) api.RepoResults {
	var names api.RepoNames
	if err := json.Unmarshal([]byte(r.body), &names); err != nil {
		var set api.SetRepos
		_ = json.Unmarshal([]byte(r.body), &set)
		names.Repos = nil
		for _, one := range set.Repos {
			names.Repos = append(names.Repos, one.Repo)
		}
	}
	var out api.RepoResults
	for _, name := range names.Repos {
		one := answer(name)
		one.Name = name
		out.Results = append(out.Results, one)
	}
	return out
}

func numbered(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("h/%04d", i))
	}
	return names
}

// Many names go in few requests, and what a request could not do is not tried with the rest.
func TestManyNamesGoInBatches(t *testing.T) {
	f := fakeNode(t, func(n int, r request) any { return each(r, func(string) api.RepoResult { return api.RepoResult{} }) })
	names := numbered(3000)
	r := run(t, append([]string{"repo", "rm", "--yes"}, names...)...).want(t, exitOK)
	if n := strings.Count(r.out, "Removed h/"); n != 3000 {
		t.Errorf("%d are told of", n)
	}
	asked := f.requests()
	if len(asked) != 3000/atOnce {
		t.Errorf("%d requests", len(asked))
	}
	keys := map[string]bool{}
	for _, rq := range asked {
		if keys[rq.key] = true; rq.line != "POST /api/v1/repos:remove" || rq.key == "" {
			t.Errorf("asked %s with the key %q", rq.line, rq.key)
		}
	}
	if len(keys) != len(asked) {
		t.Error("a key stands for two requests")
	}

	r = run(t, append([]string{"repo", "rm"}, names...)...).want(t, exitUsage)
	contains(t, "stderr", r.err, "Remove 3,000 repositories and all their copies: h/0000 h/0001", "2,980 more", "--yes")
	if len(f.requests()) != len(asked) {
		t.Error("without --yes a node is asked about each")
	}
}

func TestABatchThatFailsIsTheLast(t *testing.T) {
	down := 2
	f := fakeNode(t, func(n int, r request) any {
		if n >= down {
			return problem(http.StatusServiceUnavailable, "no_leader")
		}
		return each(r, func(string) api.RepoResult { return api.RepoResult{} })
	})
	r := run(t, append([]string{"repo", "rm", "--yes"}, numbered(3*atOnce)...)...).want(t, exitPartFailed)
	contains(t, "stderr", r.err, "stopped, from h/0500 on")
	for _, rq := range f.requests()[1:] {
		if !strings.Contains(rq.body, "h/0500") {
			t.Fatal("the rest is tried")
		}
	}
	down = 0
	r = run(t, append([]string{"repo", "pause"}, numbered(3*atOnce)...)...).want(t, exitUnavailable)
	if strings.Contains(r.out, "Paused") || strings.Contains(r.err, "stopped") {
		t.Error("where nothing was done there is no rest: ", r.out, r.err)
	}
}

// Of a batch whose outcome nobody knows each may have been done: it is counted so, and not among
// those that were not tried.
func TestABatchOfWhichNobodyKnows(t *testing.T) {
	fakeNode(t, func(_ int, r request) any {
		if strings.Contains(r.body, "h/0500") {
			return problem(http.StatusServiceUnavailable, "unknown_outcome")
		}
		return each(r, func(name string) api.RepoResult { return api.RepoResult{Repo: &api.Repo{Name: name}} })
	})
	r := run(t, append([]string{"repo", "pause"}, numbered(3*atOnce)...)...).want(t, exitPartFailed)
	contains(t, "output", r.out+r.err, fmt.Sprintf("from h/0500 on (%d may have been done, %d were not tried)", atOnce, atOnce))
}

// What is said of more, or fewer, than was asked about is of nobody knows whom.
func TestABatchThatIsAnsweredOddly(t *testing.T) {
	fakeNode(t, func(_ int, r request) any { return api.RepoResults{Results: make([]api.RepoResult, 1)} })
	r := run(t, "repo", "pause", "a", "b").want(t, exitFailed)
	contains(t, "stderr", r.err, "asked about 2 repositories, the node answered about 1")
}

func TestRepoSetOfMany(t *testing.T) {
	f := fakeNode(t, func(_ int, r request) any {
		is := row("h/a", "ready")
		is.Replicas, is.IntervalMS, is.Labels = 3, 300_000, map[string]string{"team": "core"}
		if strings.HasPrefix(r.line, "PATCH") {
			return is
		}
		return each(r, func(name string) api.RepoResult {
			if name == "gone" {
				return api.RepoResult{Problem: problem(http.StatusNotFound, "not_found")}
			}
			one := is
			one.Name = name
			return api.RepoResult{Repo: &one}
		})
	})
	r := run(t, "repo", "set", "h/a", "--interval", "5m", "--replicas", "3", "--label", "team=core", "--label", "old-").want(t, exitOK)
	contains(t, "stdout", r.out, "h/a: replicas 3, interval 5m, labels team=core")
	if got, want := f.requests()[0].body, `{"replicas":3,"interval":"5m0s","labels":{"old":null,"team":"core"}}`; got != want {
		t.Errorf("asked for %s", got)
	}
	r = run(t, "repo", "set", "h/a", "gone", "--interval", "5m").want(t, exitPartFailed)
	contains(t, "output", r.out+r.err, "h/a: interval 5m", "gone", "1 of 2 repositories were not changed")
	for _, args := range [][]string{{"a", "b", "--name", "c"}, {"a", "b", "--alias", "c"}, {"a", "b", "--url", "https://h/x"}, {"a"}, {"a", "--label", "x"}, {"a", "--label", "=x"},
		{"a", "--name", ""}, {"a", "--alias", " "}, {"a", "--replicas", "0"}, {"a", "--interval", "1ms"}} {
		run(t, append([]string{"repo", "set"}, args...)...).want(t, exitUsage)
	}
	run(t, "repo", "set", "a", "--name", "b", "--alias", "none", "--url", "https://h/x", "--url", "https://h/y").want(t, exitOK)
	asked := f.requests()
	if got, want := asked[len(asked)-1].body, `{"name":"b","aliases":[],"urls":["https://h/x","https://h/y"]}`; got != want {
		t.Errorf("asked for %s", got)
	}
	run(t, "repo", "pause", "a").want(t, exitOK)
	run(t, "repo", "resume", "a", "b").want(t, exitOK)
	asked = f.requests()
	if got := []string{asked[len(asked)-2].body, asked[len(asked)-1].body}; !slices.Equal(got, []string{`{"paused":true}`, `{"repos":[{"repo":"a","paused":false},{"repo":"b","paused":false}]}`}) {
		t.Errorf("asked for %s", got)
	}
}

// thereIs answers as a node that mirrors h/a, with an interval of a minute, as h/a and h/old.
func thereIs(r request) any {
	is := row("h/a", "ready")
	is.IntervalMS, is.Replicas, is.Aliases, is.Labels = 60_000, 2, []string{"h/old"}, map[string]string{"team": "core"}
	conflict := problem(http.StatusConflict, "conflict_url")
	conflict.Existing = "h/a"
	switch {
	case strings.HasPrefix(r.line, "GET"):
		return is
	case strings.HasSuffix(r.line, "repos:set"):
		return each(r, func(string) api.RepoResult { return api.RepoResult{Repo: &is} })
	}
	var ask api.AddRepos
	_ = json.Unmarshal([]byte(r.body), &ask)
	if ask.Repos == nil {
		return conflict
	}
	var out api.AddResults
	for _, a := range ask.Repos {
		switch {
		case a.URL == "https://h/a":
			out.Results = append(out.Results, api.AddResult{Problem: conflict, There: &is})
		case strings.Contains(r.line, "dry_run=true"):
			out.Results = append(out.Results, api.AddResult{Would: cmp.Or(a.Name, strings.TrimPrefix(a.URL, "https://"))})
		default:
			added := row(strings.TrimPrefix(a.URL, "https://"), "pending")
			out.Results = append(out.Results, api.AddResult{Repo: &added})
		}
	}
	return out
}

// What is added a second time, as it is, is there.
func TestAddingWhatIsThere(t *testing.T) {
	fakeNode(t, func(_ int, r request) any { return thereIs(r) })
	for line, want := range map[string]struct {
		code int
		text string
	}{
		"https://h/a":                                       {exitOK, "Already there: h/a: owner n2"},
		"https://h/a --name h/a":                            {exitOK, "Already there"},
		"https://h/a --name H/OLD":                          {exitOK, "Already there"},
		"https://h/a --interval 60s --label team=core":      {exitOK, "Already there"},
		"https://h/a --interval 5m --replicas 2":            {exitConflict, "interval 1m -> 5m"},
		"https://h/a --interval 5m --label team=x":          {exitConflict, "gitmirror repo set h/a --interval 5m --label 'team=x'"},
		"https://h/a --name other":                          {exitConflict, ""},
		"https://h/a https://h/b":                           {exitOK, "Already there: h/a"},
		"https://h/a https://h/b --interval 5m":             {exitPartFailed, "h/a is mirrored already, with other settings"},
		"https://h/a https://h/b --label team=core -o json": {exitOK, `"name": "h/a"`},
	} {
		r := run(t, append([]string{"repo", "add"}, strings.Fields(line)...)...).want(t, want.code)
		contains(t, line, r.out+r.err, want.text)
	}
}

// many are lines of a list.
func many(n int) (list string) {
	for i := range n {
		list += fmt.Sprintf("https://many/%d\n", i)
	}
	return list
}

func TestImportingWhatIsThere(t *testing.T) {
	f := fakeNode(t, func(_ int, r request) any { return thereIs(r) })
	wrote := func() (list []string) {
		for _, rq := range f.requests() {
			if !strings.HasPrefix(rq.line, "GET") && !strings.Contains(rq.line, "dry_run") {
				list = append(list, rq.line+" "+rq.body)
			}
		}
		return list
	}
	const list = "https://h/a\nhttps://h/b\nhttps://h/a h/old\n"
	r := runWith(t, list, "repo", "import", "-").want(t, exitOK)
	contains(t, "stdout", r.out, "Added 1, mirrored already 2, refused 0")
	r = runWith(t, list, "repo", "import", "-", "--interval", "5m").want(t, exitOK)
	contains(t, "stdout", r.out, "Added 1, mirrored already 2 (2 with other settings: --update changes them), refused 0")
	n := len(wrote())
	r = runWith(t, list, "repo", "import", "-", "--interval", "5m", "--update", "--dry-run").want(t, exitOK)
	contains(t, "stdout", r.out, "would change h/a: interval 1m -> 5m", "would add h/b", "Would add 1, changed 1, mirrored already 1, refused 0")
	if strings.Count(r.out, "would change h/a") != 1 {
		t.Errorf("it would be changed twice:\n%s", r.out)
	}
	r = runWith(t, list, "repo", "import", "-", "--dry-run", "-o", "json").want(t, exitOK)
	contains(t, "stdout", r.out, `"dry_run": true`, `"would": "h/b"`, `"there": 2`)
	if len(wrote()) != n {
		t.Errorf("a dry run writes: %v", wrote()[n:])
	}
	r = runWith(t, list, "repo", "import", "-", "--interval", "5m", "--update").want(t, exitOK)
	contains(t, "stdout", r.out, "Added 1, changed 1, mirrored already 1, refused 0")
	all := wrote()
	if got, want := all[len(all)-1], `POST /api/v1/repos:set {"repos":[{"repo":"h/a","interval":"5m0s"}]}`; got != want {
		t.Errorf("asked for %s", got)
	}
	// A name that it does not have is a difference as well, where differences are to go.
	runWith(t, "https://h/a other\n", "repo", "import", "-").want(t, exitUsage)
	r = runWith(t, "https://h/a other\n", "repo", "import", "-", "--update", "-n").want(t, exitOK)
	contains(t, "stdout", r.out, "would change h/a: name h/a -> other")
	// Each line is judged after those before it, in whatever call they are.
	r = runWith(t, "https://h/a other\nhttps://h/a h/a\nhttps://h/a other\n", "repo", "import", "-", "--update", "-n").want(t, exitOK)
	contains(t, "stdout", r.out, "would change h/a: name h/a -> other", "Would add 0, changed 1, mirrored already 2, refused 0")
	far := "https://h/b\nhttps://h/e clash\n" + many(importBatch) + "https://h/b\nhttps://h/B.git\nhttps://h/b elsewhere\nhttps://h/c clash\nhttps://h/a clash\nhttps://h/c elsewhere\n"
	r = runWith(t, far, "repo", "import", "-", "--update", "-n").want(t, exitPartFailed)
	contains(t, "stdout", r.out, "would change h/b: name h/b -> elsewhere", fmt.Sprintf("Would add %d, changed 1, mirrored already 2, refused 3", importBatch+2))
	contains(t, "stderr", r.err, "a line before it asks for the name clash", "a line before it asks for the name elsewhere", "the name clash is taken", "give another name in that line")
	r = runWith(t, "https://h/b\n"+many(importBatch)+"https://h/b elsewhere\n", "repo", "import", "-", "-n").want(t, exitPartFailed)
	contains(t, "stderr", r.err, "a line before it asks for this upstream, as h/b")
	// As a node answers where both are of one call.
	twice := problem(http.StatusConflict, "conflict_url")
	one := importResult{URL: "https://h/f", Would: "h/f"}
	two := importResult{URL: "https://h/f", Problem: twice, name: "x"}
	plan := newImportPlan()
	plan.add(&one, one.URL, true)
	plan.add(&two, two.URL, true)
	if !two.Changed || two.Problem != nil || two.was.Name != "h/f" {
		t.Errorf("%+v", two)
	}
	r = runWith(t, "https://h/a other\n", "repo", "import", "-", "--update").want(t, exitOK)
	all = wrote()
	if got, want := all[len(all)-1], `POST /api/v1/repos:set {"repos":[{"repo":"h/a","name":"other"}]}`; got != want {
		t.Errorf("asked for %s", got)
	}
}

// What is paused is left alone where all are looked at, and looked at once by its name.
func TestSyncAndWhatIsPaused(t *testing.T) {
	f := fakeNode(t, func(_ int, r request) any {
		paused := row("still", "paused")
		paused.Paused = true
		switch {
		case strings.HasPrefix(r.line, "GET"):
			return api.RepoList{Repos: []api.Repo{row("a", "ready"), paused, row("b", "ready")}}
		case strings.HasSuffix(r.line, "repos:sync"):
			return each(r, func(name string) api.RepoResult {
				return api.RepoResult{Sync: &api.SyncOutcome{Outcome: api.SyncAccepted, Paused: name == "still"}}
			})
		}
		return api.SyncOutcome{Outcome: api.SyncUnchanged, Generation: 4, Paused: true}
	})
	r := run(t, "repo", "sync", "--all").want(t, exitOK)
	contains(t, "output", r.out+r.err, "a: will be looked at now", "b: will be looked at now", "1 paused, and left alone")
	asked := f.requests()
	if got := asked[len(asked)-1].body; got != `{"repos":["a","b"]}` {
		t.Errorf("asked for %s", got)
	}
	r = run(t, "repo", "sync", "still", "--wait").want(t, exitOK)
	contains(t, "stdout", r.out, "still: unchanged, generation 4; it is paused, and not looked at again by itself")
	r = run(t, "repo", "sync", "still", "a").want(t, exitOK)
	contains(t, "stdout", r.out, "still: will be looked at now; it is paused", "a: will be looked at now\n")
}

// What sources call a repository stays, and that is said.
func TestNamesThatSourcesGive(t *testing.T) {
	fakeNode(t, func(_ int, r request) any {
		is := row("https://h/a", "ok")
		is.Name, is.Aliases = "a", []string{"upstream/a", "Other"}
		return is
	})
	r := run(t, "repo", "set", "a", "--alias", "other").want(t, exitOK)
	contains(t, "stderr", r.err, "It is called upstream/a too: sources", "repo show a")
	if r := run(t, "repo", "set", "a", "--interval", "1h").want(t, exitOK); strings.Contains(r.err, "sources") {
		t.Error(r.err)
	}
}
