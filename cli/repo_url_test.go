package cli

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitmirror/api"
)

// With the lines that are printed git asks the mirror where it would ask upstream, and still
// pushes there.
func TestTheAddressOfAMirror(t *testing.T) {
	f := fakeNode(t, func(int, request) any {
		r := row("h/a", "ready")
		r.URLs = []string{"https://h/a", "https://far.example/b.git"}
		return r
	})
	url := f.URL + "/git/h/a"
	if r := run(t, "repo", "url", "a").want(t, exitOK); r.out != url+"\n" || r.err != "" {
		t.Errorf("%q, %q", r.out, r.err)
	}
	contains(t, "stdout", run(t, "repo", "url", "a", "-o", "json").want(t, exitOK).out, `"url": "`+url+`"`, `"instead_of"`)
	r := run(t, "repo", "url", "a", "--insteadof").want(t, exitOK)
	contains(t, "stderr", r.err, "what begins with https://h/a asks here too")
	dir := t.TempDir()
	config := write(t, filepath.Join(dir, "config"), r.out)
	git := func(args ...string) string {
		cmd := exec.Command("git", args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GIT_CONFIG_GLOBAL="+config, "GIT_CONFIG_SYSTEM=/dev/null")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q", ".")
	for upstream, end := range map[string]string{"https://h/a": "", "https://h/a.git": ".git", "https://far.example/b": "", "https://far.example/b.git": ".git"} {
		git("remote", "add", "u", upstream)
		if got := git("remote", "get-url", "u"); got != url+end {
			t.Errorf("%s is asked for at %s", upstream, got)
		}
		if got := git("remote", "get-url", "--push", "u"); got != upstream {
			t.Errorf("%s is pushed to %s", upstream, got)
		}
		git("remote", "rm", "u")
	}
	fakeNode(t, func(int, request) any { return problem(http.StatusNotFound, "not_found") })
	run(t, "repo", "url", "nowhere").want(t, exitNotFound)
}

func TestTheAddressesOfANamespace(t *testing.T) {
	f := fakeNode(t, func(_ int, r request) any {
		if !strings.HasPrefix(r.line, "GET /api/v1/repos?") {
			return problem(http.StatusNotFound, "not_found")
		}
		one, two := row("upstream/l/a", "ready"), row("upstream/l/b", "ready")
		one.URLs, one.Aliases = []string{"https://h/a"}, []string{"h/a"}
		two.URLs, two.Aliases = []string{"https://H/B"}, []string{"h/B"}
		return &api.RepoList{Repos: []api.Repo{one, two, row("upstreams/c", "ready")}}
	})
	r := run(t, "repo", "url", "upstream/").want(t, exitOK)
	if want := f.URL + "/git/upstream/l/a\n" + f.URL + "/git/upstream/l/b\n"; r.out != want {
		t.Errorf("%q, want %q", r.out, want)
	}
	r = run(t, "repo", "url", "H", "--insteadof").want(t, exitOK)
	contains(t, "stdout", r.out, f.URL+"/git/h/a\"]\n\tinsteadOf = https://h/a", f.URL+"/git/h/B\"]\n\tinsteadOf = https://H/B")
	contains(t, "stderr", r.err, "Lines for 2 repositories")
	r = run(t, "repo", "url", "upstream/", "-o", "json").want(t, exitOK)
	contains(t, "stdout", r.out, `"instead_of"`, `"url"`)
	contains(t, "stderr", run(t, "repo", "url", "none/").want(t, exitNotFound).err, "begins with none/", "gitmirror repo ls")
}

// What git would take for another mirror, as its name begins as one's does, is asked upstream; and what is
// retired is asked there too, and whose mirror serves what another address had.
func TestAddressesThatLookLikeOthers(t *testing.T) {
	f := fakeNode(t, func(_ int, r request) any {
		if !strings.HasPrefix(r.line, "GET /api/v1/repos?") {
			return problem(http.StatusNotFound, "not_found")
		}
		one, two, gone := row("io/tool", "ready"), row("io/tool2", "ready"), row("io/gone", "retired")
		one.URLs, two.URLs, gone.URLs = []string{"https://h/tool.git"}, []string{"https://h/q4"}, []string{"https://h/gone"}
		now := time.Now()
		gone.RetiredAt = &now
		other := row("io/other", "held")
		other.URLs, other.ServesOf = []string{"https://h/other"}, "h/before"
		if strings.Contains(r.line, "/repos/io/other") {
			return &other
		}
		return &api.RepoList{Repos: []api.Repo{two, one, gone, other}}
	})
	r := run(t, "repo", "url", "io/", "--insteadof").want(t, exitOK)
	contains(t, "stderr", r.err, "Lines for 2 repositories", "1 that are retired", "1 that serve what another address had")
	dir := t.TempDir()
	config := write(t, filepath.Join(dir, "config"), r.out)
	for upstream, want := range map[string]string{"https://h/tool": f.URL + "/git/io/tool", "https://h/q4.git": f.URL + "/git/io/tool2.git", "https://h/tool2.git": "https://h/tool2.git", "https://h/gone": "https://h/gone", "https://h/other": "https://h/other"} {
		cmd := exec.Command("git", "ls-remote", "--get-url", upstream)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GIT_CONFIG_GLOBAL="+config, "GIT_CONFIG_SYSTEM=/dev/null")
		out, err := cmd.Output()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%s is asked for at %s (%v), want %s", upstream, got, err, want)
		}
	}
}
