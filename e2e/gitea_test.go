//go:build gitea

package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/internal/testlog"
)

var (
	giteaBinary = flag.String("gitea", "", "the program of Gitea, which just forge builds")
	giteaRoot   = flag.String("gitea.root", "", "the directory of its templates and options")
	giteaRepos  = flag.Int("gitea.repos", 300, "how many repositories its organisation has")
)

// gitea is a real one, with SQLite.
type gitea struct {
	t    *testing.T
	url  string
	work string
	run  func(args ...string) *exec.Cmd
	// token is its administrator's.
	token string
}

// nobody is who it runs as: it refuses to be root.
const nobody = "65534"

func newGitea(t *testing.T) *gitea {
	t.Helper()
	if *giteaBinary == "" || *giteaRoot == "" {
		t.Fatal("-gitea and -gitea.root are not given: just forge gives them")
	}
	work, err := os.MkdirTemp("", "gitmirror-gitea-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(work) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	g := &gitea{t: t, url: "http://127.0.0.1:" + port, work: work}
	ini := filepath.Join(work, "app.ini")
	settings := fmt.Sprintf(`RUN_MODE = prod
RUN_USER = nobody
[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = %s
ROOT_URL = %s/
STATIC_ROOT_PATH = %s
DISABLE_SSH = true
[database]
DB_TYPE = sqlite3
PATH = %s/gitea.db
[security]
INSTALL_LOCK = true
PASSWORD_HASH_ALGO = pbkdf2_v1
[api]
MAX_RESPONSE_ITEMS = 50
DEFAULT_PAGING_NUM = 50
[repository]
ROOT = %s/repos
[log]
LEVEL = Error
[indexer]
ISSUE_INDEXER_TYPE = db
`, port, g.url, *giteaRoot, work, work)
	if err := os.WriteFile(ini, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		for _, path := range []string{work, ini} {
			if out, err := exec.Command("chown", nobody+":"+nobody, path).CombinedOutput(); err != nil {
				t.Fatalf("%v %s", err, out)
			}
		}
	}
	g.run = func(args ...string) *exec.Cmd {
		args = append([]string{*giteaBinary}, append(args, "--work-path", work, "--config", ini)...)
		if os.Getuid() == 0 {
			args = append([]string{"setpriv", "--reuid=" + nobody, "--regid=" + nobody, "--clear-groups"}, args...)
		}
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "HOME="+work, "USER=nobody", "GITEA_WORK_DIR="+work)
		cmd.Dir = work
		return cmd
	}
	for _, args := range [][]string{{"migrate"}, {"admin", "user", "create", "--admin", "--username", "boss", "--password", "c0rrect-horse", "--email", "boss@example.org", "--must-change-password=false", "--access-token"}} {
		out, err := g.run(args...).CombinedOutput()
		if err != nil {
			t.Fatalf("gitea %s: %v\n%s", args, err, out)
		}
		if _, token, ok := strings.Cut(string(out), "successfully created... "); ok {
			g.token, _, _ = strings.Cut(token, "\n")
			g.token = strings.TrimSpace(g.token)
		}
	}
	web := g.run("web")
	log, err := os.Create(filepath.Join(t.TempDir(), "gitea.log"))
	if err != nil {
		t.Fatal(err)
	}
	web.Stdout, web.Stderr = log, log
	if err := spawner.Start(web); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = web.Process.Kill()
		_ = web.Wait()
		if said, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("Gitea says:\n%s", said)
		}
	})
	testlog.EventuallyIn(t, 2*time.Minute, "Gitea to answer", func() bool {
		resp, err := http.Get(g.url + "/api/v1/version")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return g
}

// ask has it do something by its API.
func (g *gitea) ask(method, path string, body any) {
	g.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		g.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(g.t.Context(), method, g.url+"/api/v1"+path, bytes.NewReader(data))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Authorization", "token "+g.token)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		g.t.Fatalf("%s %s: %s %s", method, path, resp.Status, said)
	}
}

// rows are all there are, by the path that the forge has for them: what their first url ends with.
func (g *gitea) rows(p *proc) map[string]*api.Repo {
	g.t.Helper()
	found := map[string]*api.Repo{}
	for cursor := ""; ; {
		list, err := p.client.Repos(g.t.Context(), api.Query{Limit: 1000, Cursor: cursor})
		if err != nil {
			g.t.Fatal(err)
		}
		for _, r := range list.Repos {
			path := strings.TrimSuffix(strings.TrimPrefix(r.URLs[0], g.url+"/"), ".git")
			if r.State != api.StateRetired && found[path] != nil && found[path].State != api.StateRetired {
				g.t.Errorf("%s is mirrored twice: %s and %s", path, found[path].Name, r.Name)
			}
			if found[path] == nil || r.State != api.StateRetired {
				found[path] = &r
			}
		}
		if cursor = list.NextCursor; cursor == "" {
			return found
		}
	}
}

