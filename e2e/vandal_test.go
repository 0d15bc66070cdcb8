package e2e

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
)

var (
	vandalSeed  = flag.Uint64("vandal.seed", 0, "of the vandal's first script; the next have the next ones (default: the same one each time)")
	vandalRuns  = flag.Int("vandal.scripts", 1, "how many scripts there are")
	vandalSteps = flag.Int("vandal.steps", 6, "how many steps each has")
)

// An upstream that a vandal has in hands is followed as far as one may, by nodes whose owner is
// killed again and again: whatever had been published of it is there in the end, on every copy,
// after maintenance too, and can be set back.
func TestAVandal(t *testing.T) {
	t.Parallel()
	for i := range *vandalRuns {
		seed := *vandalSeed + uint64(i)
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			v := newVandal(t, seed)
			for n := range *vandalSteps {
				v.step(n)
			}
			v.end()
		})
	}
}

// vandal does what its seed says to an upstream of which each of three nodes has a copy.
type vandal struct {
	t    *testing.T
	rand *rand.Rand
	f    *cluster
	up   *forge
	repo *upstream.Repo
	seen map[string]string // tips that were published, and the name of each
	made int               // branches, tags and commits
	down *proc             // the one that was killed
	back int               // in so many steps it is started
	done map[string]int    // how often what was done
}

const vandalised = "vandalised"

func newVandal(t *testing.T, seed uint64) *vandal {
	v := &vandal{t: t, rand: rand.New(rand.NewPCG(seed, seed)), f: newCluster(t, 3), up: newForge(t), seen: map[string]string{}, done: map[string]int{}}
	v.repo = v.up.sample(vandalised)
	v.up.edit(vandalised, func(e *upstream.Edit) {
		for i := range 9 {
			e.Branch(fmt.Sprint("b", i), "main")
			e.Commit(fmt.Sprint("b", i), fmt.Sprint("work ", i), map[string]string{"w": fmt.Sprint(i)})
		}
		for i := range 3 {
			e.LightTag(fmt.Sprint("light", i), fmt.Sprint("b", i))
			e.Tag(fmt.Sprint("tag", i), fmt.Sprint("b", i), "a version")
		}
	})
	v.f.nodes[0].add(v.up, vandalised, 3)
	v.check() // what was there at first is settled
	return v
}

// do changes upstream.
func (v *vandal) do(fn func(*upstream.Edit)) { v.up.edit(vandalised, fn) }

func (v *vandal) git(args ...string) string {
	v.t.Helper()
	out, err := v.repo.Git(args...)
	if err != nil {
		v.t.Fatal(err)
	}
	return out
}

// refs are upstream's, by name.
func (v *vandal) refs() map[string]string {
	v.t.Helper()
	_, list, err := v.repo.Refs()
	if err != nil {
		v.t.Fatal(err)
	}
	all := map[string]string{}
	for _, r := range list {
		all[r[0]] = r[1]
	}
	return all
}

// some are up to n refs of upstream's below a prefix.
func (v *vandal) some(n int, prefix string) []string {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(v.refs())), func(r string) bool { return !strings.HasPrefix(r, prefix) })
	v.rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return names[:min(n, len(names))]
}

func (v *vandal) name(kind string) string {
	v.made++
	return fmt.Sprint(kind, v.made)
}

