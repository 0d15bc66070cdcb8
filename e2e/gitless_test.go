package e2e

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gitmirror/api"
	"gitmirror/internal/gittest"
)

// A node without git owns repositories and holds copies: of upstreams and of other nodes, which
// copy from it. Its clients get packs from nodes that have git, or are told why they get none.
func TestANodeWithoutGit(t *testing.T) {
	f, up := &cluster{t: t}, newForge(t)
	up.sample("r")
	nowhere := "PATH=" + t.TempDir()
	newProc(t, "n0").refusedIn([]string{nowhere}, 1, []string{"--engine", "git"}, "git was not found on PATH", "--engine go-git")
	f.flags = []string{"--engine", "go-git"}
	owner := f.join("n1")
	f.settled(1)
	owner.write(func() error {
		_, err := owner.client.Add(t.Context(), api.AddRepo{URL: up.URL("r"), Name: "r", Replicas: 3, Interval: "1s"}, "add")
		return err
	})
	owner.await("r", "a first copy", readyOn(1))
	owner.await("r", "word that nobody gets it", func(r *api.Repo) bool { return r.State == api.StateUnserved && strings.Contains(r.Reason, "no git") })
	owner.refusesClones("r", "no git to make packs with", "it is on no other")
	if n := up.clones("r"); n != 1 {
		t.Errorf("upstream was cloned %d times", n)
	}

	// One that finds none, and one that has it, both of which copy from the first.
	f.flags = nil
	second := f.join("n2", nowhere)
	third := f.join("n3")
	f.settled(3)
	owner.await("r", "all copies", func(r *api.Repo) bool { return readyOn(3)(r) && r.State == api.StateReady })
	up.shows("r", f.nodes)
	engines := map[string]string{}
	list, err := third.client.Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range list.Nodes {
		engines[n.Name] = n.Engine
	}
	if engines["n1"] != api.EngineGoGit || engines["n2"] != api.EngineGoGit || engines["n3"] != api.EngineGit {
		t.Errorf("engines are %v", engines)
	}
	if log := second.tail(); strings.Count(log, "there is no git that will do") != 1 {
		t.Error("the second does not say, once, that it goes without git")
	}

	for _, what := range []string{"more", "and more"} {
		up.push("r", what)
		up.shows("r", f.nodes)
	}
	r := owner.await("r", "all copies of the newest", readyOn(3))
	if n := up.clones("r"); n != 1 || r.Owner != "n1" {
		t.Errorf("upstream was cloned %d times, and %s owns it", n, r.Owner)
	}
	want := up.objects("r")
	for _, p := range f.nodes {
		p.holds("r", want)
	}
	third.stop()
	for _, p := range []*proc{owner, second} {
		p.refusesClones("r", "no git to make packs with", "n3 (")
	}
	up.push("r", "while nobody serves it")
	owner.await("r", "the newest on both that are left", readyOn(2))
	want = up.objects("r")
	for _, p := range []*proc{owner, second} {
		p.holds("r", want)
	}
}

// objects are all that the upstream's refs lead to.
func (f *forge) objects(name string) []string {
	return objectsIn(f.t, f.repos[name].Dir)
}

func objectsIn(t *testing.T, dir string) []string {
	t.Helper()
	list := strings.Fields(gittest.Run(t, dir, "-c", "safe.directory=*", "rev-list", "--objects", "--no-object-names", "--all"))
	slices.Sort(list)
	return list
}

// holds looks with git at a node's copy: it is whole, and what its refs lead to is just that.
func (p *proc) holds(name string, want []string) {
	p.t.Helper()
	dirs, err := filepath.Glob(filepath.Join(p.Dir, "repos/*/*.git"))
	if err != nil || len(dirs) != 1 {
		p.t.Fatalf("%s holds %v, %v", p.Name, dirs, err)
	}
	gittest.Run(p.t, dirs[0], "-c", "safe.directory=*", "fsck", "--full", "--strict")
	if got := objectsIn(p.t, dirs[0]); !slices.Equal(got, want) {
		p.t.Errorf("%s: the copy of %s on %s leads to %d objects, upstream to %d", name, name, p.Name, len(got), len(want))
	}
}

// refusesClones wants a clone from a node to be refused with these words.
func (p *proc) refusesClones(name string, words ...string) {
	p.t.Helper()
	out, err := gittest.Try(p.t, p.t.TempDir(), "clone", "--quiet", p.gitURL(name), "c")
	if err == nil {
		p.t.Errorf("%s serves %s", p.Name, name)
	}
	for _, w := range append(words, "503") {
		if !strings.Contains(out, w) {
			p.t.Errorf("%s does not say %q:\n%s", p.Name, w, out)
		}
	}
}

// What only a node without git has moves to one with git that comes, and is served from then on.
func TestACopyMovesToWhereGitIs(t *testing.T) {
	f, up := &cluster{t: t, flags: []string{"--engine", "go-git"}}, newForge(t)
	up.sample("r")
	owner := f.join("n1")
	f.settled(1)
	owner.write(func() error {
		_, err := owner.client.Add(t.Context(), api.AddRepo{URL: up.URL("r"), Name: "r", Replicas: 1, Interval: "1s"}, "add")
		return err
	})
	owner.await("r", "word that nobody gets it", func(r *api.Repo) bool { return r.State == api.StateUnserved })
	f.flags = nil
	f.join("n2")
	owner.await("r", "its copy on the node with git, and there alone", func(r *api.Repo) bool {
		return r.State == api.StateReady && len(r.Copies) == 1 && r.Copies[0].Node == "n2" && r.Owner == "n2"
	})
	up.shows("r", f.nodes)
	if n := up.clones("r"); n != 1 {
		t.Errorf("upstream was cloned %d times", n)
	}
}
