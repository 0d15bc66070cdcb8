package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"

	"gitmirror/api"
	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
)

// readyOn tells whether all copies of a repo are ready, as many, and as new as it is.
func readyOn(n int) func(*api.Repo) bool {
	return func(r *api.Repo) bool {
		ready := 0
		for _, c := range r.Copies {
			if c.State == "ready" && c.Generation == r.Generation {
				ready++
			}
		}
		return ready == n && r.Generation > 0
	}
}

// trashed is a repo of a cluster that every copy of has left, while upstream is gone.
func trashed(t *testing.T, f *cluster, up *forge, name string, replicas int) (tips string, was *api.Repo) {
	t.Helper()
	p := f.nodes[0]
	up.sample(name)
	p.add(up, name, replicas)
	up.push(name, "before the removal")
	up.shows(name, f.nodes)
	was = p.await(name, "its copies", readyOn(replicas))
	tips = gittest.LsRemote(t, p.gitURL(name))
	up.Intercept(func(w http.ResponseWriter, _ *http.Request) bool { http.NotFound(w, nil); return true })
	out, text, code := p.command("repo", "rm", name, "--yes")
	if code != 0 || !strings.Contains(out+text, "gitmirror trash restore "+name) || !strings.Contains(out+text, "Until ") {
		t.Fatalf("rm: exit %d\n%s%s", code, out, text)
	}
	return tips, was
}

// everyone wants the repo cloned from each node, with those tips.
func everyone(t *testing.T, nodes []*proc, name, tips string) {
	t.Helper()
	for _, p := range nodes {
		testlog.Eventually(t, p.Name+" to show what was removed", func() bool {
			out, err := gittest.Try(t, t.TempDir(), "ls-remote", "--symref", p.gitURL(name))
			return err == nil && strings.TrimSpace(out) == strings.TrimSpace(tips)
		})
		if _, err := gittest.Try(t, t.TempDir(), "clone", "--quiet", p.gitURL(name), "c"); err != nil {
			t.Errorf("clone from %s: %v", p.Name, err)
		}
	}
}

// restoredAs wants the repo back as it was.
func (p *proc) restoredAs(name string, was *api.Repo) {
	p.t.Helper()
	is := p.await(name, "its copies to be back", readyOn(len(was.Copies)))
	if is.ID != was.ID || is.Generation != was.Generation || is.RefsDigest != was.RefsDigest {
		p.t.Errorf("it came back as %+v, and was %+v", is, was)
	}
}

// A repo that was removed comes back from its copies while upstream is gone, and is refused
// where its name is in use again.
func TestARemovedRepoIsRestored(t *testing.T) {
	t.Parallel()
	f, up := newCluster(t, 3), newForge(t)
	tips, was := trashed(t, f, up, "a", 2)
	testlog.Eventually(t, "its copies to have left", func() bool {
		s, err := f.nodes[1].client.Nodes(t.Context())
		left := 0
		if err == nil {
			for _, n := range s.Nodes {
				left += n.Leaving + n.Copies
			}
		}
		return err == nil && left == 0
	})
	out, text, code := f.nodes[1].command("trash", "ls", "-o", "json")
	var list api.TrashList
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != 0 || len(list.Trash) != 1 || list.Trash[0].ID != was.ID || len(list.Trash[0].Nodes) != 2 ||
		list.Trash[0].Generation != was.Generation || list.Trash[0].Until.Sub(list.Trash[0].RemovedAt).Hours() != 24 {
		t.Errorf("trash ls: exit %d (%v)\n%s%s", code, err, out, text)
	}

	// Another has the name meanwhile.
	f.nodes[0].write(func() error {
		_, err := f.nodes[0].client.Add(t.Context(), api.AddRepo{URL: "https://example.invalid/x", Name: "a"}, "add-another")
		return err
	})
	if out, text, code := f.nodes[2].command("trash", "restore", "a"); code != 6 || !strings.Contains(text, "gitmirror repo show a") {
		t.Errorf("restored though the name is in use: exit %d\n%s%s", code, out, text)
	}
	if _, text, code := f.nodes[0].command("repo", "rm", "a", "--yes"); code != 0 {
		t.Fatalf("rm: %s", text)
	}
	// The last that had the name is another: the id of the first does not come back by it.
	if _, text, code := f.nodes[2].command("trash", "restore", up.URL("a"), "--wait"); code != 0 {
		t.Fatalf("restore: exit %d\n%s", code, text)
	}
	f.nodes[1].restoredAs("a", was)
	everyone(t, f.nodes, "a", tips)
	if _, text, code := f.nodes[1].command("trash", "restore", up.URL("a")); code != 5 || !strings.Contains(text, "is not removed") {
		t.Errorf("restored twice: exit %d\n%s", code, text)
	}

	// The same request twice is one.
	f.nodes[0].write(func() error { return f.nodes[0].client.Remove(context.Background(), "a", "remove-1") })
	for _, p := range f.nodes {
		var r *api.Repo
		p.write(func() (err error) {
			r, err = p.client.RestoreRemoved(context.Background(), up.URL("a"), "restore-1")
			return err
		})
		if r.ID != was.ID {
			t.Errorf("restored is %+v", r)
		}
	}
	everyone(t, f.nodes, "a", tips)

	// Upstream is back, and is followed.
	up.Intercept(nil)
	up.push("a", "after the restoration")
	up.shows("a", f.nodes)
	if n := up.clones("a"); n != 1 {
		t.Errorf("upstream saw %d clones, want 1", n)
	}
}