// A real Gitea is followed: an organisation of some hundreds, fifty to a page, of which some are renamed,
// transferred to another account, archived, made private and deleted; then too many at once.
func TestAGitea(t *testing.T) {
	g := newGitea(t)
	for _, org := range []string{"acme", "beta"} {
		g.ask(http.MethodPost, "/orgs", map[string]any{"username": org})
	}
	for i := range *giteaRepos {
		g.ask(http.MethodPost, "/orgs/acme/repos", map[string]any{"name": fmt.Sprintf("r%03d", i), "auto_init": true, "default_branch": "main"})
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(g.token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := &cluster{t: t}
	host := strings.TrimPrefix(g.url, "http://")
	f.flags = []string{"--source-token", "acme@" + host + "=" + file, "--source-token", "beta@" + host + "=" + file}
	f.grow(3)
	p := f.nodes[0]
	do := func(args ...string) string {
		t.Helper()
		out, stderr, code := p.command(args...)
		if code != 0 {
			t.Fatalf("%s: %d %s %s", args, code, out, stderr)
		}
		return out
	}
	began := time.Now()
	for _, org := range []string{"acme", "beta"} {
		do("source", "add", "gitea", org, "--base-url", g.url, "--skip-archived", "--visibility", "public", "--template", "{owner}/{name}")
	}
	f.listed("acme", "listed", func(s *api.Source) bool { return s.State == api.SourceListed && s.Claims == *giteaRepos })
	t.Logf("%d repositories were listed after %s", *giteaRepos, time.Since(began).Round(time.Second/10))
	testlog.EventuallyIn(t, 10*time.Minute, "all to be cloned", func() bool {
		rows := g.rows(p)
		return len(rows) == *giteaRepos && !slices.ContainsFunc(slices.Collect(maps.Values(rows)), func(r *api.Repo) bool { return r.State != api.StateReady })
	})
	t.Logf("and cloned after %s", time.Since(began).Round(time.Second/10))
	t.Log(do("source", "show", "acme"))
	before := g.rows(p)

	// As people do: few at a time. Beta is listed first, so that what came to it is its before acme has lost it.
	repo := func(i int) string { return fmt.Sprintf("/repos/acme/r%03d", i) }
	for i := range 5 {
		g.ask(http.MethodPatch, repo(i), map[string]any{"name": fmt.Sprintf("renamed-%d", i)})
	}
	for i := 5; i < 8; i++ {
		g.ask(http.MethodPost, repo(i)+"/transfer", map[string]any{"new_owner": "beta"})
	}
	for i := 8; i < 11; i++ {
		g.ask(http.MethodPatch, repo(i), map[string]any{"archived": true})
	}
	g.ask(http.MethodPatch, repo(11), map[string]any{"private": true})
	g.ask(http.MethodDelete, repo(12), nil)
	g.ask(http.MethodPost, "/orgs/acme/repos", map[string]any{"name": "r000", "auto_init": true, "default_branch": "main"}) // in the place of one that was renamed
	do("source", "sync", "beta")
	f.listed("beta", "listed", func(s *api.Source) bool { return s.State == api.SourceListed && s.Claims == 3 })
	do("source", "sync", "acme")
	left := *giteaRepos - 3 - 3 - 1 - 1 + 1
	f.listed("acme", "followed", func(s *api.Source) bool {
		return s.State == api.SourceListed && s.Claims == left && s.Listing.FlawsTotal == 0
	})
	testlog.EventuallyIn(t, 2*time.Minute, "what is new to be cloned", func() bool {
		r := g.rows(p)["acme/r000"]
		return r != nil && r.State == api.StateReady
	})
	after := g.rows(p)
	same := func(was, is, name string) {
		t.Helper()
		old, now := before[was], after[is]
		switch {
		case old == nil || now == nil:
			t.Errorf("%s or %s is not mirrored", was, is)
		case old.ID != now.ID || now.Generation < 1 || now.State != api.StateReady || now.Name != name:
			t.Errorf("%s was %+v, and %s is %+v", was, old, is, now)
		}
	}
	for i := range 5 {
		same(fmt.Sprintf("acme/r%03d", i), fmt.Sprintf("acme/renamed-%d", i), fmt.Sprintf("acme/renamed-%d", i))
	}
	for i := 5; i < 8; i++ {
		same(fmt.Sprintf("acme/r%03d", i), fmt.Sprintf("beta/r%03d", i), fmt.Sprintf("beta/r%03d", i))
	}
	for i := 8; i < 13; i++ {
		if r := after[fmt.Sprintf("acme/r%03d", i)]; r == nil || r.State != api.StateRetired {
			t.Errorf("r%03d is %+v", i, r)
		}
	}
	if r := after["acme/r000"]; r.ID == before["acme/r000"].ID {
		t.Error("what took the place of a renamed one has its mirror")
	}
	p.clone("acme/renamed-0")
	p.clone("beta/r005")

	// Too many at once are held, and gone when somebody says so.
	gone := *giteaRepos / 5
	for i := 20; i < 20+gone; i++ {
		g.ask(http.MethodDelete, repo(i), nil)
	}
	do("source", "sync", "acme")
	f.listed("acme", "held", func(s *api.Source) bool {
		return s.State == api.SourceHeld && s.Hold != nil && s.Hold.Lost == gone && s.Claims == left
	})
	do("source", "approve", "acme", "--yes")
	f.listed("acme", "followed", func(s *api.Source) bool { return s.State == api.SourceListed && s.Claims == left-gone })
	for path, r := range g.rows(p) {
		if r.State != api.StateRetired && r.State != api.StateReady {
			t.Errorf("%s is %s", path, r.State)
		}
	}
	// A Gitea that has gone takes nothing away.
	t.Log(do("source", "show", "acme"))
}
