package cli

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gitmirror/api"
	"gitmirror/internal/forgereplay"
)

// A forge's account is imported once: what is there stays, and what is not wanted is told.
func TestImportOfAForge(t *testing.T) {
	const secret = "CANARYtoken"
	f := forgereplay.New("gitea")
	f.WantToken(secret)
	clone := func(name string) string { return "http://127.0.0.9/acme/" + name + ".git" }
	f.Organisation("acme",
		forgereplay.Repo{ID: 1, Owner: "acme", Name: "svc-auth", Clone: clone("svc-auth"), KiB: 12 << 10},
		forgereplay.Repo{ID: 2, Owner: "acme", Name: "svc-old", Clone: clone("svc-old"), KiB: 3 << 10, Archived: true},
		forgereplay.Repo{ID: 3, Owner: "acme", Name: "svc-pay", Clone: clone("svc-pay"), KiB: 44 << 10},
		forgereplay.Repo{ID: 4, Owner: "acme", Name: "-svc", Clone: clone("-svc")},
		forgereplay.Repo{ID: 5, Owner: "acme", Name: "secret", Clone: clone("secret"), Visibility: "private"})
	at := httptest.NewServer(f)
	t.Cleanup(at.Close)
	t.Setenv("GITEA_TOKEN", secret)
	t.Setenv("GITEA_HOST", strings.TrimPrefix(at.URL, "http://"))
	node := fakeNode(t, func(_ int, r request) any {
		if strings.HasPrefix(r.line, "GET /api/v1/status") || strings.HasPrefix(r.line, "GET /api/v1/cluster") {
			return api.Status{}
		}
		var ask api.AddRepos
		if err := json.Unmarshal([]byte(r.body), &ask); err != nil {
			t.Errorf("%s: %v", r.line, err)
		}
		var out api.AddResults
		for _, a := range ask.Repos {
			repo := row(a.URL, "pending")
			repo.Name = a.Name
			switch {
			case strings.Contains(a.URL, "pay"):
				out.Results = append(out.Results, api.AddResult{Problem: &api.Problem{Status: 409, Code: "conflict_url", Detail: "taken", Existing: "other/pay"}, There: &repo})
			case strings.Contains(r.line, "dry_run"):
				out.Results = append(out.Results, api.AddResult{Would: "team/svc-auth"})
			default:
				out.Results = append(out.Results, api.AddResult{Repo: &repo})
			}
		}
		return out
	})
	args := []string{"import", "gitea", "acme", "--base-url", at.URL, "--skip-archived", "--template", "team/{name}"}

	r := run(t, append(args, "--dry-run")...).want(t, exitPartFailed)
	want := `REPOSITORY        SIZE  ACTION  REASON
acme/-svc            -  error   "team/-svc" cannot be a name: a part starts with -
acme/secret          -  skip    private
acme/svc-auth   12 MiB  add
acme/svc-old   3.0 MiB  skip    archived
acme/svc-pay    44 MiB  exists  as other/pay
Would add 1 of 5 (12 MiB). Run again without --dry-run.
`
	if r.out != want {
		t.Errorf("%s\nwant\n%s", r.out, want)
	}
	contains(t, "stderr", r.err, "Error: 1 of 3 repositories were not accepted", "this was a trial, and changed nothing")
	tried := run(t, append([]string{"source", "add"}, append(args[1:], "--dry-run")...)...).want(t, exitPartFailed)
	if tried.out != want {
		t.Errorf("%s\nwant\n%s", tried.out, want)
	}
	for _, rq := range node.requests() {
		if strings.HasPrefix(rq.line, "POST") && !strings.Contains(rq.line, "dry_run=true") {
			t.Errorf("a dry run asks for %s", rq.line)
		}
	}
	r = run(t, args...).want(t, exitPartFailed)
	contains(t, "stdout", r.out, "Added 1 (12 MiB), mirrored already 1, skipped 2, refused 1")
	contains(t, "stderr", r.err, "Error: acme/-svc: ", "--template", "1 of 3 repositories were not added")
	r = run(t, append(args, "--exclude", "^-", "-o", "json")...).want(t, exitOK)
	var body struct {
		Results               []forgeResult
		Added, There, Skipped int
	}
	if err := json.Unmarshal([]byte(r.out), &body); err != nil || body.Added != 1 || body.There != 1 || body.Skipped != 3 || body.Results[2].Name != "team/svc-auth" || body.Results[2].Action != "added" {
		t.Errorf("%v: %s", err, r.out)
	}
	if rest := node.requests(); strings.Contains(rest[len(rest)-1].body, secret) || strings.Contains(r.out+r.err, secret) {
		t.Error("the token is told")
	}

	t.Setenv("GITEA_TOKEN", "another")
	r = run(t, args...).want(t, exitForbidden)
	contains(t, "stderr", r.err, "nothing is imported", "401", "Try:   look whether the token is still valid")
	t.Setenv("GITEA_TOKEN", secret)
	f.Quota(0, 4e9)
	r = run(t, args...).want(t, exitFailed)
	contains(t, "stderr", r.err, "rate limit", "Cause: it may be asked again at")
	f.Quota(-1, 0)
	f.Remove("acme")
	run(t, args...).want(t, exitNotFound)
	for _, bad := range []string{"import gitbucket acme", "import github a/b", "import github acme --match (", "import github acme --template x", "import github acme --visibility some", "import github acme --max-repo-size much",
		"import github acme --base-url ghe.example", "import github acme --clone-over ssh", "import github acme --base-url https://u:" + secret + "@h"} {
		if r := run(t, strings.Fields(bad)...).want(t, exitUsage); strings.Contains(r.err, secret) {
			t.Errorf("%s: %s", bad, r.err)
		}
	}
}

