package maintain

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gitmirror/internal/gittest"
	"gitmirror/internal/upstream"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
)

func TestPacksAreJoinedAndLooseObjectsFoldedIn(t *testing.T) {
	g := newRig(t)
	for range 12 {
		g.push("main", 100)
	}
	if n := g.packs(); n != 12 {
		t.Fatalf("%d packs", n)
	}
	loose := strings.TrimSpace(gittest.Run(t, g.copy.Dir(), "-c", "safe.directory=*", "hash-object", "-w", filepath.Join(g.up.Dir, "config")))
	for range 2 {
		g.tend(Join)
		if n := g.packs(); n > bound(40) {
			t.Errorf("%d packs are left", n)
		}
		if list, err := g.copy.Loose(); err != nil || len(list) > 0 {
			t.Errorf("loose are %v, %v", list, err)
		}
		if !g.has(loose) {
			t.Error("a loose object is gone")
		}
		g.whole()
	}
	if g.freed == 0 || g.cares["01REPO"].record.Tended != epoch {
		t.Errorf("%d bytes freed, %+v", g.freed, g.cares["01REPO"].record)
	}
}

// What stays, and what goes: each object is on a branch of its own, of which only one table
// tells.
func TestOnlyWhatNothingNeedsGoes(t *testing.T) {
	g := newRig(t)
	g.push("main", 100)
	branch := func(name string) string {
		g.edit(func(e *upstream.Edit) {
			e.Commit(name, "on "+name, map[string]string{name: noise(len(name), 1000)})
		})
		return g.tip(name)
	}
	kept := branch("kept")
	long, aside, lately, candidate, never := branch("left-long-ago"), branch("aside"), branch("lately"), branch("candidate"), branch("never")
	drop := func(table *refs.Table, names ...string) *refs.Table {
		table.Refs = slices.DeleteFunc(table.Refs, func(r refs.Ref) bool {
			return slices.ContainsFunc(names, func(n string) bool { return r.Name == "refs/heads/"+n })
		})
		return table
	}
	g.arrive(kept, long, aside, lately, candidate, never)
	private := func(table *refs.Table) *refs.Table {
		for i, r := range table.Refs {
			if r.Name == "refs/heads/kept" {
				table.Refs[i].Name = refs.Private + "kept/1700000000/heads/kept"
			}
		}
		refs.Sort(table.Refs)
		return table
	}
	g.activate(private(drop(g.table(), "candidate", "never")))
	live, err := g.copy.Table()
	if err != nil {
		t.Fatal(err)
	}
	live = &refs.Table{Generation: live.Generation, Candidate: live.Candidate, Head: live.Head, Refs: slices.DeleteFunc(slices.Clone(live.Refs), func(r refs.Ref) bool { return r.Name != "refs/heads/aside" })}
	if err := g.copy.SetAside(live); err != nil {
		t.Fatal(err)
	}
	g.activate(private(drop(g.table(), "candidate", "never", "left-long-ago", "aside")))
	g.clock.Advance(store.LeftFor + time.Minute)
	g.activate(private(drop(g.table(), "candidate", "never", "left-long-ago", "aside", "lately")))
	if err := g.copy.Prepare(private(drop(g.table(), "never", "left-long-ago", "aside", "lately")), nil); err != nil {
		t.Fatal(err)
	}
	g.tend(Gather)
	for name, oid := range map[string]string{"main": g.tip("main"), "kept": kept, "aside": aside, "lately": lately, "candidate": candidate} {
		if !g.has(oid) || !g.has(oid+":"+strings.TrimPrefix(name, "main")) {
			t.Errorf("%s is gone", name)
		}
	}
	for name, oid := range map[string]string{"never": never, "left-long-ago": long} {
		if g.has(oid) {
			t.Errorf("%s is still there", name)
		}
	}
	g.whole()
	if err := g.copy.Discard(); err != nil {
		t.Fatal(err)
	}
	g.clock.Advance(store.LeftFor)
	g.tend(Gather)
	for name, oid := range map[string]string{"lately": lately, "candidate": candidate} {
		if g.has(oid) {
			t.Errorf("%s is still there, though nothing needs it any more", name)
		}
	}
	if !g.has(kept) || !g.has(aside) {
		t.Error("what is kept or set aside is gone after a day")
	}
	g.whole()
}

