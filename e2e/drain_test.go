package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
)

// drainable is a cluster of four with repositories.
func drainable(t *testing.T, names ...string) (*cluster, *forge) {
	t.Helper()
	f, up := newCluster(t, 4), newForge(t)
	for _, name := range names {
		up.sample(name)
		f.nodes[0].add(up, name, 2)
	}
	return f, up
}

// drained wants a node to have nothing, as another sees it.
func (p *proc) drained(name string) {
	p.t.Helper()
	n, err := p.client.Node(p.t.Context(), name)
	if err != nil || n.Drain == nil || !n.Drain.Done || n.Copies != 0 || n.Owned != 0 || n.Role == "leader" {
		p.t.Errorf("%s is %+v (%v), want it drained", name, n, err)
	}
}

// A node is drained to the end while people clone, and gets nothing new, restarted neither;
// then it goes, and nobody misses it. The one that leads hands that over.
func TestALeaderIsDrainedWhileCloned(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c", "d", "e", "f"}
	f, up := drainable(t, names...)
	leads := f.leader()
	rest := f.others(leads)

	ctx, stop := context.WithCancel(t.Context())
	var clones sync.WaitGroup
	for _, p := range f.nodes { // the draining one too: it streams what it has not
		clones.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				name := names[i%len(names)]
				if _, err := gittest.Try(t, t.TempDir(), "clone", "--quiet", p.gitURL(name), "c"); err != nil && ctx.Err() == nil {
					t.Errorf("a clone of %s by %s during the drain: %v", name, p.Name, err)
				}
			}
		})
	}
	out, text, code := rest[0].command("node", "drain", leads.Name, "--deadline", "1m")
	stop()
	clones.Wait()
	if code != 0 || !strings.Contains(out, leads.Name+" is drained") || !strings.Contains(text, "gitmirror node undrain "+leads.Name) {
		t.Fatalf("drain: exit %d\n%s%s", code, out, text)
	}
	rest[0].drained(leads.Name)
	testlog.Eventually(t, "its vote to be the spare node's", func() bool {
		n, err := rest[0].client.Node(t.Context(), leads.Name)
		return err == nil && n.Role == "nonvoter"
	})

	leads.stop()
	leads.start(nil)
	up.sample("later")
	rest[0].add(up, "later", 3)
	rest[0].drained(leads.Name)
	for _, name := range append(names, "later") {
		up.push(name, "after the drain")
		up.shows(name, f.nodes)
		if n := up.clones(name); n != 1 {
			t.Errorf("upstream saw %d clones of %s, want 1", n, name)
		}
	}
	leads.stop()
	testlog.Eventually(t, "it to be seen as down", func() bool { return rest[0].stateOf(leads.Name) == "down" })
	if _, text, code := rest[0].command("node", "rm", leads.Name, "--yes"); code != 0 {
		t.Errorf("removing what was drained: exit %d\n%s", code, text)
	}
	testlog.Eventually(t, "three nodes that are well", func() bool {
		s, err := rest[0].client.Status(t.Context())
		return err == nil && s.Verdict == api.Healthy && len(s.Nodes) == 3
	})
}

// A drain goes on over the deaths of leaders, and of the node itself.
func TestADrainOutlivesWhoLeads(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c", "d", "e", "f"}
	f, up := drainable(t, names...)
	leads := f.leader()
	victim := f.others(leads)[0]
	by := f.others(leads, victim)[0]
	if _, text, code := by.command("node", "drain", victim.Name, "--detach"); code != 0 {
		t.Fatalf("drain: exit %d\n%s", code, text)
	}
	leads.Kill()
	victim.Kill()
	victim.start(nil)
	leads.start(nil)
	for _, p := range f.others(victim) {
		testlog.EventuallyIn(t, time.Minute, "the drain to be over as "+p.Name+" sees it", func() bool {
			n, err := p.client.Node(t.Context(), victim.Name)
			return err == nil && n.Drain != nil && n.Drain.Done && n.Leaving == 0
		})
	}
	if out, _, code := by.command("node", "drain", victim.Name); code != 0 || !strings.Contains(out, "is drained") {
		t.Errorf("looking again: exit %d, %s", code, out)
	}
	for _, name := range names {
		by.await(name, "on two others", func(r *api.Repo) bool { return len(r.Copies) == 2 && oneGeneration(r) })
		up.shows(name, f.nodes)
	}
	if _, text, code := by.command("node", "undrain", victim.Name); code != 0 {
		t.Errorf("undrain: exit %d\n%s", code, text)
	}
	testlog.EventuallyIn(t, time.Minute, "it to have its share again", func() bool {
		n, err := by.client.Node(t.Context(), victim.Name)
		return err == nil && n.Drain == nil && n.State == "up" && n.Copies > 0
	})
}