// Of two that have one URL the first is imported, and the other one is told to have its URL, in a trial too.
func TestAnImportOfOneURLTwice(t *testing.T) {
	f := forgereplay.New("gitea")
	f.Organisation("im", forgereplay.Repo{ID: 1, Owner: "im", Name: "ok", Clone: "http://127.0.0.9/im/ok.git"}, forgereplay.Repo{ID: 2, Owner: "im", Name: "twice", Clone: "http://127.0.0.9/im/ok"})
	at := httptest.NewServer(f)
	t.Cleanup(at.Close)
	fakeNode(t, func(_ int, r request) any {
		if !strings.HasPrefix(r.line, "POST") {
			return api.Status{}
		}
		if strings.Contains(r.body, "twice") || strings.Count(r.body, "im/ok") != 1 {
			t.Errorf("%s asks for %s", r.line, r.body)
		}
		if strings.Contains(r.line, "dry_run") {
			return api.AddResults{Results: []api.AddResult{{Would: "127.0.0.9/im/ok"}}}
		}
		repo := row("127.0.0.9/im/ok", "pending")
		return api.AddResults{Results: []api.AddResult{{Repo: &repo}}}
	})
	for dry, want := range map[string]string{"--dry-run": "im/twice       -  skip    the same URL as im/ok\n", "--dry-run=false": "Added 1, skipped 1, refused 0"} {
		contains(t, "stdout", run(t, "import", "gitea", "im", "--base-url", at.URL, dry).want(t, exitOK).out, want)
	}
}

