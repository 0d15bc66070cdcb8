package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
)

func TestLeaderKilled(t *testing.T) {
	f, up := newCluster(t, 3), newForge(t)
	dead := f.leader()
	rest := f.others(dead)
	// Which of its copies owns a row is drawn from its id: rows are added until the leader owns one.
	var names []string
	for owned := false; len(names) < 4 || !owned; {
		if len(names) == 20 {
			t.Fatalf("the leader owns none of %d repos: owners are not spread", len(names))
		}
		name := fmt.Sprintf("r%d", len(names))
		up.sample(name)
		row := f.nodes[0].add(up, name, 2)
		names, owned = append(names, name), owned || row.Owner == dead.Name
	}
	began := time.Now()
	dead.Kill()
	up.sample("e")
	rest[0].write(func() error {
		_, err := rest[0].client.Add(t.Context(), api.AddRepo{URL: up.URL("e"), Name: "e", Interval: "1s"}, "add-e")
		return err
	})
	t.Logf("next write accepted %s after the kill", time.Since(began).Round(time.Millisecond))
	for _, name := range names {
		up.shows(name, rest) // clones that begin after the kill succeed
		up.push(name, "after the kill")
	}
	for _, name := range names {
		up.shows(name, rest)
		r := rest[1].await(name, "owned by a living node", func(r *api.Repo) bool { return r.Owner != dead.Name && r.Owner != "" })
		if r.Generation != 2 {
			t.Errorf("%s is at generation %d after one push, want 2", name, r.Generation)
		}
	}
	// The dead node comes back as itself and clones nothing from upstream.
	dead.start(nil)
	f.settled(3)
	for _, name := range names {
		up.shows(name, f.nodes)
		if n := up.clones(name); n != 1 {
			t.Errorf("upstream saw %d clones of %s, want 1", n, name)
		}
	}
}

func TestOwnerKilledInMidFetch(t *testing.T) {
	f, up := newCluster(t, 3), newForge(t)
	up.sample("a")
	row := f.nodes[0].add(up, "a", 2)
	owner := f.node(row.Owner)
	asked, release := make(chan struct{}), make(chan struct{})
	once := sync.OnceFunc(func() { close(asked) })
	up.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		// git itself fetches; our own client only asks for refs.
		if strings.HasSuffix(r.URL.Path, "/git-upload-pack") && strings.HasPrefix(r.UserAgent(), "git/2") {
			once()
			<-release
		}
		return false
	})
	up.push("a", "never fetched by its first owner")
	<-asked
	owner.Kill()
	up.Intercept(nil)
	close(release)
	up.shows("a", f.others(owner))
	owner.start(nil)
	f.settled(3)
	up.shows("a", f.nodes)
	if r := owner.await("a", "at one generation everywhere", oneGeneration); r.Generation != 2 {
		t.Errorf("generation %d after one push, want 2", r.Generation)
	}
}

// oneGeneration tells that every copy has reported the published generation.
func oneGeneration(r *api.Repo) bool {
	for _, c := range r.Copies {
		if c.State != "ready" || c.Generation != r.Generation {
			return false
		}
	}
	return r.State == "ready"
}

func TestAllKilledAndRestarted(t *testing.T) {
	f, up := newCluster(t, 3), newForge(t)
	for _, name := range []string{"a", "b", "c"} {
		up.sample(name)
		f.nodes[1].add(up, name, 2)
	}
	all(f.nodes, (*proc).Kill)
	// One alone knows no table: it serves what is on its disk, and does not claim
	// that there is nothing else.
	alone := f.nodes[0]
	alone.start(nil)
	served := 0
	for _, name := range []string{"a", "b", "c"} {
		if _, err := gittest.Try(t, t.TempDir(), "clone", "--quiet", alone.gitURL(name), "c"); err == nil {
			served++
		}
	}
	if served != 2 {
		t.Errorf("a node that is alone after a restart serves %d repos, want the 2 it holds", served)
	}
	_, err := alone.client.Repo(t.Context(), "a")
	if p, ok := err.(*api.Problem); !ok || p.Status != http.StatusServiceUnavailable || p.Code != "not_caught_up" {
		t.Errorf("it answers for a repo with %v, want 503 not_caught_up", err)
	}
	if s, err := alone.client.Status(t.Context()); err != nil || s.Verdict != api.NoQuorum || !s.CatchingUp {
		t.Errorf("its status is %+v, %v; want no_quorum and catching up", s, err)
	}
	all(f.others(alone), func(p *proc) { p.start(nil) })
	f.settled(3)
	for _, name := range []string{"a", "b", "c"} {
		up.push(name, "after the restart")
		up.shows(name, f.nodes)
		if n := up.clones(name); n != 1 {
			t.Errorf("upstream saw %d clones of %s, want 1", n, name)
		}
	}
}

