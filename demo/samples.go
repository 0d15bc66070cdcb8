package demo

import (
	"fmt"
	"math/rand/v2"

	"gitmirror/internal/upstream"
)

// sample is an upstream repository we make.
type sample struct {
	name string
	what string
	head string // "": main
	make func(e *upstream.Edit)
}

// samples are a dozen of what upstreams are like.
func samples() []sample {
	return []sample{
		{name: "linear", what: "120 commits in a row", make: func(e *upstream.Edit) { commits(e, "main", 120) }},
		{name: "branches", what: "25 branches", make: func(e *upstream.Edit) {
			commits(e, "main", 5)
			for i := range 24 {
				name := fmt.Sprintf("feature/team-%d/topic-%02d", i%3, i)
				e.Branch(name, "main")
				if i%2 == 0 {
					e.Commit(name, "work on it", files(name, i), "main")
				}
			}
		}},
		{name: "merges", what: "branches merged over and over", make: func(e *upstream.Edit) {
			commits(e, "main", 2)
			for i := range 15 {
				side := fmt.Sprintf("side-%02d", i)
				e.Commit(side, "begin", files(side, i), "main")
				e.Commit("main", "main goes on", files("main", 100+i))
				e.Commit("main", "merge "+side, files("merged", i), side)
			}
		}},
		{name: "tags", what: "40 tags, half of them annotated", make: func(e *upstream.Edit) {
			for i := range 40 {
				e.Commit("main", fmt.Sprintf("release %d", i), files("main", i))
				if name := fmt.Sprintf("v1.%d.0", i); i%2 == 0 {
					e.Tag(name, "main", "release "+name)
				} else {
					e.LightTag(name, "main")
				}
			}
		}},
		{name: "many-refs", what: "2,000 branches and tags", make: func(e *upstream.Edit) {
			commits(e, "main", 20)
			for i := range 999 {
				e.Branch(fmt.Sprintf("topic/%04d", i), "main")
				e.LightTag(fmt.Sprintf("build-%04d", i), "main")
			}
			e.Tag("stable", "main", "the one to use")
		}},
		{name: "large", what: "20 MB that do not compress", make: func(e *upstream.Edit) {
			random := rand.NewChaCha8([32]byte{1})
			for i := range 10 {
				data := make([]byte, 2<<20)
				_, _ = random.Read(data)
				e.Commit("main", fmt.Sprintf("add part %d", i), map[string]string{fmt.Sprintf("part-%d.bin", i): string(data)})
			}
		}},
		{name: "empty", what: "nothing at all"},
		{name: "trunk", what: "a default branch that is not main", head: "trunk", make: func(e *upstream.Edit) {
			commits(e, "trunk", 10)
			e.Branch("main", "trunk")
		}},
		{name: "team-a/tools", what: "a name that another team uses too", make: func(e *upstream.Edit) { commits(e, "main", 8) }},
		{name: "team-b/tools", what: "the other team's", make: func(e *upstream.Edit) { commits(e, "main", 9) }},
		{name: "rewritten", what: "a branch that will be force-pushed", make: func(e *upstream.Edit) {
			commits(e, "main", 12)
			e.Branch("draft", "main")
			e.Commit("draft", "first try", files("draft", 0))
		}},
		{name: "pruned", what: "a branch that will be deleted", make: func(e *upstream.Edit) {
			commits(e, "main", 6)
			for _, name := range []string{"alpha", "beta", "gamma", "delta", "old-idea"} {
				e.Branch(name, "main")
			}
		}},
	}
}

func commits(e *upstream.Edit, branch string, n int) {
	for i := range n {
		e.Commit(branch, fmt.Sprintf("change %d", i), files(branch, i))
	}
}

func files(name string, i int) map[string]string {
	return map[string]string{
		"README":                       fmt.Sprintf("%s, revision %d\n", name, i),
		fmt.Sprintf("src/%d.txt", i%7): fmt.Sprintf("line %d of %s\n", i, name),
	}
}

// build makes a sample on the forge.
func (s sample) build(forge *upstream.Server) (*upstream.Repo, error) {
	r, err := forge.Repo(s.name)
	if err != nil {
		return nil, fmt.Errorf("make sample %s: %w", s.name, err)
	}
	if s.head != "" {
		if _, err := r.Git("symbolic-ref", "HEAD", "refs/heads/"+s.head); err != nil {
			return nil, fmt.Errorf("make sample %s: %w", s.name, err)
		}
	}
	if s.make == nil {
		return r, nil
	}
	if err := r.Edit(s.make); err != nil {
		return nil, fmt.Errorf("make sample %s: %w", s.name, err)
	}
	return r, nil
}
