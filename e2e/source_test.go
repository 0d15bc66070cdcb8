package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
)

// listed waits until every node shows a source as ok wants it.
func (f *cluster) listed(name, what string, ok func(*api.Source) bool) {
	f.t.Helper()
	for _, p := range f.nodes {
		if !p.Running() {
			continue
		}
		var last *api.Source
		testlog.EventuallyIn(f.t, 90*time.Second, fmt.Sprintf("the source %s to be %s as %s sees it", name, what, p.Name), func() bool {
			src, err := p.client.Source(f.t.Context(), name)
			if err == nil {
				last = src
			}
			return err == nil && ok(src)
		})
		_ = last
	}
}

// wanted are the paths that a source claims, by the names of what it claims.
func (p *proc) wanted(source string) map[string]string {
	p.t.Helper()
	found := map[string]string{}
	for cursor := ""; ; {
		list, err := p.client.Repos(p.t.Context(), api.Query{Limit: 1000, Cursor: cursor})
		if err != nil {
			p.t.Fatal(err)
		}
		for _, r := range list.Repos {
			for _, c := range r.Claims {
				if c.Source == source && c.Path != "" {
					found[c.Path] = r.URLs[0]
				}
			}
		}
		if cursor = list.NextCursor; cursor == "" {
			return found
		}
	}
}

// An index repository is followed through its edits, while its owner is killed: what it lists is
// mirrored, what is wrong with it is told and harms nothing else, and what it does not list any more
// is let go slowly.
func TestAnIndexIsFollowed(t *testing.T) {
	t.Parallel()
	f, up := newCluster(t, 3), newForge(t)
	at := f.nodes[0]
	files := map[string]string{"README.md": "An index", "l/DEFAULTS": "replicas: 3\n"}
	want := map[string]string{}
	for i := range 8 {
		name := fmt.Sprint("r", i)
		up.sample(name)
		files["l/"+name+"/"+name] = "url: " + up.URL(name) + "\nsubmit: [{command: make}]\n"
		want["l/"+name+"/"+name] = up.URL(name)
	}
	// named is what a mirror is called by its upstream's address.
	named := func(repo string) string {
		return strings.Replace(strings.TrimPrefix(up.URL(repo), "http://"), ":", "+", 1)
	}
	index, err := up.Repo("index")
	if err != nil {
		t.Fatal(err)
	}
	up.repos["index"] = index
	edit := func(what string) {
		t.Helper()
		up.edit("index", func(e *upstream.Edit) { e.Replace("main", what, files) })
		testlog.Eventually(t, "a node to be asked to read the index", func() bool {
			return slices.ContainsFunc(f.nodes, func(p *proc) bool {
				if !p.Running() {
					return false
				}
				_, _, code := p.command("source", "sync", "kernel")
				return code == 0
			})
		})
	}
	up.edit("index", func(e *upstream.Edit) { e.Replace("main", "the first", files) })
	if out, stderr, code := at.command("source", "add", "index", up.URL("index"), "--name", "kernel", "--namespace", "upstream"); code != 0 {
		t.Fatalf("source add: %d %s %s", code, out, stderr)
	}
	f.listed("kernel", "listed", func(s *api.Source) bool { return s.State == api.SourceListed && s.Claims == 8 && s.Next != nil })
	if out, stderr, code := at.command("source", "add", "index", up.URL("index"), "--name", "kernel", "--namespace", "upstream"); code != 0 || !strings.Contains(out, "Already there: the source kernel") {
		t.Errorf("said twice: %d %s %s", code, out, stderr)
	}
	if out, stderr, code := at.command("source", "add", "index", up.URL("index"), "--name", "kernel", "--namespace", "upstream", "--path", "l"); code != 6 || !strings.Contains(stderr, "gitmirror source set kernel --path l") {
		t.Errorf("said otherwise: %d %s %s", code, out, stderr)
	}
	for path := range want {
		row := at.await("upstream/"+path, "ready", func(r *api.Repo) bool { return r.State == api.StateReady })
		if row.Replicas != 3 || len(row.Claims) != 1 || !strings.Contains(string(row.Claims[0].Extra), "make") {
			t.Errorf("%+v", row)
		}
	}
	at.clone("upstream/l/r3/r3")
	at.clone(named("r3"))

	// Edits, one of which is a mistake: the rest is followed, and so is the next.
	rename := func(from, to string) {
		files[to], want[to] = files[from], want[from]
		delete(files, from)
		delete(want, from)
	}
	rename("l/r1/r1", "moved/r1")
	delete(files, "l/r2/r2")
	delete(want, "l/r2/r2")
	files["l/r3/r3"] = "url: [" // keeps what it had
	files["l/DEFAULTS"] = "replicas: 2\n"
	edit("the second")
	f.listed("kernel", "listed again", func(s *api.Source) bool {
		return s.State == api.SourceListed && s.Claims == 7 && s.Listing.FlawsTotal == 1 && s.Listing.Flaws[0].File == "l/r3/r3"
	})
	if got := at.wanted("kernel"); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	at.await("upstream/l/r4/r4", "on two nodes", func(r *api.Repo) bool { return r.Replicas == 2 && r.State == api.StateReady })
	at.await("upstream/l/r2/r2", "retired", func(r *api.Repo) bool { return r.State == api.StateRetired && r.RetiredAt != nil })
	at.clone("upstream/l/r2/r2")
	if out, _, _ := at.command("source", "show", "kernel"); !strings.Contains(out, "l/r3/r3:1: this is not YAML") {
		t.Errorf("source show:\n%s", out)
	}

	// Who reads it is killed: another goes on.
	src, err := at.client.Source(t.Context(), "kernel")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range f.nodes {
		if p.Name == src.Owner {
			p.Kill()
		}
	}
	for _, p := range f.nodes {
		if p.Running() {
			at = p
		}
	}
	up.sample("late")
	files["l/r3/r3"], files["late.txt"] = "url: "+up.URL("r3"), up.URL("late")+"\n"
	late := named("late")
	want[late] = up.URL("late")
	edit("the third")
	f.listed("kernel", "listed by another", func(s *api.Source) bool {
		return s.State == api.SourceListed && s.Claims == 8 && s.Listing.FlawsTotal == 0 && s.Owner != src.Owner
	})
	if got := at.wanted("kernel"); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	at.await("upstream/"+late, "cloned", func(r *api.Repo) bool { return r.Generation > 0 })

	// Emptied by mistake, it changes nothing before a person says so.
	all := maps.Clone(files)
	for path := range files {
		if strings.HasPrefix(path, "l/r") {
			delete(files, path)
		}
	}
	edit("the fourth")
	f.listed("kernel", "held", func(s *api.Source) bool { return s.State == api.SourceHeld && s.Hold.Lost == 6 && s.Claims == 8 })
	if got := at.wanted("kernel"); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if out, stderr, code := at.command("source", "approve", "kernel"); code != 2 || !strings.Contains(stderr, "l/r5/r5") {
		t.Errorf("source approve asks nobody: %d %s %s", code, out, stderr)
	}
	if out, stderr, code := at.command("source", "approve", "kernel", "--yes"); code != 0 {
		t.Errorf("source approve: %d %s %s", code, out, stderr)
	}
	f.listed("kernel", "followed", func(s *api.Source) bool { return s.State == api.SourceListed && s.Claims == 2 && s.Hold == nil })
	at.clone("upstream/l/r5/r5")
	files = all
	edit("the fifth")
	f.listed("kernel", "whole again", func(s *api.Source) bool { return s.State == api.SourceListed && s.Claims == 8 && s.Next != nil })
	at.await("upstream/l/r5/r5", "wanted again", func(r *api.Repo) bool { return r.RetiredAt == nil && r.State != api.StateRetired })
	for i := range 8 {
		if n := up.clones(fmt.Sprint("r", i)); n != 1 {
			t.Errorf("r%d was cloned %d times from upstream", i, n)
		}
	}

	// Who does not want it any more has all of it retired, its index too.
	if out, stderr, code := at.command("source", "rm", "kernel", "--yes"); code != 0 {
		t.Errorf("source rm: %d %s %s", code, out, stderr)
	}
	at.await("upstream/l/r5/r5", "retired", func(r *api.Repo) bool { return r.RetiredAt != nil && len(r.Claims) == 0 })
	if _, stderr, code := at.command("source", "show", "kernel"); code != 5 {
		t.Errorf("source show of none: %d %s", code, stderr)
	}
}

