package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"gitmirror/internal/upstream"
	"gitmirror/mirror/refs"
)

// script runs git fast-import in the upstream.
func (g *rig) script(t *testing.T, script string) {
	t.Helper()
	cmd := exec.Command("git", "fast-import", "--quiet", "--force", "--date-format=raw")
	cmd.Dir, cmd.Env, cmd.Stdin = g.repo.Dir, upstream.Environ(g.repo.Dir), strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// succeeds tells how git ends.
func (g *rig) succeeds(args ...string) bool { _, err := g.repo.Git(args...); return err == nil }

// What is asked for one by one, what is told from one walk, and what is too large to be
// held, is what git says of each.
func TestManyQuestionsAreAnsweredAsOneByOne(t *testing.T) {
	both(t, testManyQuestionsAreAnsweredAsOneByOne)
}

func testManyQuestionsAreAnsweredAsOneByOne(t *testing.T, of engine) {
	for seed := range uint64(3) {
		g, r := newRig(t, 0, of), rand.New(rand.NewPCG(seed, 1))
		if f, ok := g.fetcher.(gits); ok && seed == 0 {
			f.HoldAtMost(5)
		}
		var in strings.Builder
		const commits = 40
		for i := 1; i <= commits; i++ {
			fmt.Fprintf(&in, "commit refs/heads/c%d\nmark :%d\ncommitter N <n@x> %d +0000\ndata 1\nx\n", i, i, 1_700_000_000+i)
			if i > 1 && r.IntN(6) > 0 {
				fmt.Fprintf(&in, "from :%d\n", max(1, i-1-r.IntN(6)))
				for range r.IntN(2) {
					fmt.Fprintf(&in, "merge :%d\n", 1+r.IntN(i-1))
				}
			} else if i > 1 {
				fmt.Fprintf(&in, "M 100644 inline own\ndata %d\n%d\n", len(fmt.Sprint(i)), i)
			}
			if i%7 == 0 {
				fmt.Fprintf(&in, "tag t%d\nfrom :%d\ntagger N <n@x> 1700000000 +0000\ndata 1\nx\n", i, i)
			}
		}
		g.script(t, in.String())
		out, err := g.repo.Git("for-each-ref", "--format=%(objectname)")
		if err != nil {
			t.Fatal(err)
		}
		objects := append(strings.Fields(out), g.tip(t, "c1^{tree}"), strings.Repeat("1", 40))
		pick := func() string { return objects[r.IntN(len(objects))] }
		var pairs [][2]string
		var changes []refs.Change
		var old []string
		for i := range 45 {
			a, b := pick(), pick()
			pairs, old = append(pairs, [2]string{a, b}), append(old, a)
			changes = append(changes, refs.Change{Ref: fmt.Sprint(i), Old: a, New: b, Kind: refs.Updated})
		}
		keep, not := []string{pick(), pick()}, []string(nil)
		for _, k := range keep {
			if g.succeeds("rev-parse", "--verify", k+"^{commit}") {
				not = append(not, "^"+k)
			}
		}
		unrelated, err := g.fetcher.Unrelated(t.Context(), g.repo.Dir, pairs)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.fetcher.Judge(t.Context(), g.repo.Dir, changes); err != nil {
			t.Fatal(err)
		}
		left, err := g.fetcher.Left(t.Context(), g.repo.Dir, old, keep)
		if err != nil {
			t.Fatal(err)
		}
		total, err := g.fetcher.Left(t.Context(), g.repo.Dir, old, nil)
		if err != nil {
			t.Fatal(err)
		}
		count := func(of string, not ...string) int {
			out, err := g.repo.Git(append([]string{"rev-list", "--count", of + "^{commit}"}, not...)...)
			if err != nil {
				return 0 // no commit
			}
			n, _ := strconv.Atoi(out)
			return n
		}
		for i, p := range pairs {
			if want := !g.succeeds("merge-base", p[0], p[1]); unrelated[i] != want {
				t.Errorf("%d: %v are unrelated: %v, git says %v", seed, p, unrelated[i], want)
			}
			want := refs.Forced
			if g.succeeds("merge-base", "--is-ancestor", p[0], p[1]) {
				want = refs.Updated
			}
			if changes[i].Kind != want {
				t.Errorf("%d: %v is %s, git says %s", seed, p, changes[i].Kind, want)
			}
			if n, all := count(p[0], not...), count(p[0]); left[i] != n || total[i] != all {
				t.Errorf("%d: of %s %d of %d are left, git says %d of %d", seed, p[0], left[i], total[i], n, all)
			}
			if one, err := g.fetcher.Left(t.Context(), g.repo.Dir, old[i:i+1], keep); i < 5 && (err != nil || one[0] != left[i]) {
				t.Errorf("%d: of %s alone %v are left, %v", seed, p[0], one, err)
			}
		}
	}
}

// Many branches that led to one long history, and do no more, are weighed by one walk, and not at all
// when nobody waits for it. A walk for each would not end before the tests' own bound.
func TestManyBranchesOfALongHistory(t *testing.T) { both(t, testManyBranchesOfALongHistory) }

func testManyBranchesOfALongHistory(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	commits, branches := with(of, 20_000, 4_000), with(of, 1_500, 300) // a process reads a commit sooner
	var in strings.Builder
	for i := 1; i <= commits; i++ {
		fmt.Fprintf(&in, "commit refs/heads/main\nmark :%d\ncommitter N <n@x> %d +0000\ndata 1\nx\n", i, 1_700_000_000+i)
	}
	for i := range branches {
		for _, b := range []struct {
			name string
			from int
		}{{"old", commits}, {"new", 1}} {
			fmt.Fprintf(&in, "commit refs/heads/%s/%d\ncommitter N <n@x> 1800000000 +0000\ndata %d\n%s%05d\nfrom :%d\n", b.name, i, 8, b.name, i, b.from)
		}
	}
	g.script(t, in.String())
	tips := func(of string) (list []string) {
		out, err := g.repo.Git("for-each-ref", "--format=%(objectname)", "refs/heads/"+of)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(out)
	}
	old, fresh := tips("old"), tips("new")
	pairs, changes := make([][2]string, branches), make([]refs.Change, branches)
	for i := range pairs {
		pairs[i], changes[i] = [2]string{old[i], fresh[i]}, refs.Change{Ref: fmt.Sprint(i), Old: old[i], New: fresh[i], Kind: refs.Updated}
	}
	began := time.Now()
	if err := g.fetcher.Judge(t.Context(), g.repo.Dir, changes); err != nil || changes[branches-1].Kind != refs.Forced {
		t.Error(err, changes[branches-1])
	}
	judged := time.Since(began)
	unrelated, err := g.fetcher.Unrelated(t.Context(), g.repo.Dir, pairs)
	if err != nil || unrelated[branches-1] {
		t.Error(err)
	}
	related := time.Since(began) - judged
	left, err := g.fetcher.Left(t.Context(), g.repo.Dir, old, fresh)
	if err != nil || left[branches-1] != commits {
		t.Error(err, left[branches-1])
	}
	total, err := g.fetcher.Left(t.Context(), g.repo.Dir, old, nil)
	if err != nil || total[0] != commits+1 {
		t.Error(err, total[0])
	}
	t.Logf("judged in %s, told whether they are related in %s, all in %s", judged, related, time.Since(began))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.fetcher.Left(ctx, g.repo.Dir, old, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits for it: %v", err)
	}
}
