package e2e

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

// Upstream takes most of a repository away. It is held, and says so on every node,
// whoever owns it and while upstream is down; a person's word is taken down by any
// node, and is acted on by an owner that was not there when it was given.
func TestTakenAwayHeldApprovedAndRestored(t *testing.T) {
	t.Parallel()
	f, up := newCluster(t, 3), newForge(t)
	repo := up.sample("vandal")
	gittest.Edit(t, repo, func(e *upstream.Edit) {
		for i := range 10 {
			e.Commit(fmt.Sprint("b", i), "work", map[string]string{"w": fmt.Sprint(i)})
		}
	})
	name := f.nodes[0].add(up, "vandal", 2).Name
	up.shows("vandal", f.nodes)
	main, err := repo.Git("rev-parse", "refs/heads/main")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if _, err := repo.Git("update-ref", "-d", fmt.Sprint("refs/heads/b", i)); err != nil {
			t.Fatal(err)
		}
	}
	held := func(r *api.Repo) bool { return r.Hold != nil && r.Hold.Lost == 10 && len(r.Hold.First) == 10 }
	for _, p := range f.nodes {
		p.await(name, "to be held", held)
	}
	out, errOut, code := f.nodes[1].command("repo", "sync", name, "--wait")
	if code != 1 || !strings.Contains(errOut, "took away 10 of") || !strings.Contains(errOut, "repo approve "+name) {
		t.Errorf("sync says (exit %d)\n%s%s", code, out, errOut)
	}
	owner := f.node(f.nodes[0].await(name, "an owner", held).Owner)
	up.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "out", http.StatusBadGateway)
		return true
	})
	owner.Kill()
	rest := f.others(owner)
	for _, p := range rest { // each as it has heard of it
		p.await(name, "another owner to meet the outage", func(r *api.Repo) bool {
			return r.Owner != owner.Name && r.Error != nil && held(r) && r.State == api.StateHeld
		})
	}
	out, errOut, code = rest[1].command("repo", "show", name)
	if code != 0 || !strings.Contains(out, "refs/heads/b3") || !strings.Contains(out, "since ") || !strings.Contains(out, "error") {
		t.Errorf("show says (exit %d)\n%s%s", code, out, errOut)
	}
	if _, errOut, code = rest[1].command("repo", "approve", name); code != 2 || !strings.Contains(errOut, "refs/heads/b3") {
		t.Errorf("approve without a word of anybody's: exit %d\n%s", code, errOut)
	}
	if _, errOut, code = rest[1].command("repo", "approve", name, "--yes"); code != 1 || !strings.Contains(errOut, "502") {
		t.Errorf("approve while upstream is out: exit %d\n%s", code, errOut)
	}
	rest[0].await(name, "the approval to be shown", func(r *api.Repo) bool { return r.Hold != nil && r.Hold.Approved != nil })
	up.Intercept(nil)
	for _, p := range rest {
		p.await(name, "it to be followed", func(r *api.Repo) bool { return r.Hold == nil && r.Error == nil })
	}
	up.shows("vandal", rest)

	// What is gone is kept, on any node, and can be set back; it stays there.
	out, errOut, code = rest[0].command("repo", "refs", name, "b3", "--kept")
	if code != 0 || !strings.Contains(out, "refs/heads/b3") || !strings.Contains(out, "kept, deleted") {
		t.Errorf("refs says (exit %d)\n%s%s", code, out, errOut)
	}
	if out, errOut, code = rest[1].command("repo", "restore", name, "b3", "--yes"); code != 0 || !strings.Contains(out, "refs/heads/b3") {
		t.Fatalf("restore: exit %d\n%s%s", code, out, errOut)
	}
	for _, p := range rest {
		testlog.Eventually(t, "the restored ref on "+p.Name, func() bool {
			return strings.Contains(gittest.LsRemote(t, p.gitURL(name)), "refs/heads/b3")
		})
	}
	up.push("vandal", "more")
	moved, err := repo.Git("rev-parse", "refs/heads/main")
	if err != nil || moved == main {
		t.Fatal(moved, err)
	}
	for _, p := range rest {
		testlog.Eventually(t, "the push beside the restored ref", func() bool {
			list := gittest.LsRemote(t, p.gitURL(name))
			return strings.Contains(list, moved+"\trefs/heads/main") && strings.Contains(list, "refs/heads/b3")
		})
	}
	if out, errOut, code = rest[0].command("repo", "restore", name, "b3", "--to", "1111111", "--yes"); code != 5 {
		t.Errorf("restore to where it never was: exit %d\n%s%s", code, out, errOut)
	}
	if out, errOut, code = rest[0].command("repo", "approve", name, "b3", "--yes"); code != 0 {
		t.Errorf("approve: exit %d\n%s%s", code, out, errOut)
	}
	up.shows("vandal", rest)
	if _, errOut, code = rest[0].command("repo", "approve", name, "--yes"); code != 6 {
		t.Errorf("nothing to approve: exit %d\n%s", code, errOut)
	}
}