// deeds are what a vandal does, and what others do in between.
var deeds = []struct {
	what string
	do   func(*vandal)
}{
	{"pushes", func(v *vandal) {
		v.do(func(e *upstream.Edit) {
			for _, ref := range v.some(3, "refs/heads/") {
				e.Commit(strings.TrimPrefix(ref, "refs/heads/"), v.name("push "), map[string]string{"p": fmt.Sprint(v.made)})
			}
			e.Commit(v.name("new"), "begun", map[string]string{"n": fmt.Sprint(v.made)})
			e.Tag(v.name("release"), fmt.Sprint("new", v.made-1), "of what is new")
		})
	}},
	{"deletes a little", func(v *vandal) {
		for _, ref := range v.some(1+v.rand.IntN(2), "refs/") {
			v.git("update-ref", "-d", ref)
		}
	}},
	{"deletes much", func(v *vandal) {
		for _, ref := range v.some(8, "refs/") {
			v.git("update-ref", "-d", ref)
		}
	}},
	{"rewrites", func(v *vandal) {
		v.do(func(e *upstream.Edit) {
			for _, ref := range v.some(1+v.rand.IntN(2), "refs/heads/") {
				branch := strings.TrimPrefix(ref, "refs/heads/")
				e.Rewrite(branch)
				e.Commit(branch, v.name("rewritten "), map[string]string{"r": fmt.Sprint(v.made)})
			}
		})
	}},
	{"rewinds", func(v *vandal) {
		for _, ref := range v.some(2, "refs/heads/") {
			if parent, err := v.repo.Git("rev-parse", "--verify", "--quiet", ref+"~1"); err == nil {
				v.git("update-ref", ref, parent)
			}
		}
	}},
	{"moves tags", func(v *vandal) {
		to := v.some(1, "refs/heads/")
		for _, ref := range v.some(2, "refs/tags/") {
			if len(to) > 0 {
				v.do(func(e *upstream.Edit) {
					e.Tag(strings.TrimPrefix(ref, "refs/tags/"), strings.TrimPrefix(to[0], "refs/heads/"), v.name("moved "))
				})
			}
		}
	}},
	{"renames the default branch", func(v *vandal) {
		head := v.git("symbolic-ref", "HEAD")
		if tip, there := v.refs()[head]; there {
			to := "refs/heads/" + v.name("default")
			v.git("update-ref", to, tip)
			v.git("symbolic-ref", "HEAD", to)
			v.git("update-ref", "-d", head)
		}
	}},
	{"empties it", func(v *vandal) {
		for ref := range v.refs() {
			v.git("update-ref", "-d", ref)
		}
	}},
	{"comes back clean", func(v *vandal) {
		for ref := range v.refs() {
			v.git("update-ref", "-d", ref)
		}
		v.do(func(e *upstream.Edit) {
			e.Commit("main", v.name("clean "), map[string]string{"clean": fmt.Sprint(v.made)})
		})
		v.git("symbolic-ref", "HEAD", "refs/heads/main")
	}},
	{"sets back", func(v *vandal) {
		for oid, ref := range v.seen {
			v.git("update-ref", ref, oid)
		}
	}},
}

// step is a deed, after which an owner may be killed, and the copies may be gathered.
func (v *vandal) step(n int) {
	v.t.Helper()
	deed := deeds[v.rand.IntN(len(deeds))]
	if v.rand.IntN(3) == 0 {
		deed = deeds[0] // else there is soon nothing left to take away
	}
	v.done[deed.what]++
	deed.do(v)
	v.note("%d: it %s", n, deed.what)
	kill := v.down == nil && (n == 1 || v.rand.IntN(3) == 0)
	if kill && v.rand.IntN(2) == 0 { // while it looks, or fetches, or publishes
		v.kill()
		kill = false
	}
	held := v.check()
	if kill { // before anybody may have copied it
		v.kill()
	}
	if held && v.rand.IntN(3) == 0 {
		v.approve()
	}
	if v.rand.IntN(3) == 0 {
		v.done["gathers"]++
		v.some1().write(func() error {
			_, err := v.some1().client.Maintain(v.t.Context(), vandalised, api.Collect)
			return err
		})
	}
	if v.back--; v.down != nil && v.back <= 0 {
		v.start()
	}
}

func (v *vandal) note(format string, args ...any) { v.t.Logf(format, args...) }

// some1 is a node that runs.
func (v *vandal) some1() *proc {
	running := v.f.others(v.down)
	return running[v.rand.IntN(len(running))]
}

// check waits until upstream, as it is now, is followed or held, and notes what is published. It
// tells whether it is held.
func (v *vandal) check() (held bool) {
	v.t.Helper()
	p := v.some1()
	testlog.EventuallyIn(v.t, 90*time.Second, "a check to succeed", func() bool {
		out, err := p.client.Sync(v.t.Context(), vandalised, 20*time.Second)
		held = err == nil && out.Outcome == api.SyncHeld
		return held || err == nil && (out.Outcome == api.SyncChanged || out.Outcome == api.SyncUnchanged)
	})
	if !held {
		for ref, oid := range v.refs() {
			v.seen[oid] = ref
		}
	}
	v.note("held %v, %d tips were published so far", held, len(v.seen))
	return held
}

// approve has what is held followed, whatever it is by then.
func (v *vandal) approve() {
	v.t.Helper()
	_, errOut, code := v.some1().command("repo", "approve", vandalised, "--yes")
	v.note("approved: exit %d %s", code, errOut)
	v.done["approved"]++
	v.check()
}