// What somebody has proved to be here, who is about to name it, stays; and so does what came
// meanwhile.
func TestNothingGoesThatIsBuiltOn(t *testing.T) {
	for _, prepared := range []bool{true, false} {
		g := newRig(t)
		g.push("main", 100)
		g.edit(func(e *upstream.Edit) {
			e.Branch("topic", "main")
			e.Commit("topic", "more", map[string]string{"more": noise(1, 3000)})
		})
		topic := g.tip("topic")
		g.arrive(topic) // and no table has it
		var release func()
		g.cfg.Objects = during{g.cfg.Objects, func() {
			var err error
			if release, err = g.copy.Build(); err != nil {
				t.Fatal(err)
			}
		}}
		g.look()
		g.Ask("01REPO", Gather)
		g.tend(Gather)
		g.edit(func(e *upstream.Edit) { e.Commit("late", "late", map[string]string{"late": "late"}) })
		late := g.tip("late")
		g.arrive(late)
		without := g.table()
		without.Refs = slices.DeleteFunc(without.Refs, func(r refs.Ref) bool { return r.OID == topic })
		g.activate(without)
		g.clock.Advance(time.Minute)
		g.depart(t.Context())
		if !g.has(topic) {
			t.Fatal("it is gone while somebody builds on it")
		}
		table := g.table()
		if prepared {
			if err := g.copy.Prepare(table, nil); err != nil {
				t.Fatal(err)
			}
		}
		release()
		g.depart(t.Context())
		if s := g.Status("01REPO"); s.Failure != "" || slices.Contains(s.Wanted, Gather) != prepared {
			t.Errorf("prepared %v: %+v", prepared, s)
		}
		if g.has(topic) != prepared {
			t.Errorf("prepared %v: it is there: %v", prepared, !prepared)
		}
		if prepared {
			g.activate(table)
			if !g.has(topic) {
				t.Error("it is gone after it was published")
			}
		}
		if !g.has(late) {
			t.Error("what came meanwhile is gone")
		}
		g.whole()
	}
}

// What a run has brought, and is about to name, is no part of what is gathered: that waits for
// the run.
func TestWhatIsGatheredIsWholeGenerations(t *testing.T) {
	g := newRig(t)
	g.push("main", 100)
	release, err := g.copy.Build()
	if err != nil {
		t.Fatal(err)
	}
	g.edit(func(e *upstream.Edit) { e.Commit("main", "more", map[string]string{"more": noise(1, 3000)}) })
	g.arrive(g.tip("main"))
	g.look()
	if !g.Ask("01REPO", Gather) {
		t.Fatal("it is not here")
	}
	g.tend(Gather)
	if s := g.Status("01REPO"); !slices.Equal(s.Wanted, []Job{Gather}) || s.Failure != "" || s.Leaving || g.packs() != 2 {
		t.Errorf("%+v, %d packs", s, g.packs())
	}
	g.activate(g.table())
	release()
	g.tend(Gather)
	if s := g.Status("01REPO"); len(s.Wanted) > 0 || s.Leaving || g.packs() != 1 {
		t.Errorf("%+v, %d packs", s, g.packs())
	}
	g.whole()
}

// A pack stays for as long as somebody reads who may have it open, and is seen by nobody who
// comes later.
func TestReadersAreWaitedFor(t *testing.T) {
	for _, job := range []Job{Join, Gather} {
		g := newRig(t)
		for range 6 {
			g.push("main", 1000)
		}
		end := g.copy.Read()
		before, err := filepath.Glob(filepath.Join(g.copy.Dir(), "objects/pack/*.pack"))
		if err != nil {
			t.Fatal(err)
		}
		g.tend(job)
		for range 3 {
			g.depart(t.Context())
		}
		if n := g.packs(); n > 2 {
			t.Errorf("%s: %d packs are seen", job, n)
		}
		for _, p := range before {
			if _, err := os.Stat(p); err != nil {
				t.Errorf("%s: %v", job, err)
			}
		}
		later := g.copy.Read()
		end()
		g.depart(t.Context())
		if left := g.litter(); len(left) > 0 {
			t.Errorf("%s: left behind: %v", job, left)
		}
		later()
		g.whole()
	}
}

// A pack that comes again under the name of one that leaves stays.
func TestAPackThatComesAgainStays(t *testing.T) {
	g := newRig(t)
	g.push("main", 100)
	g.edit(func(e *upstream.Edit) {
		e.Branch("topic", "main")
		e.Commit("topic", "more", map[string]string{"more": noise(1, 3000)})
	})
	topic, main := g.tip("topic"), g.tip("main")
	g.arrive(topic)
	end := g.copy.Read()
	g.tend(Gather)
	if g.has(topic) {
		t.Fatal("it is not hidden")
	}
	g.have = []string{main}
	g.arrive(topic) // byte by byte the same
	end()
	g.depart(t.Context())
	if !g.has(topic) {
		t.Error("it is gone")
	}
	g.generation()
	g.whole()
	g.open(nil)
	g.whole()
}