func TestOneOfThreeLeft(t *testing.T) {
	f, up := newCluster(t, 3), newForge(t)
	names := []string{"a", "b", "c", "d", "e", "f"}
	holders := map[string][]string{}
	for _, name := range names {
		up.sample(name)
		for _, c := range f.nodes[0].add(up, name, 2).Copies {
			holders[name] = append(holders[name], c.Node)
		}
	}
	last, dead := f.nodes[2], f.nodes[:2]
	for _, name := range names { // it can only name the holders it knows
		last.await(name, "ready", func(r *api.Repo) bool { return r.State == "ready" })
	}
	all(dead, (*proc).Kill)
	testlog.EventuallyIn(t, time.Minute, "the loss of quorum", func() bool {
		s, err := last.client.Status(t.Context())
		return err == nil && s.Verdict == api.NoQuorum
	})
	served := 0
	for _, name := range names {
		if strings.Contains(strings.Join(holders[name], " "), last.Name) {
			served++
			up.shows(name, []*proc{last})
			continue
		}
		out, err := gittest.Try(t, t.TempDir(), "clone", last.gitURL(name), "c")
		if err == nil {
			t.Errorf("%s was cloned from a node that has no copy", name)
		}
		for _, h := range holders[name] {
			if !strings.Contains(out, h+" (http") {
				t.Errorf("the refusal of %s does not name its holder %s:\n%s", name, h, out)
			}
		}
	}
	if served == 0 || served == len(names) {
		t.Fatalf("the survivor holds %d of %d: nothing is tested", served, len(names))
	}
	for _, path := range []string{"/api/v1/repos", "/api/v1/repos?consistent=true"} {
		resp, err := http.Get(last.HTTP + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		age, err := strconv.Atoi(resp.Header.Get("X-Gitmirror-Last-Contact"))
		if consistent := strings.Contains(path, "?"); resp.StatusCode != map[bool]int{false: 200, true: 503}[consistent] || !consistent && (err != nil || age == 0) {
			t.Errorf("%s without quorum: %d, of %d ms ago, %v", path, resp.StatusCode, age, err)
		}
	}
	_, err := last.client.Add(t.Context(), api.AddRepo{URL: up.URL("a"), Name: "late"}, "late")
	if p, ok := err.(*api.Problem); !ok || p.Status != http.StatusServiceUnavailable || p.Code != "no_leader" {
		t.Errorf("a write without quorum was answered with %v, want 503 no_leader", err)
	}
	all(dead, func(p *proc) { p.start(nil) })
	f.settled(3)
	for _, name := range names {
		up.push(name, "after it all")
		up.shows(name, f.nodes)
	}
}

func TestOwnerPausedAndResumed(t *testing.T) {
	f, up := newCluster(t, 3), newForge(t)
	up.sample("a")
	row := f.nodes[0].add(up, "a", 2)
	owner := f.node(row.Owner)
	rest := f.others(owner)
	owner.signal(syscall.SIGSTOP)
	rest[0].await("a", "owned by another", func(r *api.Repo) bool { return r.Owner != "" && r.Owner != owner.Name })
	up.push("a", "while the old owner sleeps")
	up.shows("a", rest)
	owner.signal(syscall.SIGCONT)
	f.settled(3)
	up.push("a", "when it is awake")
	up.shows("a", f.nodes)
	owner.await("a", "at one generation everywhere", oneGeneration)
}

// The owner stops between candidate and Publish; ownership moves; it resumes
// with a candidate that must never be served.
func TestOwnerPausedBeforePublish(t *testing.T) {
	f := newCluster(t, 3, "GITMIRROR_CRASHPOINT=before-publish:2:STOP")
	up := newForge(t)
	up.sample("a")
	row := f.nodes[0].add(up, "a", 3)
	owner := f.node(row.Owner)
	rest := f.others(owner)
	up.push("a", "prepared by the old owner")
	testlog.Eventually(t, "the owner to stop with its candidate", owner.stopped)
	// What the next owner publishes under the same number is something else.
	up.push("a", "while the old owner sleeps")
	rest[0].await("a", "owned by another", func(r *api.Repo) bool { return r.Owner != "" && r.Owner != owner.Name })
	edge := rest[0].await("a", "published by the new owner", func(r *api.Repo) bool { return r.Generation == 2 })
	up.Intercept(func(w http.ResponseWriter, r *http.Request) bool { // nothing newer hides what happens
		http.Error(w, "down", http.StatusBadGateway)
		return true
	})
	owner.signal(syscall.SIGCONT)
	f.settled(3)
	for _, p := range f.nodes {
		r := p.await("a", "at one generation everywhere", func(r *api.Repo) bool {
			for _, c := range r.Copies {
				if c.Generation != 2 {
					return false
				}
			}
			return len(r.Copies) == 3
		})
		if r.RefsDigest != edge.RefsDigest || r.Generation != 2 {
			t.Errorf("%s shows generation %d with digest %s, want 2 with %s", p.Name, r.Generation, r.RefsDigest, edge.RefsDigest)
		}
	}
	first := gittest.LsRemote(t, f.nodes[0].gitURL("a"))
	for _, p := range f.nodes[1:] {
		if got := gittest.LsRemote(t, p.gitURL("a")); got != first {
			t.Errorf("%s serves another generation than %s", p.Name, f.nodes[0].Name)
		}
	}
}

// stopped tells whether the process is stopped by a signal.
func (p *proc) stopped() bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid()))
	if err != nil {
		return false
	}
	_, rest, ok := strings.Cut(string(data), ") ")
	return ok && strings.HasPrefix(rest, "T")
}

