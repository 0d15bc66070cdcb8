package world

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	plant = flag.String("world.plant", "a key belongs to no request", "faults to put into the product, each into one of its own, and to look for: their names with commas between them, or all")
	times = flag.Int("world.times", 1, "how often to look for each")
)

// planted is a fault that the product has had, or could have had: edits of its source. The
// product itself knows nothing of them.
type planted struct {
	name  string
	edits []cut
}

type cut struct{ file, old, new string }

// plants are the faults that worlds must find. What they take away is a rule each.
var plants = []planted{
	{"one part of the leader's work holds up the rest", []cut{{"coordinator/coordinator.go", `	return errors.Join(
		c.attempt(ctx, "found", "", c.found),
		c.incarnations(ctx),
		c.liveness(ctx),
		c.voters(ctx),
		c.attempt(ctx, "leadership", "", c.handOver),
		c.placement(ctx),
`, `	if err := errors.Join(c.attempt(ctx, "found", "", c.found), c.voters(ctx)); err != nil {
		return err
	}
	return errors.Join(
		c.incarnations(ctx),
		c.liveness(ctx),
		c.placement(ctx),
`}, {"coordinator/voters.go", `				addr = nowhere(n.ID)
`, `				continue
`}}},
	{"peers are waited for without a bound", []cut{{"peer/client.go", "quick: patience{answerWithin, stallAfter, enough}", "quick: patience{0, 1 << 60, 1}"}}},
	{"what upstream showed counts whatever is live", []cut{{"mirror/sync/check.go", "if s.of != asked(upstream, a.Policy.RefPrefixes, live) || live != a.Digest || len(a.Pins) > 0 {", "_ = live\n\tif len(a.Pins) > 0 {"}}},
	{"nobody is expected back", []cut{{"agent/holders.go", "case a.expected(n, time.Now()):", "case false:"}}},
	{"a voter goes on without its log", []cut{
		{"cluster/store.go", "case missing && cfg.LogID != \"\":", "case false:"},
		{"cluster/store.go", "case logID != \"\" && string(id) != logID:", "case false:"},
	}},
	{"entries are appended unread", []cut{{"leader/propose.go", "admitted, err := fsm.Admit(entry, r.Format(), r.Now())", "admitted, err := entry, error(nil)"}}},
	{"the leader's clock is log time", []cut{{"coordinator/time.go", "list = append(list, at(now))", "_, _ = at, now"}}},
	{"who was removed runs on", []cut{
		{"node/run.go", "case <-n.cluster.Removed():\n\t\treturn removed(membership.ErrOut)", "case <-make(chan int):\n\t\treturn removed(membership.ErrOut)"},
		{"node/standing.go", "case row == nil && seen:", "case row == nil && seen && false:"},
		{"membership/out.go", "return ErrOut", "continue"},
	}},
	{"a lone copy is not made anew", []cut{{"mirror/sync/successor.go", "if have == 0 && holders.may(1) {", "if have == 0 {"}}},
	{"a key belongs to no request", []cut{{"fsm/state.go", "if s.tables.format >= formatKeys && s.requests.reused(cmd.requestID) {", "if false {"}}},
	// Of the two either alone is enough, but where a node owns the row again.
	{"epochs are not compared", []cut{
		{"fsm/publish.go", "if node == nil || row.Owner != node.Num {", "if node == nil {"},
		{"fsm/publish.go", "if row.Epoch != c.GetEpoch() {", "if false {"},
	}},
	// What is told twice is answered from memory, for an hour: either alone is enough.
	{"generations are not compared", []cut{
		{"fsm/publish.go", "if row.Generation != c.GetFromGeneration() || c.GetGeneration() != c.GetFromGeneration()+1 {", "if false {"},
		{"agent/publish.go", "fmt.Sprintf(\"publish/%s/%d\", c.ID, c.Epoch)", "fmt.Sprint()"},
	}},
	{"a new leader does not wait for what was committed", []cut{{"cluster/leader.go", "err := c.await(t.ctx, func() error { return c.raft.Barrier(enqueueTimeout).Error() })", "var err error"}}},
	// A row loses a copy unasked only when the node is removed, and then nothing is followed.
	{"a copy is removed where its row is gone", []cut{
		{"agent/assign.go", "\tdelete(as.leaving, id)\n\tdelete(as.wanted, id)\n\tas.takeBack(id)\n}", "\tas.leaving[id] = true\n\tas.takeBack(id)\n}"},
		{"agent/assign.go", "\tif self == nil {\n\t\treturn\n\t}\n\tif as.agent.watchNodes", "\tif self == nil {\n\t\tself = &fsm.Node{}\n\t}\n\tif as.agent.watchNodes"},
	}},
	{"what upstream takes away is not kept", []cut{{"mirror/past/keep.go", "gone = append(gone, Gone{c, s.settled(c.Ref), lost[c.Ref+\" \"+c.Old]})", "_ = lost"}}},
	{"a source is not guarded", []cut{{"source/guard.go", "return max(guardLeast-1, claims/guardShare)", "return max(1<<30, claims/guardShare)"}}},
	{"a page that fails is the end", []cut{{"source/forge/client/pass.go", "\t\tr, err := l.read(ctx, of, n, before, found)\n", "\t\tr, err := l.read(ctx, of, n, before, found)\n\t\tif err != nil && n > 1 {\n\t\t\tbreak\n\t\t}\n"}}},
	{"what people want goes with its source", []cut{{"fsm/sourced.go", "case len(list) == 0 && !of.Hand:", "case len(list) == 0:"}}},
	{"what a source wants goes with people", []cut{{"fsm/repos.go", "if list := t.claims.on(id); len(list) > 0 {", "if list := t.claims.on(id); false {"}}},
	{"what is renamed is another", []cut{{"fsm/claimed.go", "\treturn own, true\n}\n\n// pinned tells", "\treturn nil, false\n}\n\n// pinned tells"}}},
	{"every node lists", []cut{{"source/lister/forges.go", "if !src.IsForge() || src.Owner != self.Num || !has.mayList(view, src) {", "if !src.IsForge() {"}}},
	{"whatever has the number is shown", []cut{
		{"mirror/store/candidate.go", "is(&r.live), is(r.candidate)", "is(&r.live), r.candidate != nil && r.candidate.Generation == generation"},
		{"mirror/store/candidate.go", "if !is(c) {", "if c == nil || c.Generation != generation {"},
		{"mirror/sync/reconcile.go", "case a.Generation == generation && a.Digest == digest:", "case a.Generation == generation:"},
		{"mirror/sync/follow.go", "if next.Digest() != a.Digest {", "if false {"},
	}},
}