func TestWhoGetsWhichToken(t *testing.T) {
	for name := range map[string]string{"GITHUB_TOKEN": "", "GH_ENTERPRISE_TOKEN": "", "GITLAB_TOKEN": "", "GITEA_TOKEN": "", "GITEE_TOKEN": ""} {
		t.Setenv(name, name)
	}
	t.Setenv("GH_HOST", "ghe.example")
	t.Setenv("GITLAB_HOST", "https://git.example/")
	t.Setenv("GITEA_HOST", "git.example:3000")
	t.Setenv("GITEE_HOST", "")
	for _, tt := range []struct{ kind, base, want string }{
		{"github", "", "GITHUB_TOKEN"}, {"github", "https://api.github.com", "GITHUB_TOKEN"}, {"github", "https://ghe.example", "GH_ENTERPRISE_TOKEN"}, {"github", "https://evil.example", ""}, {"github", "http://ghe.example", ""}, {"gitlab", "", "GITLAB_TOKEN"},
		{"gitlab", "https://git.example", "GITLAB_TOKEN"}, {"gitlab", "https://evil.example", ""}, {"gitea", "https://git.example:3000", "GITEA_TOKEN"}, {"gitea", "https://git.example", ""}, {"gitee", "https://evil.example", ""}, {"gitea", "", "GITEA_TOKEN"}, {"gitee", "", "GITEE_TOKEN"},
	} {
		a, err := account(tt.kind, "acme", tt.base)
		if err != nil || tokenOf(a) != tt.want {
			t.Errorf("%+v: %q, %v", tt, tokenOf(a), err)
		}
	}
}

// A forge that tells nothing in the time that somebody gives it is named, and nothing of the cluster is blamed.
func TestAnImportThatTakesTooLong(t *testing.T) {
	f := forgereplay.New("gitea")
	f.Fault(func(int, *http.Request) http.HandlerFunc {
		return func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	})
	at := httptest.NewServer(f)
	t.Cleanup(at.Close)
	fakeNode(t, func(int, request) any { return api.Status{} })
	r := run(t, "import", "gitea", "acme", "--base-url", at.URL, "--timeout", "300ms").want(t, exitTimeout)
	contains(t, "stderr", r.err, at.URL+"/acme has not been told within --timeout", "longer --timeout")
	if strings.Contains(r.err, "gitmirror status") {
		t.Error(r.err)
	}
}

// A forge that tells of more than it shows is said to, also where all that it shows is taken up.
func TestAForgeThatShowsLessThanItTellsOf(t *testing.T) {
	f := forgereplay.New("gitea")
	f.Organisation("acme", forgereplay.Repo{ID: 1, Owner: "acme", Name: "one", Clone: "http://127.0.0.9/acme/one.git"})
	at := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		f.ServeHTTP(answer, r)
		maps.Copy(w.Header(), answer.Header())
		w.Header().Set("X-Total-Count", "3")
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	t.Cleanup(at.Close)
	fakeNode(t, func(_ int, r request) any {
		if strings.HasPrefix(r.line, "POST") {
			repo := row("http://127.0.0.9/acme/one", "pending")
			return api.AddResults{Results: []api.AddResult{{Repo: &repo}}}
		}
		return api.Status{}
	})
	r := run(t, "import", "gitea", "acme", "--base-url", at.URL).want(t, exitOK)
	contains(t, "stdout", r.out, "Added 1")
	contains(t, "stderr", r.err, "/acme tells of 3 repositories at least, and shows 1: list it again")
}

// Names of a thousand bytes do not make the table so wide.
func TestNamesThatAreTooWide(t *testing.T) {
	f := forgereplay.New("gitea")
	long := strings.Repeat("x", 950) + "end"
	f.Organisation("acme", forgereplay.Repo{ID: 1, Owner: "acme", Name: long, Clone: "http://127.0.0.9/acme/" + long + ".git"}, forgereplay.Repo{ID: 2, Owner: "acme", Name: "y", Clone: "http://127.0.0.9/acme/y.git", Archived: true})
	at := httptest.NewServer(f)
	t.Cleanup(at.Close)
	fakeNode(t, func(int, request) any { return api.Status{} })
	r := run(t, "import", "gitea", "acme", "--base-url", at.URL, "--skip-archived", "--dry-run").want(t, exitUsage)
	for line := range strings.Lines(r.out) {
		if len([]rune(line)) > 450 {
			t.Errorf("a line has %d letters: %.100s…", len(line), line)
		}
	}
	contains(t, "stdout", r.out, "acme/xxxx", "…", "end ")
}