func TestJoiningNodeTakesItsShare(t *testing.T) {
	f, up := newCluster(t, 2), newForge(t)
	var names []string
	for i := range 9 {
		names = append(names, fmt.Sprintf("r%d", i))
		up.sample(names[i])
		f.nodes[0].add(up, names[i], 2)
	}
	third := f.join("n3")
	third.client.Status(t.Context())
	testlog.EventuallyIn(t, 90*time.Second, "the new node's share", func() bool {
		list, err := f.nodes[0].client.Repos(t.Context(), api.Query{})
		if err != nil {
			return false
		}
		mine, settled := 0, true
		for _, r := range list.Repos {
			ready := 0
			for _, c := range r.Copies {
				if c.State == "ready" {
					ready++
					if c.Node == third.Name {
						mine++
					}
				}
			}
			if ready == 0 {
				t.Errorf("%s has no ready copy while a node joins", r.Name)
			}
			settled = settled && len(r.Copies) == 2 && ready == 2
		}
		return settled && mine >= len(names)*2/3-1
	})
	for _, name := range names {
		up.shows(name, f.nodes)
		if n := up.clones(name); n != 1 {
			t.Errorf("upstream saw %d clones of %s, want 1", n, name)
		}
	}
}

// Two people set one thing to two values, one of them through a leader that is cut off just
// then: what was acknowledged last is what all nodes have.
func TestContrarySettings(t *testing.T) {
	f, up := newCluster(t, 3), newForge(t)
	up.sample("a")
	f.nodes[0].add(up, "a", 2)
	cut := f.leader()
	rest := f.others(cut)
	cut.signal(syscall.SIGSTOP)
	mine, theirs := int64(1<<30), int64(2<<30)
	acknowledged := make(chan error, 1)
	go func() {
		_, err := cut.client.Set(t.Context(), "a", api.SetRepo{MaxSize: &mine}, "mine")
		acknowledged <- err
	}()
	rest[0].write(func() error {
		_, err := rest[0].client.Set(t.Context(), "a", api.SetRepo{MaxSize: &theirs}, "theirs")
		return err
	})
	cut.signal(syscall.SIGCONT)
	want := theirs
	err := <-acknowledged
	if err == nil {
		want = mine
	}
	f.settled(3)
	for _, p := range f.nodes {
		testlog.Eventually(t, fmt.Sprintf("%s to have %d; the write through the old leader ended with %v", p.Name, want, err), func() bool {
			r, err := p.client.Repo(t.Context(), "a")
			return err == nil && r.MaxSize == want
		})
	}
}

// With five nodes two may die at once: here the leader, and another that owns.
func TestLeaderAndOwnerKilledAtOnce(t *testing.T) {
	f, up := newCluster(t, 5), newForge(t)
	names := []string{"a", "b", "c", "d", "e"}
	for _, name := range names {
		up.sample(name)
		f.nodes[0].add(up, name, 3)
	}
	leader := f.leader()
	var owner *proc
	for _, name := range names {
		if r := leader.await(name, "owned", func(r *api.Repo) bool { return r.Owner != "" }); r.Owner != leader.Name {
			owner = f.node(r.Owner)
		}
	}
	if owner == nil {
		t.Fatal("the leader owns everything: owners are not spread")
	}
	all([]*proc{leader, owner}, (*proc).Kill)
	rest := f.others(leader, owner)
	for _, name := range names {
		up.push(name, "after both died")
	}
	for _, name := range names {
		rest[0].await(name, "owned by a living node", func(r *api.Repo) bool {
			return r.Owner != "" && r.Owner != leader.Name && r.Owner != owner.Name
		})
		up.shows(name, rest)
		if n := up.clones(name); n != 1 {
			t.Errorf("upstream saw %d clones of %s, want 1", n, name)
		}
	}
	all([]*proc{leader, owner}, func(p *proc) { p.start(nil) })
	f.settled(5)
	for _, name := range names {
		up.shows(name, f.nodes)
	}
}
