package gogit_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"gitmirror/internal/gittest"
	"gitmirror/internal/upstream"
	"gitmirror/mirror/gogit"
)

// What is sent is what git finds between two points of a history, in packs that git takes, without
// what the other side has; and little is sent anew that lies here packed.
func TestSend(t *testing.T) {
	repo, err := upstream.Create(t.TempDir() + "/x.git")
	if err != nil {
		t.Fatal(err)
	}
	git := func(args ...string) string {
		t.Helper()
		return strings.TrimSpace(gittest.Run(t, repo.Dir, args...))
	}
	r := rand.New(rand.NewPCG(1, 1))
	lines := make([]string, 3000)
	for i := range lines {
		lines[i] = fmt.Sprint(r.Uint64())
	}
	for i := range 20 {
		must(t, repo.Edit(func(e *upstream.Edit) {
			lines[r.IntN(len(lines))] = fmt.Sprint(i)
			e.Commit("main", fmt.Sprint(i), map[string]string{"dir/long": strings.Join(lines, "\n"), fmt.Sprintf("d%d/f", i%3): fmt.Sprint(i)})
			if i == 10 {
				e.Branch("side", "main")
			}
			if i == 15 {
				e.Commit("side", "s", map[string]string{"s": "s"})
				e.Commit("main", "merge", nil, "side")
				e.Tag("v1", "main", "one")
			}
		}))
		if i%5 == 0 { // several packs, with loose objects at last
			git("repack", "-d", "-q")
		}
	}
	o := gogit.New(gogit.Config{})
	tip := git("rev-parse", "main")
	for name, c := range map[string]struct{ wants, haves []string }{
		"all":             {[]string{tip, git("rev-parse", "v1"), git("rev-parse", "side")}, nil},
		"some":            {[]string{tip}, []string{git("rev-parse", "main~3")}},
		"beside":          {[]string{tip}, []string{git("rev-parse", "side")}},
		"a tag":           {[]string{git("rev-parse", "v1")}, []string{git("rev-parse", "v1^{commit}")}},
		"a tree":          {[]string{git("rev-parse", "main:dir")}, nil},
		"a blob":          {[]string{git("rev-parse", "main:dir/long")}, nil},
		"what they have":  {[]string{tip}, []string{tip}},
		"behind a tag":    {[]string{tip}, []string{git("rev-parse", "v1")}},
		"nothing in both": {[]string{git("rev-parse", "main~19")}, nil},
	} {
		var pack bytes.Buffer
		if err := o.Send(t.Context(), &pack, repo.Dir, c.wants, c.haves); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		dir := t.TempDir()
		gittest.Run(t, dir, "init", "--quiet", "--bare", ".")
		cmd := exec.Command("git", "index-pack", "--strict", "--stdin")
		if c.haves != nil { // what it leads to is not in it
			cmd = exec.Command("git", "index-pack", "--stdin")
		}
		size := pack.Len()
		cmd.Dir, cmd.Env, cmd.Stdin = dir, upstream.Environ(dir), &pack
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: git does not take it: %v\n%s", name, err, out)
			continue
		}
		got := map[string]bool{}
		for _, id := range strings.Fields(gittest.Run(t, dir, "cat-file", "--batch-check=%(objectname)", "--batch-all-objects")) {
			got[id] = true
		}
		args := append([]string{"rev-list", "--objects", "--no-object-names"}, c.wants...)
		for _, h := range c.haves {
			args = append(args, "^"+h)
		}
		for _, id := range strings.Fields(git(args...)) {
			if !got[id] {
				t.Errorf("%s: object %s is not sent", name, id)
			}
			delete(got, id)
		}
		if len(got) > 0 {
			t.Errorf("%s: sent as well are %v", name, slices.Sorted(maps.Keys(got)))
		}
		if name == "all" && size > 300<<10 { // packed anew, the versions of the long file would have 540 kB
			t.Errorf("%d bytes are sent", size)
		}
	}
	gittest.Prune(t, repo.Dir, git("rev-parse", "main~5^{tree}"))
	var pack bytes.Buffer
	if err := o.Send(t.Context(), &pack, repo.Dir, []string{tip}, nil); err == nil || pack.Len() > 0 {
		t.Errorf("something is missing, and %d bytes are sent: %v", pack.Len(), err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := o.Send(ended, &pack, repo.Dir, []string{git("rev-parse", "side")}, nil); err == nil {
		t.Error("it goes on when nobody waits")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