// What repositories have in .gitmodules is mirrored with them, as deep as it goes.
func TestSubmodulesAreMirrored(t *testing.T) {
	t.Parallel()
	f, up := newCluster(t, 1), newForge(t)
	at, app := f.nodes[0], "gr\u00f6\u00dfe/app" // of letters that are not ASCII's
	names := func(repo string, of ...string) {
		var b strings.Builder
		for _, name := range of {
			fmt.Fprintf(&b, "[submodule %q]\n\tpath = %s\n\turl = ../%s\n", name, name, name)
		}
		up.edit(repo, func(e *upstream.Edit) { e.Commit("main", "submodules", map[string]string{".gitmodules": b.String()}) })
	}
	for _, repo := range []string{"app", "lib", "deep", "late"} {
		up.sample(repo)
	}
	names("app", "lib")
	names("lib", "deep", "app") // and back again
	index, err := up.Repo("index")
	if err != nil {
		t.Fatal(err)
	}
	up.repos["index"] = index
	up.edit("index", func(e *upstream.Edit) {
		e.Replace("main", "the first", map[string]string{app: "url: " + up.URL("app") + "\nsubmodules: true\nlabels: {team: x}\n"})
	})
	if out, stderr, code := at.command("source", "add", "index", up.URL("index"), "--name", "apps"); code != 0 {
		t.Fatalf("source add: %d %s %s", code, out, stderr)
	}
	named := func(repo string) string {
		return strings.Replace(strings.TrimPrefix(up.URL(repo), "http://"), ":", "+", 1)
	}
	for _, repo := range []string{"lib", "deep"} {
		row := at.await(named(repo), "ready", func(r *api.Repo) bool { return r.State == api.StateReady })
		if row.Labels["team"] != "x" {
			t.Errorf("%+v", row)
		}
		at.clone(named(repo))
	}
	names("app", "lib", "late")
	if out, stderr, code := at.command("repo", "sync", "gro\u0308\u00dfe/app", "--wait"); code != 0 {
		t.Errorf("repo sync: %d %s %s", code, out, stderr)
	}
	at.await(named("late"), "cloned", func(r *api.Repo) bool { return r.Generation > 0 })
	at.clone(app)
	lib := app + " > " + named("lib")
	want := map[string]string{app: up.URL("app"), lib: up.URL("lib"), lib + " > " + named("deep"): up.URL("deep"), app + " > " + named("late"): up.URL("late")}
	if got := at.wanted("apps"); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if out, _, _ := at.command("repo", "show", named("deep")); !strings.Contains(out, lib) {
		t.Errorf("repo show:\n%s", out)
	}
}