func root(t *testing.T) string {
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// overlay writes the edited files to dir, and what tells go of them.
func (p planted) overlay(t *testing.T, dir string) (path string) {
	replace := map[string]string{}
	for i, e := range p.edits {
		at := filepath.Join(root(t), e.file)
		from := at
		if edited := replace[at]; edited != "" {
			from = edited
		}
		source, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(source, []byte(e.old)); n != 1 {
			t.Fatalf("%s: what is to be edited stands %d times in %s:\n%s", p.name, n, e.file, e.old)
		}
		to := filepath.Join(dir, fmt.Sprintf("%d.go", i))
		if err := os.WriteFile(to, bytes.Replace(source, []byte(e.old), []byte(e.new), 1), 0o644); err != nil {
			t.Fatal(err)
		}
		replace[at] = to
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// The source still has what the planted faults take away, and is a program without: without all of
// it at once, which takes one build.
func TestPlantedFaultsCanBePlanted(t *testing.T) {
	all := planted{name: "all of them"}
	for _, p := range plants {
		p.overlay(t, t.TempDir())
		all.edits = append(all.edits, p.edits...)
	}
	if all.build(t) == nil {
		return
	}
	for _, p := range plants {
		if err := p.build(t); err != nil {
			t.Error(err)
		}
	}
}

func (p planted) build(t *testing.T) error {
	args := []string{"build", "-overlay", p.overlay(t, t.TempDir())}
	for _, e := range p.edits {
		args = append(args, filepath.Join(root(t), filepath.Dir(e.file)))
	}
	if out, err := static("go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", p.name, err, out)
	}
	return nil
}

// static is a command without cgo: with what it compiles, what is compiled for people serves too.
func static(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return cmd
}

// foundWithin is how much time of processors it may take to find a planted fault.
const foundWithin = 3 * time.Minute

// Each planted fault is found in worlds of fresh seeds, by what they must keep to.
func TestPlantedFaultsAreFound(t *testing.T) {
	for _, p := range plants {
		if *plant != "all" && !strings.Contains(","+*plant+",", ","+p.name+",") {
			continue
		}
		dir := t.TempDir()
		binary := filepath.Join(dir, "world.test")
		if out, err := static("go", "test", "-c", "-overlay", p.overlay(t, dir), "-o", binary, ".").CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", p.name, err, out)
		}
		for range *times {
			cmd := exec.Command(binary, "-test.run", "WhateverHappens", "-test.timeout", "0", "-world.cpu", foundWithin.String(), "-world.shrink=false", "-world.journal", *keep)
			out, err := cmd.CombinedOutput()
			took := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			if err == nil {
				t.Errorf("%s: not found in %s of processor time\n%s", p.name, took.Round(time.Second), out)
				continue
			}
			t.Logf("%s: found in %s of processor time: %s", p.name, took.Round(time.Second), found(out))
		}
	}
}

// found is the first thing that did not hold.
func found(out []byte) string {
	lines := strings.Split(string(out), "\n")
	for i, line := range lines {
		if strings.Contains(line, "Setup{") && i+1 < len(lines) {
			return strings.TrimSpace(lines[i+1])
		}
	}
	return string(out[max(0, len(out)-2000):])
}
