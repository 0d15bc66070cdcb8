package serve_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/memory"
	"github.com/google/go-cmp/cmp"

	"gitmirror/internal/upstream"
)

// go-git is a client that shares no code with git.
func TestGoGitClient(t *testing.T) {
	g := newRig(t)
	table := g.publish(t, nil, sample)
	remote := gogit.NewRemote(memory.NewStorage(), &config.RemoteConfig{Name: "origin", URLs: []string{g.url}})
	list, err := remote.List(&gogit.ListOptions{PeelingOption: gogit.AppendPeeled})
	must(t, err)
	var got, want []string
	for _, r := range list {
		if r.Type() == plumbing.SymbolicReference {
			got = append(got, fmt.Sprintf("%s %s", r.Target(), r.Name()))
		} else {
			got = append(got, fmt.Sprintf("%s %s", r.Hash(), r.Name()))
		}
	}
	want = append(want, "refs/heads/main HEAD")
	for _, r := range table.Refs {
		want = append(want, r.OID+" "+r.Name)
		if r.Peeled != "" {
			want = append(want, r.Peeled+" "+r.Name+"^{}")
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("go-git lists:\n%s", d)
	}

	dir := t.TempDir()
	repo, err := gogit.PlainClone(dir, false, &gogit.CloneOptions{URL: g.url})
	must(t, err)
	commits := func(r *gogit.Repository) int {
		n := 0
		head, err := r.Head()
		must(t, err)
		iter, err := r.Log(&gogit.LogOptions{From: head.Hash()})
		must(t, err)
		must(t, iter.ForEach(func(*object.Commit) error { n++; return nil }))
		return n
	}
	if n := commits(repo); n != 4 {
		t.Errorf("cloned %d commits, want 4", n)
	}
	run(t, dir, "fsck", "--strict")

	g.publish(t, nil, func(e *upstream.Edit) {
		e.Commit("main", "more", map[string]string{"e.txt": strings.Repeat("e", 9999)})
	})
	must(t, repo.FetchContext(context.Background(), &gogit.FetchOptions{}))
	tip, err := repo.ResolveRevision("refs/remotes/origin/main")
	must(t, err)
	if want, _ := g.upstream.Git("rev-parse", "main"); tip.String() != want {
		t.Errorf("fetched main at %s, want %s", tip, want)
	}
	run(t, dir, "fsck", "--strict")

	shallow, err := gogit.PlainClone(t.TempDir(), false, &gogit.CloneOptions{URL: g.url, Depth: 1, SingleBranch: true, Tags: gogit.NoTags})
	must(t, err)
	head, err := shallow.Head()
	must(t, err)
	if head.Hash() != *tip {
		t.Errorf("a shallow clone is at %s, want %s", head.Hash(), tip)
	}
}