// The trash outlives a restart of all nodes. Where the best copy is on a node that is down as the
// repo is restored, it is served as the others have it, and comes back at its last generation with
// that node.
func TestARemovedRepoIsRestoredAfterRestarts(t *testing.T) {
	t.Parallel()
	f, up := newCluster(t, 3), newForge(t)
	p := f.nodes[0]
	up.sample("a")
	p.add(up, "a", 2)
	up.push("a", "before one is away")
	up.shows("a", f.nodes)
	before := p.await("a", "its copies", readyOn(2))
	tips := gittest.LsRemote(t, p.gitURL("a"))
	owner := f.node(before.Owner)
	i := slices.IndexFunc(before.Copies, func(c api.Copy) bool { return c.Node != before.Owner })
	late := f.node(before.Copies[i].Node)
	late.stop()
	up.push("a", "while it is away")
	up.shows("a", f.others(late))
	was := owner.await("a", "the push", func(r *api.Repo) bool { return r.Generation > before.Generation })
	newest := gittest.LsRemote(t, owner.gitURL("a"))
	up.Intercept(func(w http.ResponseWriter, _ *http.Request) bool { http.NotFound(w, nil); return true })
	if _, text, code := owner.command("repo", "rm", "a", "--yes"); code != 0 {
		t.Fatalf("rm: exit %d\n%s", code, text)
	}
	all(f.others(late), (*proc).stop)
	all(f.nodes, func(p *proc) { p.start(nil) })
	f.settled(3)
	testlog.Eventually(t, "its copies to have left", func() bool {
		n, err := p.client.Nodes(t.Context())
		return err == nil && n.Nodes[0].Leaving+n.Nodes[1].Leaving+n.Nodes[2].Leaving == 0
	})

	owner.signal(syscall.SIGKILL)
	<-owner.Exited()
	rest := f.others(owner)
	testlog.Eventually(t, "the holder to be seen as down", func() bool { return rest[0].stateOf(owner.Name) == "down" })
	if _, text, code := rest[0].command("trash", "restore", "a"); code != 0 {
		t.Fatalf("restore: exit %d\n%s", code, text)
	}
	everyone(t, rest, "a", tips)
	late.await("a", "behind what "+owner.Name+" has", func(r *api.Repo) bool {
		said := strings.Join(append(r.Also, r.State+": "+r.Reason), "\n")
		return r.Generation == was.Generation && strings.Contains(said, "behind: ") && strings.Contains(said, owner.Name+" (down)")
	})
	owner.start(nil)
	rest[1].restoredAs("a", was)
	everyone(t, f.nodes, "a", newest)
	if n := up.clones("a"); n != 1 {
		t.Errorf("upstream saw %d clones, want 1", n)
	}
}