// A large copy has what its readers find their way by; what is kept is not in it, and what is
// gone is in none.
func TestALargeCopyIsCharted(t *testing.T) {
	script := faultyGit(t, "multi-pack-index")
	g := newRig(t)
	g.edit(func(e *upstream.Edit) {
		for i := range 3500 {
			e.Commit("main", fmt.Sprint(i), map[string]string{fmt.Sprint("d", i%40, "/f", i): fmt.Sprint(i)})
		}
		e.Branch("gone", "main")
		e.Commit("gone", "to be pruned", map[string]string{"gone": "gone"})
		e.Branch("kept", "main")
		e.Commit("kept", "away", map[string]string{"kept": "kept"})
		e.Tag("v1", "main", "one")
	})
	g.arrive(g.tip("gone"))
	table := g.table()
	table.Refs = slices.DeleteFunc(table.Refs, func(r refs.Ref) bool { return r.Name == "refs/heads/gone" })
	for i, r := range table.Refs {
		if r.Name == "refs/heads/kept" {
			table.Refs[i].Name = refs.Private + "kept/1700000000/heads/kept"
		}
	}
	refs.Sort(table.Refs)
	g.arrive(g.tip("kept"), g.tip("v1"))
	g.activate(table)
	charts := func(want bool) {
		t.Helper()
		for _, f := range []string{"objects/pack/multi-pack-index", "objects/pack/multi-pack-index-*.bitmap", "objects/info/commit-graph"} {
			found, err := filepath.Glob(filepath.Join(g.copy.Dir(), f))
			if err != nil || (len(found) == 1) != want {
				t.Errorf("%s: %v, %v", f, found, err)
			}
		}
	}
	charts(false)
	// A git that is killed leaves its locks, over which the next one would stumble.
	die := ": >objects/pack/multi-pack-index.lock; : >objects/info/commit-graph.lock; : >objects/pack/tmp_bitmap; kill -9 $$\n"
	if err := os.WriteFile(script, []byte(die), 0o600); err != nil {
		t.Fatal(err)
	}
	g.cfg.Meter = new(failing)
	g.tend(Chart)
	if s, left := g.Status("01REPO"), g.litter(); !strings.Contains(s.Failure, "killed") || len(left) > 0 {
		t.Errorf("%+v, left behind %v", s, left)
	}
	if err := os.Remove(script); err != nil {
		t.Fatal(err)
	}
	g.cfg.Meter = g
	g.tend(Chart)
	charts(true)
	g.look()
	c := g.cares["01REPO"]
	g.survey(c)
	if c.survey.offChart() != 0 || len(c.survey.tasks(c.record)) > 0 {
		t.Errorf("after it was charted: %+v, tasks %v", c.survey, c.survey.tasks(c.record))
	}
	if !g.has(g.tip("gone")) {
		t.Fatal("it went too early")
	}
	if names := gittest.Run(t, g.copy.Dir(), "-c", "safe.directory=*", "rev-list", "--test-bitmap", g.tip("main")); strings.Contains(names, "rror") {
		t.Error(names)
	}
	g.tend(Gather)
	charts(true)
	if g.has(g.tip("gone")) {
		t.Error("it is still there")
	}
	g.whole()
	for _, args := range [][]string{{"commit-graph", "verify"}, {"multi-pack-index", "verify"}, {"rev-list", "--test-bitmap", g.tip("main")}} {
		gittest.Run(t, g.copy.Dir(), append([]string{"-c", "safe.directory=*"}, args...)...)
	}
	if n := g.packs(); n != 1 {
		t.Errorf("%d packs", n)
	}
	// A copy that is small has none.
	g.edit(func(e *upstream.Edit) { e.Rewrite("main"); e.Commit("main", "anew", map[string]string{"a": "a"}) })
	table = g.table()
	table.Refs = slices.DeleteFunc(table.Refs, func(r refs.Ref) bool { return r.Name != "refs/heads/main" })
	g.arrive(g.tip("main"))
	g.activate(table)
	g.clock.Advance(store.LeftFor)
	g.tend(Gather)
	charts(false)
	g.whole()
}