func (v *vandal) kill() {
	v.t.Helper()
	row := v.some1().await(vandalised, "owned", func(r *api.Repo) bool { return r.Owner != "" })
	v.down, v.back = v.f.node(row.Owner), 1+v.rand.IntN(3)
	v.note("%s owns it, and is killed", row.Owner)
	v.done["kills"]++
	v.down.Kill()
}

func (v *vandal) start() {
	v.t.Helper()
	v.note("%s is back", v.down.Name)
	v.down.start(nil)
	v.down = nil
}

// end has all come to rest, and looks for what was published.
func (v *vandal) end() {
	t := v.t
	t.Helper()
	if v.down != nil {
		v.start()
	}
	for range 2 {
		if v.check() {
			v.approve()
		}
	}
	first := v.f.nodes[0]
	row := first.await(vandalised, "at one generation on all", func(r *api.Repo) bool {
		return r.State == "ready" && r.Hold == nil && len(r.Copies) == 3 && oneGeneration(r)
	})
	for _, p := range v.f.nodes {
		testlog.EventuallyIn(t, 6*time.Minute, "all that was published to be on "+p.Name, func() bool { return len(v.missing(p, row.ID)) == 0 })
	}
	for _, verb := range []string{"gc", "verify"} {
		if out, errOut, code := first.command("repo", verb, vandalised, "--timeout", "5m"); code != 0 {
			t.Errorf("repo %s: exit %d\n%s%s", verb, code, out, errOut)
		}
	}
	for _, p := range v.f.nodes {
		if gone := v.missing(p, row.ID); len(gone) > 0 {
			t.Errorf("%s has lost, in maintenance, %v", p.Name, gone)
		}
		gittest.Run(t, p.repoDir(row.ID), "-c", "safe.directory=*", "fsck", "--full", "--no-dangling")
	}
	v.restore()
	t.Logf("of %d tips that were published all are there: %v", len(v.seen), v.done)
}

// missing are the tips that were published and to which nothing leads in a node's copy that it
// names, whole as it is.
func (v *vandal) missing(p *proc, id string) (gone []string) {
	v.t.Helper()
	out, err := gittest.Try(v.t, p.repoDir(id), "-c", "safe.directory=*", "-c", "core.commitGraph=false", "rev-list", "--objects", "--no-object-names", "--all")
	if err != nil {
		return []string{err.Error() + out}
	}
	have := map[string]bool{}
	for line := range strings.Lines(out) {
		have[strings.TrimSpace(line)] = true
	}
	for oid, ref := range v.seen {
		if !have[oid] {
			gone = append(gone, ref+" "+oid)
		}
	}
	return gone
}

// restore sets back some of what is kept, each from another node, and looks at all of them.
func (v *vandal) restore() {
	t := v.t
	t.Helper()
	kept, err := v.some1().client.Refs(t.Context(), vandalised, api.RefQuery{Kept: true, Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, ref := range kept.Refs {
		if names[ref.Ref] || v.seen[ref.OID] == "" || ref.Ref == "HEAD" || len(names) == 3 {
			continue
		}
		names[ref.Ref] = true
		if out, errOut, code := v.some1().command("repo", "restore", vandalised, ref.Ref, "--to", ref.OID, "--yes"); code != 0 {
			t.Errorf("restore %s to %s: exit %d\n%s%s", ref.Ref, ref.OID, code, out, errOut)
			continue
		}
		for _, p := range v.f.nodes {
			testlog.Eventually(t, ref.Ref+" to be back on "+p.Name, func() bool {
				return strings.Contains(gittest.LsRemote(t, p.gitURL(vandalised)), ref.OID+"\t"+ref.Ref+"\n")
			})
			dir := filepath.Join(t.TempDir(), "back")
			gittest.Run(t, t.TempDir(), "clone", "--quiet", "--bare", "--mirror", p.gitURL(vandalised), dir)
			gittest.Run(t, dir, "rev-list", "--objects", "--quiet", ref.OID)
		}
	}
	if len(names) == 0 {
		t.Errorf("nothing could be set back: %+v", kept)
	}
}

// repoDir is where a node has a copy.
func (p *proc) repoDir(id string) string {
	p.t.Helper()
	found, err := filepath.Glob(filepath.Join(p.Dir, "repos", "*", id+".git"))
	if err != nil || len(found) != 1 {
		p.t.Fatalf("%s has %v of %s: %v", p.Name, found, id, err)
	}
	if _, err := os.Stat(found[0]); err != nil {
		p.t.Fatal(err)
	}
	return found[0]
}
