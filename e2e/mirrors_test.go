package e2e

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
)

// forge is an upstream server with its repositories.
type forge struct {
	*upstream.Server
	t     *testing.T
	repos map[string]*upstream.Repo
}

func newForge(t *testing.T) *forge {
	t.Helper()
	s, err := upstream.Serve(t.TempDir(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &forge{Server: s, t: t, repos: map[string]*upstream.Repo{}}
}

// sample makes a repository with two branches, a merge and a tag.
func (f *forge) sample(name string) *upstream.Repo {
	f.t.Helper()
	r, err := f.Repo(name)
	if err != nil {
		f.t.Fatal(err)
	}
	f.repos[name] = r
	f.edit(name, func(e *upstream.Edit) {
		e.Commit("main", "one", map[string]string{"a.txt": name})
		e.Commit("side", "two", map[string]string{"b.txt": "b"})
		e.Commit("main", "merge", map[string]string{"c.txt": "c"}, "side")
		e.Tag("v1", "main", "version one")
	})
	return r
}

func (f *forge) edit(name string, fn func(*upstream.Edit)) {
	f.t.Helper()
	if err := f.repos[name].Edit(fn); err != nil {
		f.t.Fatal(err)
	}
}

// push adds a commit to main.
func (f *forge) push(name, what string) {
	f.t.Helper()
	f.edit(name, func(e *upstream.Edit) { e.Commit("main", what, map[string]string{"pushed.txt": what}) })
}

// clones counts the fetches without haves that upstream saw for a repo.
func (f *forge) clones(name string) int { return f.Count(name, upstream.KindClone) }

// add adds the forge's repo under the same name and waits until it is ready.
func (p *proc) add(f *forge, name string, replicas int) *api.Repo {
	p.t.Helper()
	return p.addURL(f.URL(name), name, replicas)
}

func (p *proc) addURL(url, name string, replicas int) *api.Repo {
	p.t.Helper()
	p.write(func() error {
		_, err := p.client.Add(p.t.Context(), api.AddRepo{URL: url, Name: name, Replicas: replicas, Interval: "1s"}, "add-"+name)
		return err
	})
	return p.await(name, "ready", func(r *api.Repo) bool { return r.State == "ready" && r.Generation > 0 })
}

// write does a write, again while there is no leader to take it.
func (p *proc) write(do func() error) {
	p.t.Helper()
	var err error
	testlog.Eventually(p.t, "a write to be taken", func() bool {
		err = do()
		if pr, ok := err.(*api.Problem); ok && pr.Status != 503 {
			p.t.Fatalf("write refused: %v", err)
		}
		return err == nil
	})
}

// await waits until the repo is as ok wants it, as this node sees it.
func (p *proc) await(name, what string, ok func(*api.Repo) bool) *api.Repo {
	p.t.Helper()
	var row *api.Repo
	testlog.EventuallyIn(p.t, 90*time.Second, fmt.Sprintf("%s to be %s as %s sees it", name, what, p.Name), func() bool {
		got, err := p.client.Repo(p.t.Context(), name)
		if err == nil {
			row = got
		}
		return err == nil && ok(got)
	})
	return row
}

func (p *proc) gitURL(name string) string { return p.HTTP + "/git/" + name }

// shows waits until each node shows of the repo what upstream shows, then
// clones it from each and checks every object.
func (f *forge) shows(name string, nodes []*proc) {
	f.t.Helper()
	want := gittest.LsRemote(f.t, f.URL(name))
	for _, p := range nodes {
		testlog.EventuallyIn(f.t, 90*time.Second, name+" on "+p.Name+" to be what upstream shows", func() bool {
			out, err := gittest.Try(f.t, f.t.TempDir(), "ls-remote", "--symref", p.gitURL(name))
			return err == nil && out == want
		})
		clone := filepath.Join(f.t.TempDir(), "clone.git")
		gittest.Run(f.t, f.t.TempDir(), "clone", "--quiet", "--mirror", p.gitURL(name), clone)
		gittest.Run(f.t, clone, "fsck", "--strict")
	}
}