func TestADrainThatCannotEndIsRefused(t *testing.T) {
	t.Parallel()
	f, up := newCluster(t, 2), newForge(t)
	up.sample("a")
	f.nodes[0].add(up, "a", 2)
	p := f.nodes[0]
	for args, want := range map[string]struct {
		code  int
		words []string
	}{
		"node drain n2":                  {6, []string{"a (2 copies, 1 nodes)", "Try:", "--join"}},
		"node drain n9":                  {5, []string{"gitmirror node ls"}},
		"node undrain n9":                {5, []string{"gitmirror node ls"}},
		"cluster transfer-leader n9":     {5, []string{"gitmirror node ls"}},
		"cluster transfer-leader n2":     {6, []string{"n2 has no vote"}},
		"node drain n2 --deadline 0s":    {2, []string{"--deadline"}},
		"node rm n2 --accept-loss --yes": {6, []string{"n2 is up"}},
		"node drain n2 --detach":         {6, []string{"a (2 copies"}},
	} {
		_, text, code := p.command(strings.Fields(args)...)
		if code != want.code {
			t.Errorf("%s: exit %d, want %d\n%s", args, code, want.code, text)
		}
		for _, w := range want.words {
			if !strings.Contains(text, w) {
				t.Errorf("%s does not say %q:\n%s", args, w, text)
			}
		}
	}
	if n, err := p.client.Node(t.Context(), "n2"); err != nil || n.Drain != nil {
		t.Errorf("what was refused left %+v (%v)", n, err)
	}
	// What would end the refusal is what the hint says. Its deadline is told, with what is left.
	f.join("n3")
	f.settled(3)
	f.nodes[2].signal(syscall.SIGSTOP)
	defer f.nodes[2].signal(syscall.SIGCONT)
	cmd := exec.CommandContext(t.Context(), binary, "node", "drain", "n2", "--deadline", "500ms", "--addr", p.HTTP)
	text, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 8 || !strings.Contains(string(text), "n2 goes on draining: 1 copy left") || !strings.Contains(string(text), "gitmirror node undrain n2") {
		t.Errorf("after the deadline: exit %d\n%s", code, text)
	}
}

// Leadership goes where it is sent, whoever is asked for that.
func TestLeadershipIsHandedOver(t *testing.T) {
	t.Parallel()
	f := newCluster(t, 3)
	for i, p := range f.nodes {
		to := f.nodes[(i+1)%3].Name
		out, text, code := p.command("cluster", "transfer-leader", to)
		if code != 0 || out != to+" leads\n" || f.leader().Name != to {
			t.Errorf("to %s: exit %d\n%s%s; %s leads", to, code, out, text, f.leader().Name)
		}
	}
	before := f.leader()
	if out, text, code := before.command("cluster", "transfer-leader"); code != 0 || strings.Contains(out, before.Name) {
		t.Errorf("to any: exit %d\n%s%s", code, out, text)
	}
}

// Two dead disks are in each other's way until a person says that what was on them is lost;
// then it is cloned anew.
func TestTwoDeadDisks(t *testing.T) {
	t.Parallel()
	f, up := newCluster(t, 5), newForge(t)
	var lost []string
	var dead [2]*proc
	p := f.leader()
	for i := 0; len(lost) < 2; i++ { // some that are on the same two, neither of them the leader
		name := fmt.Sprintf("r%02d", i)
		up.sample(name)
		r := p.add(up, name, 2)
		on := [2]*proc{f.node(r.Copies[0].Node), f.node(r.Copies[1].Node)}
		if dead[0] == nil && on[0] != p && on[1] != p {
			dead = on
		}
		if dead[0] != nil && on == dead {
			lost = append(lost, name)
		}
	}
	for _, d := range dead {
		d.Kill()
	}
	for _, d := range dead {
		testlog.Eventually(t, d.Name+" to be seen as down", func() bool { return p.stateOf(d.Name) == "down" })
	}
	for _, d := range dead {
		_, text, code := p.command("node", "rm", d.Name, "--yes")
		if code != 6 || !strings.Contains(text, "2 repos") || !strings.Contains(text, strings.Join(lost, ", ")) || !strings.Contains(text, "gitmirror node rm "+d.Name+" --accept-loss") {
			t.Errorf("removing %s: exit %d\n%s", d.Name, code, text)
		}
	}
	for _, d := range dead {
		if _, text, code := p.command("node", "rm", d.Name, "--accept-loss", "--yes"); code != 0 {
			t.Fatalf("removing %s for good: exit %d\n%s", d.Name, code, text)
		}
	}
	rest := f.others(dead[0], dead[1])
	for _, name := range lost {
		p.await(name, "cloned anew", func(r *api.Repo) bool { return len(r.Copies) == 2 && oneGeneration(r) })
		up.push(name, "after the loss")
		up.shows(name, rest)
		if n := up.clones(name); n != 2 {
			t.Errorf("upstream saw %d clones of %s, want 2", n, name)
		}
		out, _, _ := p.command("events", "--repo", name)
		if !strings.Contains(out, "copy_lost") {
			t.Errorf("the events of %s do not tell of the loss:\n%s", name, out)
		}
	}
	testlog.Eventually(t, "three nodes that are well", func() bool {
		s, err := p.client.Status(t.Context())
		return err == nil && s.Verdict == api.Healthy && len(s.Nodes) == 3
	})
	for _, d := range dead {
		d.refused(6, nil, "removed")
	}
}