// A removal does not wait for a job.
func TestARemovalEndsTheJob(t *testing.T) {
	g := newRig(t)
	for range 6 {
		g.push("main", 100)
	}
	g.look()
	begun := make(chan struct{})
	g.cfg.Objects = held{g.cfg.Objects, begun}
	done := make(chan struct{})
	go func() { defer close(done); g.do(t.Context(), g.cares["01REPO"], Join) }()
	<-begun
	if err := g.cfg.Store.Trash("01REPO", epoch); err != nil {
		t.Fatal(err)
	}
	<-done
	g.look()
	if len(g.cares) != 0 || len(g.jobs) != 0 {
		t.Errorf("%d copies, jobs %v", len(g.cares), g.jobs)
	}
}

// What was found out outlives the process, and a job that fails is put off.
func TestRecordsAndFailures(t *testing.T) {
	g := newRig(t)
	for range 6 {
		g.push("main", 100)
	}
	g.tend(Read)
	g.clock.Advance(time.Hour)
	g.tend(Check)
	g.tend(Join)
	want := g.cares["01REPO"].record
	if want.Read != epoch || want.Checked != epoch.Add(time.Hour) || want.Tended != epoch.Add(time.Hour) || want.Used == 0 {
		t.Errorf("%+v", want)
	}
	g.open(nil)
	g.look()
	c := g.cares["01REPO"]
	if c.record != want {
		t.Errorf("%+v, was %+v", c.record, want)
	}
	if !c.readAt.Equal(g.clock.Now()) {
		t.Errorf("after a start it is to be read at %s", c.readAt)
	}
	for range 6 {
		g.push("main", 100)
	}
	meter := &failing{}
	g.cfg.Objects, g.cfg.Meter = broken{g.cfg.Objects}, meter
	g.tend(Join)
	if meter.failed != 1 || !strings.Contains(c.failure(), "no memory") || c.again[Join] != g.clock.Now().Add(retry) {
		t.Errorf("%d failed, %q, again at %s", meter.failed, c.failure(), c.again[Join])
	}
	if found, job := g.next(t.Context()); found != nil && job == Join {
		t.Error("it is tried again at once")
	}
	g.clock.Advance(retry)
	g.tend(Join)
	if c.again[Join] != g.clock.Now().Add(2*retry) {
		t.Errorf("after the second failure again at %s", c.again[Join])
	}
	if len(g.suspected) > 0 {
		t.Errorf("for a lack of memory the copy is suspected: %v", g.suspected)
	}
	g.whole()
}

// A copy of which not even the packs can be counted is read all the same: else nobody would ever find out.
func TestACopyThatCannotBeLookedAtIsRead(t *testing.T) {
	g := newRig(t)
	g.push("main", 100)
	g.look()
	packs, err := g.copy.Packs()
	if err != nil || len(packs) == 0 {
		t.Fatal(packs, err)
	}
	index := filepath.Join(g.copy.Dir(), "objects", "pack", packs[0].Name+".idx")
	if err := errors.Join(os.Chmod(index, 0o644), os.WriteFile(index, []byte("no index"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if c, job := g.next(t.Context()); c == nil || job != Read {
		t.Errorf("what is done is %q", job)
	}
	if len(g.suspected) == 0 {
		t.Error("it is not suspected")
	}
	c := g.cares["01REPO"]
	c.readAt = g.clock.Now().Add(time.Hour) // it was read, and found whole
	if c, job := g.next(t.Context()); c != nil {
		t.Errorf("what is done is %q", job)
	}
}

// What cannot be read is found out by whoever stumbles over it, not by the reading of the next day.
func TestAJobThatStumblesHasTheCopyTested(t *testing.T) {
	for _, job := range []Job{Weigh, Gather, Join} {
		g := newRig(t)
		for range 6 {
			g.push("main", 100)
		}
		g.look()
		packs, err := g.copy.Packs()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range packs { // of each the first object
			path := filepath.Join(g.copy.Dir(), "objects", "pack", p.Name+".pack")
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			clear(data[12:60])
			if err := errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, data, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		g.fails = job
		g.do(t.Context(), g.cares["01REPO"], job)
		if len(g.suspected) != 1 || g.cares["01REPO"].failure() == "" {
			t.Errorf("%s: %q, suspected for %v", job, g.cares["01REPO"].failure(), g.suspected)
		}
	}
}

type failing struct{ failed int }

func (f *failing) Maintained(_ Job, failed bool, _ time.Duration) {
	if failed {
		f.failed++
	}
}
func (f *failing) Freed(int64) {}

var errMemory = errors.New("no memory")
