package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gitmirror/api"
	"gitmirror/internal/forgereplay"
	"gitmirror/internal/testlog"
)

// An account of a forge is followed through what becomes of it, while the node that lists it is killed:
// what is renamed keeps its mirror, what the forge does not tell is not taken away, and who has the token
// lists.
func TestAForgeIsFollowed(t *testing.T) {
	t.Parallel()
	const token = "ghp_CANARYe2e"
	up, account := newForge(t), forgereplay.New("github")
	account.Page = 3
	account.WantToken(token)
	at := httptest.NewServer(account)
	t.Cleanup(at.Close)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := &cluster{t: t}
	f.flags = []string{"--source-token", "acme@" + strings.TrimPrefix(at.URL, "http://") + "=" + file}
	f.join("n1")
	f.join("n2")
	f.flags = []string{"--source-token", "acme@" + strings.TrimPrefix(at.URL, "http://") + "=" + file + ".missing"}
	f.join("n3")
	f.flags = nil
	f.settled(3)
	n3 := f.node("n3") // which has no token: its file is missing, for which it starts all the same

	repos := map[int64]forgereplay.Repo{}
	set := func(id int64, name string) {
		repos[id] = forgereplay.Repo{ID: id, Owner: "acme", Name: name, Clone: up.URL(name)}
	}
	tell := func() {
		t.Helper()
		var list []forgereplay.Repo
		for id := range int64(20) {
			if r, there := repos[id]; there {
				list = append(list, r)
			}
		}
		account.Organisation("acme", list...)
		testlog.Eventually(t, "the forge to be asked for", func() bool {
			_, _, code := n3.command("source", "sync", "acme")
			return code == 0
		})
	}
	for i := range int64(8) {
		name := fmt.Sprint("svc-", i)
		up.sample(name)
		set(i+1, name)
	}
	repos[9] = forgereplay.Repo{ID: 9, Owner: "acme", Name: "fork", Clone: up.URL("fork"), Fork: true}
	account.Organisation("acme")
	if out, stderr, code := n3.command("source", "add", "github", "acme", "--base-url", at.URL, "--skip-forks", "--skip-archived", "--template", "team/{name}"); code != 0 {
		t.Fatalf("source add: %d %s %s", code, out, stderr)
	}
	tell()
	f.listed("acme", "listed", func(s *api.Source) bool {
		return s.State == api.SourceListed && s.Claims == 8 && s.Listing.Skipped == 1 && slices.Equal(s.Credentials, []string{"n1", "n2"}) && strings.Contains(s.Unusable["n3"], "no such file") && s.Owner != "n3" && s.Next != nil
	})
	for i := range 8 {
		n3.await(fmt.Sprint("team/svc-", i), "ready", func(r *api.Repo) bool { return r.State == api.StateReady })
	}
	id := n3.await("team/svc-1", "ready", func(r *api.Repo) bool { return r.State == api.StateReady }).ID

	// One is renamed, and another gets its name; one is archived, and one deleted.
	if err := os.Rename(filepath.Join(up.Root, "svc-1"), filepath.Join(up.Root, "svc-uno")); err != nil {
		t.Fatal(err)
	}
	up.sample("svc-1")
	set(2, "svc-uno")
	set(10, "svc-1")
	archived := repos[4]
	archived.Archived = true
	repos[4] = archived
	delete(repos, 5)
	tell()
	f.listed("acme", "listed again", func(s *api.Source) bool {
		return s.State == api.SourceListed && s.Claims == 7 && s.Listing.FlawsTotal == 0
	})
	row := n3.await("team/svc-uno", "kept", func(r *api.Repo) bool { return r.ID == id })
	if row.URLs[0] != up.URL("svc-uno") || up.clones("svc-uno") != 0 {
		t.Errorf("%+v, cloned %d times", row, up.clones("svc-uno"))
	}
	if other := n3.await("team/svc-1", "ready", func(r *api.Repo) bool { return r.State == api.StateReady }); other.ID == id {
		t.Error("the new one has the mirror of the old one")
	}
	archive := n3.await("team/svc-3", "retired", func(r *api.Repo) bool { return r.State == api.StateRetired }).ID
	n3.clone("team/svc-uno")

	// A forge that breaks in the middle of its pages, or lets itself be asked no more, changes nothing.
	account.Fault(func(_ int, r *http.Request) http.HandlerFunc {
		if r.URL.Query().Get("page") == "2" {
			return forgereplay.Answer(http.StatusBadGateway, "away")
		}
		return nil
	})
	tell()
	f.listed("acme", "failing", func(s *api.Source) bool {
		return s.State == api.SourceFailing && strings.Contains(s.Reason, "502") && s.Claims == 7
	})
	account.Fault(func(int, *http.Request) http.HandlerFunc {
		return forgereplay.Answer(http.StatusTooManyRequests, "slow down", "Retry-After", "2")
	})
	tell()
	f.listed("acme", "waiting for a limit", func(s *api.Source) bool {
		return s.State == api.SourceWaiting && strings.Contains(s.Reason, "until ") && s.Claims == 7
	})
	account.Fault(nil)
	f.listed("acme", "listed when the limit is over", func(s *api.Source) bool { return s.State == api.SourceListed && s.Claims == 7 })

	// Who lists it is killed: the other that has the token goes on, and nobody else.
	src, err := n3.client.Source(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	f.node(src.Owner).Kill()
	up.sample("svc-late")
	set(11, "svc-late")
	if err := os.Rename(filepath.Join(up.Root, "svc-3"), filepath.Join(up.Root, "svc-drei")); err != nil { // which is wanted again
		t.Fatal(err)
	}
	set(4, "svc-drei")
	tell()
	f.listed("acme", "listed by another", func(s *api.Source) bool {
		return s.State == api.SourceListed && s.Claims == 9 && s.Owner != src.Owner && s.Owner != "n3"
	})
	n3.await("team/svc-late", "ready", func(r *api.Repo) bool { return r.Generation > 0 })
	n3.await("team/svc-drei", "what was archived and renamed since, with its copies", func(r *api.Repo) bool {
		return r.ID == archive && r.ServesOf == "" && r.URLs[0] == up.URL("svc-drei")
	})
	if n := up.clones("svc-drei"); n != 0 {
		t.Errorf("what has another name is cloned %d times", n)
	}

	// What is gone all at once waits for a person.
	clear(repos)
	tell()
	f.listed("acme", "held", func(s *api.Source) bool { return s.State == api.SourceHeld && s.Hold.Lost == 9 && s.Claims == 9 })
	if out, _, _ := n3.command("source", "show", "acme"); !strings.Contains(out, "acme/svc-late") || strings.Contains(out, token) {
		t.Errorf("source show:\n%s", out)
	}
	if out, stderr, code := n3.command("source", "approve", "acme", "--yes"); code != 0 {
		t.Errorf("source approve: %d %s %s", code, out, stderr)
	}
	f.listed("acme", "followed", func(s *api.Source) bool { return s.State == api.SourceListed && s.Claims == 0 && s.Hold == nil })
	n3.clone("team/svc-uno")

	// The token is in no request but the forge's own, and in no log.
	for _, r := range account.Requests() {
		if r.Token != token {
			t.Errorf("asked without the token: %+v", r)
		}
	}
	for _, p := range f.nodes {
		if log, err := os.ReadFile(p.Log); err != nil || strings.Contains(string(log), token) {
			t.Errorf("%s: the token is in the log, or there is none: %v", p.Name, err)
		}
	}
}

// An import of a forge's account is what the command line asks of it, and nodes are told addresses alone.
func TestAForgeIsImported(t *testing.T) {
	t.Parallel()
	f, up, account := newCluster(t, 1), newForge(t), forgereplay.New("gitlab")
	server := httptest.NewServer(account)
	t.Cleanup(server.Close)
	up.sample("one")
	account.Organisation("acme/tools", forgereplay.Repo{ID: 1, Owner: "acme/tools/git", Name: "one", Clone: up.URL("one")}, forgereplay.Repo{ID: 2, Owner: "acme/tools", Name: "two", Clone: up.URL("two"), Archived: true})
	args := []string{"import", "gitlab", "acme/tools", "--base-url", server.URL, "--skip-archived", "--template", "{owner}/{name}"}
	out, stderr, code := f.nodes[0].command(append(args, "--dry-run")...)
	if code != 0 || !strings.Contains(out, "Would add 1 of 2") || !strings.Contains(out, "archived") {
		t.Errorf("%d %s %s", code, out, stderr)
	}
	if out, stderr, code = f.nodes[0].command(args...); code != 0 || !strings.Contains(out, "Added 1") {
		t.Errorf("%d %s %s", code, out, stderr)
	}
	f.nodes[0].await("acme/tools/git/one", "cloned", func(r *api.Repo) bool { return r.Generation > 0 })
	if out, stderr, code = f.nodes[0].command(args...); code != 0 || !strings.Contains(out, "mirrored already 1") {
		t.Errorf("%d %s %s", code, out, stderr)
	}
}
