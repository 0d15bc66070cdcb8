package mirror_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
	"gitmirror/mirror"
	"gitmirror/mirror/past"
)

// change edits the row as the log would.
func (g *guarded) change(fn func(row *mirror.Assignment)) {
	g.book.mu.Lock()
	row := g.book.rows["repox"]
	fn(&row)
	g.book.rows["repox"] = row
	g.book.mu.Unlock()
	g.book.tell()
}

// approve is a person's word on a hold.
func (g *guarded) approve(h *mirror.Hold) {
	g.say(func(row *mirror.Assignment) { row.Approved = approvalOf(h) })
}

func approvalOf(h *mirror.Hold) *mirror.Approval {
	return &mirror.Approval{Observed: h.Observed, Losses: h.Losses, Count: h.Lost, First: h.First}
}

// say is a change of the row that is a person's word.
func (g *guarded) say(fn func(row *mirror.Assignment)) {
	g.change(func(row *mirror.Assignment) {
		g.book.words++
		row.Word = g.book.words
		fn(row)
	})
}

// release is the word of a person who sees what upstream has at all that is pinned.
func (g *guarded) release() {
	g.say(func(row *mirror.Assignment) {
		for _, p := range row.Pins {
			upstream, _ := g.repo.Git("rev-parse", "--quiet", "--verify", p.Ref)
			row.Released = append(row.Released, mirror.Release{Ref: p.Ref, OID: p.OID, Upstream: &upstream})
		}
		row.Pins = nil
	})
}

// kept lists what is kept of a name, the latest first.
func (g *guarded) kept(name string) (list []past.Kept) {
	g.t.Helper()
	table, record, err := g.owner.engine.Remembered("repox")
	if err != nil {
		g.t.Fatal(err)
	}
	for _, r := range table.Refs {
		if k := record.KeptAs(r.Name); !r.Public() && k.Name == name {
			list = append([]past.Kept{k}, list...)
		}
	}
	return list
}

func TestApprovedLossesAreFollowedAndCountNoMore(t *testing.T) {
	g := guard(t, 12, 0)
	g.remove(names("refs/heads/b%02d", 0, 8)...)
	hold := g.heldFor(past.MassDelete)
	g.clock.advance(time.Hour)
	g.edit(func(e *upstream.Edit) {
		e.Commit("main", "a fast-forward", map[string]string{"f": "on"})
		e.Branch("new", "main")
	})
	g.approve(hold)
	g.follows("what was approved, a fast-forward and a new branch")
	if k := g.kept("refs/heads/b00"); len(k) != 1 || !k[0].Lost || !k[0].Settled || k[0].New != "" {
		t.Errorf("kept: %+v", k)
	}
	if s, _ := g.owner.engine.Status("repox"); s.Hold != nil || g.lost() != 0 {
		t.Errorf("still held %+v, or lost %d", s.Hold, g.lost())
	}
	g.remove("refs/heads/b08")
	g.follows("one of five")
}

func TestAnotherLossIsNotApproved(t *testing.T) {
	for name, more := range map[string]func(g *guarded){
		"a ref more is gone": func(g *guarded) { g.remove("refs/heads/b08") },
		"one moved":          func(g *guarded) { g.orphan("refs/heads/b08") },
		"main moved":         func(g *guarded) { g.orphan("refs/heads/main") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := guard(t, 12, 0)
			g.remove(names("refs/heads/b%02d", 0, 8)...)
			hold := g.heldFor(past.MassDelete)
			more(g)
			g.approve(hold)
			if res := g.check(); res.Hold == nil || res.Hold.Lost != 9 {
				t.Errorf("held: %+v, want nine losses", res.Hold)
			}
		})
	}
}

func TestApprovalIsOfWhereItMoved(t *testing.T) {
	for name, tt := range map[string]struct {
		move   func(g *guarded)
		follow bool
	}{
		"on by a fast-forward": {func(g *guarded) {
			g.edit(func(e *upstream.Edit) { e.Commit("main", "on", map[string]string{"f": "on"}) })
		}, true},
		"somewhere else": {func(g *guarded) { g.n++; g.orphan("refs/heads/main") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := guard(t, 25, 0)
			g.orphan("refs/heads/main")
			hold := g.heldFor(past.HeadRewrite)
			tt.move(g)
			g.approve(hold)
			if res := g.check(); (res.Hold == nil) != tt.follow {
				t.Errorf("held: %+v", res.Hold)
			}
		})
	}
}

// Of more losses than a hold names, the digest is what is approved.
func TestManyLossesAreApprovedByTheirDigest(t *testing.T) {
	g := guard(t, 40, 0)
	g.remove(names("refs/heads/b%02d", 0, 30)...)
	hold := g.heldFor(past.MassDelete)
	if hold.Lost != 30 || len(hold.First) != 20 {
		t.Fatalf("%+v", hold)
	}
	other := *hold
	other.Losses[0]++
	other.Observed[0]++
	g.approve(&other)
	g.heldFor(past.MassDelete)
	g.change(func(row *mirror.Assignment) { row.Approved = nil })
	g.edit(func(e *upstream.Edit) { e.Commit("main", "on", map[string]string{"f": "on"}) })
	g.approve(hold)
	g.follows("thirty losses")
}

// A few losses less than were approved are approved.
func TestPartOfWhatWasApprovedIsApproved(t *testing.T) {
	g := guard(t, 12, 0)
	tip := g.git("rev-parse", "refs/heads/b00")
	g.remove(names("refs/heads/b%02d", 0, 8)...)
	hold := g.heldFor(past.MassDelete)
	g.git("update-ref", "refs/heads/b00", tip)
	g.approve(hold)
	g.follows("seven of the eight")
}

func TestEmptinessCanBeApproved(t *testing.T) {
	g := guard(t, 3, 1)
	g.remove(strings.Fields(g.git("for-each-ref", "--format=%(refname)"))...)
	hold := g.heldFor(past.Empty)
	if hold.Lost != 5 {
		t.Errorf("%+v", hold)
	}
	g.approve(hold)
	if res := g.check(); res.Hold != nil || res.Generation != 2 {
		t.Fatalf("%+v", res)
	}
	if k := g.kept("refs/heads/main"); len(k) != 1 {
		t.Errorf("kept of main: %+v", k)
	}
}

// A new owner that has just become it looks at the log for a person's word.
func TestApprovalSurvivesTheOwner(t *testing.T) {
	g := guard(t, 12, 0)
	second := g.node()
	second.roles["repox"] = mirror.Replica
	g.book.tell()
	arrives(t, second, "repox", 1)
	g.remove(names("refs/heads/b%02d", 0, 8)...)
	hold := g.heldFor(past.MassDelete)
	g.owner.stop()
	g.book.mu.Lock()
	g.book.nodes = []*node{second}
	second.roles["repox"] = mirror.Owner
	g.book.mu.Unlock()
	g.say(func(row *mirror.Assignment) { row.Epoch, row.Approved = row.Epoch+1, approvalOf(hold) })
	g.owner = second
	testlog.Eventually(t, "the successor to follow", func() bool { return same(t, second, "repox", g.up, "x.git") })
}

// While upstream does not answer, what it took away is not taken back.
func TestHoldOutlastsAnOutage(t *testing.T) {
	g := guard(t, 12, 0)
	g.remove(names("refs/heads/b%02d", 0, 8)...)
	hold := g.heldFor(past.MassDelete)
	g.up.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "out", http.StatusBadGateway)
		return true
	})
	res, err := g.owner.engine.Sync(t.Context(), "repox")
	if err != nil || res.Failure == nil {
		t.Fatal(res, err)
	}
	s, _ := g.owner.engine.Status("repox")
	if s.Hold == nil || s.Hold.Losses != hold.Losses || !s.Judged || s.Failure == nil {
		t.Errorf("held %+v, failing %v", s.Hold, s.Failure)
	}
}

// What is held is not judged again with each check that shows the same.
func TestTheSameHoldCostsNoGit(t *testing.T) {
	g := guard(t, 12, 0)
	g.remove(names("refs/heads/b%02d", 0, 8)...)
	first := g.heldFor(past.MassDelete)
	if again := g.heldFor(past.MassDelete); again.Losses != first.Losses {
		t.Errorf("%+v, then %+v", first, again)
	}
	g.git("update-ref", "refs/heads/b00", "refs/heads/b09")
	if third := g.heldFor(past.MassDelete); third.Losses == first.Losses {
		t.Error("upstream shows something else, and it was not judged anew")
	}
}

func (g *guarded) pin(ref, oid string) {
	g.change(func(row *mirror.Assignment) { row.Pins = []mirror.Pin{{Ref: ref, OID: oid}} })
}

func (g *guarded) shows(ref string) string {
	table, _, err := g.owner.engine.Remembered("repox")
	if err != nil {
		g.t.Fatal(err)
	}
	r, _ := table.Find(ref)
	return r.OID
}

func TestRestoredRefStaysUntilItIsApproved(t *testing.T) {
	g := guard(t, 12, 0)
	was := g.git("rev-parse", "refs/heads/b00")
	g.orphan("refs/heads/b00")
	g.follows("one moved")
	evil := g.git("rev-parse", "refs/heads/b00")
	if k := g.kept("refs/heads/b00"); len(k) != 1 || k[0].New != evil || !k[0].Lost {
		t.Fatalf("kept: %+v", k)
	}
	// While upstream is away too.
	g.up.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "out", http.StatusBadGateway)
		return true
	})
	g.pin("refs/heads/b00", was)
	testlog.Eventually(t, "the pin", func() bool { return g.shows("refs/heads/b00") == was })
	g.up.Intercept(nil)
	if k := g.kept("refs/heads/b00"); len(k) != 2 {
		t.Errorf("what it replaced is not kept: %+v", k)
	}
	g.edit(func(e *upstream.Edit) {
		e.Commit("main", "on", map[string]string{"f": "on"})
		e.Commit("b00", "on", map[string]string{"evil": "more"})
	})
	g.check()
	if g.shows("refs/heads/b00") != was || g.shows("refs/heads/main") != g.git("rev-parse", "refs/heads/main") {
		t.Error("the pinned ref moved, or the others do not follow")
	}
	if s, _ := g.owner.engine.Status("repox"); len(s.Pinned) != 1 || s.Pinned[0].Upstream != g.git("rev-parse", "refs/heads/b00") || g.lost() != 0 {
		t.Errorf("the status tells %+v, and %d losses", s.Pinned, g.lost())
	}
	g.release()
	testlog.Eventually(t, "upstream to be followed again", func() bool { return same(t, g.owner, "repox", g.up, "x.git") })
}

func TestRestoredDefaultBranchFollowsAgainWhenApproved(t *testing.T) {
	g := guard(t, 3, 0)
	was := g.git("rev-parse", "refs/heads/main")
	g.orphan("refs/heads/main")
	g.approve(g.heldFor(past.HeadRewrite))
	g.follows("it was approved, in error")
	g.clock.advance(time.Minute)
	g.pin("refs/heads/main", was)
	testlog.Eventually(t, "the pin", func() bool { return g.shows("refs/heads/main") == was })
	g.check()
	g.release()
	testlog.Eventually(t, "upstream to be followed again", func() bool { return same(t, g.owner, "repox", g.up, "x.git") })
}

// Where HEAD leads is part of what is approved.
func TestApprovalIsOfWhereHeadLeads(t *testing.T) {
	g := guard(t, 3, 0)
	g.edit(func(e *upstream.Edit) { e.Rewrite("next"); e.Commit("next", "one", map[string]string{"a": "1"}) })
	g.git("symbolic-ref", "HEAD", "refs/heads/next")
	g.remove("refs/heads/main")
	hold := g.heldFor(past.HeadRewrite)
	g.orphan("refs/heads/next")
	g.approve(hold)
	g.heldFor(past.HeadRewrite)
}

// What HEAD led to, detached, is kept when no ref has it.
func TestDetachedHeadIsKept(t *testing.T) {
	g := guard(t, 3, 0)
	g.edit(func(e *upstream.Edit) {
		e.Branch("tmp", "main")
		e.Commit("tmp", "beyond", map[string]string{"x": "x"})
	})
	x := g.git("rev-parse", "refs/heads/tmp")
	g.git("update-ref", "--no-deref", "HEAD", x)
	g.remove("refs/heads/tmp")
	g.follows("detached, beyond main")
	g.git("update-ref", "--no-deref", "HEAD", "refs/heads/main")
	g.follows("and back")
	if k := g.kept("HEAD"); len(k) != 1 || !reaches(t, g.owner, "repox", x) {
		t.Errorf("kept of HEAD: %+v", k)
	}
}

func TestDeletedRefIsRestoredBesideTheOthers(t *testing.T) {
	g := guard(t, 12, 0)
	was := g.git("rev-parse", "refs/heads/b00")
	g.remove("refs/heads/b00")
	g.follows("one gone")
	g.pin("refs/heads/b00", was)
	testlog.Eventually(t, "the pin", func() bool { return g.shows("refs/heads/b00") == was })
	for i := range 3 {
		g.edit(func(e *upstream.Edit) { e.Commit("main", "on", map[string]string{"f": fmt.Sprint("on", i)}) })
		g.check()
	}
	if g.shows("refs/heads/b00") != was || g.shows("refs/heads/main") != g.git("rev-parse", "refs/heads/main") {
		t.Error("the restored ref went, or main does not follow")
	}
}

// What nobody has any more cannot be restored: it is told, and upstream is followed.
func TestPinOfAnObjectThatIsNotHereIsTold(t *testing.T) {
	g := guard(t, 3, 0)
	g.pin("refs/heads/main", strings.Repeat("1", 40))
	g.edit(func(e *upstream.Edit) { e.Commit("main", "on", map[string]string{"f": "on"}) })
	g.follows("a push")
	if s, _ := g.owner.engine.Status("repox"); len(s.Pinned) != 1 || !s.Pinned[0].Missing {
		t.Errorf("the status tells %+v", s.Pinned)
	}
}

// A pin of what is the mirror's own damages nothing, whoever put it into the log.
func TestPinOfAPrivateNameIsNone(t *testing.T) {
	g := guard(t, 5, 0)
	was := g.git("rev-parse", "refs/heads/b00")
	g.remove("refs/heads/b00")
	g.follows("one gone")
	table, _, err := g.owner.engine.Remembered("repox")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range table.Refs {
		if !r.Public() {
			g.pin(r.Name, was)
		}
	}
	g.edit(func(e *upstream.Edit) { e.Commit("main", "on", map[string]string{"f": "on"}) })
	g.follows("a push")
	if table, _, err = g.owner.engine.Remembered("repox"); err != nil || table.Check() != nil {
		t.Errorf("%v, %v", err, table.Check())
	}
}

// The last copy is lost while a ref is pinned to what upstream took away.
func TestLastCopyIsClonedAnewWithoutWhatWasRestored(t *testing.T) {
	g := guard(t, 5, 0)
	was := g.git("rev-parse", "refs/heads/b00")
	g.remove("refs/heads/b00")
	g.follows("one gone")
	g.git("gc", "--prune=now", "--quiet")
	g.pin("refs/heads/b00", was)
	testlog.Eventually(t, "the pin", func() bool { return g.shows("refs/heads/b00") == was })
	g.owner.stop()
	if err := os.WriteFile(filepath.Join(copyDir(t, g.owner, "repox"), "packed-refs"), []byte("damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	g.restart()
	testlog.Eventually(t, "a new clone", func() bool {
		_, _, err := g.owner.engine.Remembered("repox")
		return err == nil && same(t, g.owner, "repox", g.up, "x.git")
	})
}

// restart starts the owner again on its directory.
func (g *guarded) restart() {
	g.t.Helper()
	g.owner.stop()
	dir := g.owner.dir
	g.book.mu.Lock()
	g.book.nodes = nil
	g.book.mu.Unlock()
	g.owner = startNode(g.t, g.book, dir, func(c *mirror.Config) { c.LogTime = g.clock.logTime })
	g.owner.roles["repox"] = mirror.Owner
	g.book.tell()
}

// What a person releases is no loss of upstream's.
func TestReleasedPinsCountAsNoLoss(t *testing.T) {
	g := guard(t, 10, 0)
	for _, b := range names("refs/heads/b%02d", 0, 3) {
		was := g.git("rev-parse", b)
		g.remove(b)
		g.check()
		g.change(func(row *mirror.Assignment) { row.Pins = append(row.Pins, mirror.Pin{Ref: b, OID: was}) })
		testlog.Eventually(t, "the pin", func() bool { return g.shows(b) == was })
	}
	g.check()
	g.release()
	testlog.Eventually(t, "upstream to be followed", func() bool { return same(t, g.owner, "repox", g.up, "x.git") })
	if n := g.lost(); n != 0 {
		t.Errorf("%d lost", n)
	}
	g.remove("refs/heads/b03")
	g.follows("one of eight")
}

// A restore that comes between a person's word and the owner's check takes it not away.
func TestRestoreLeavesAnApproval(t *testing.T) {
	g := guard(t, 12, 0)
	was := g.git("rev-parse", "refs/heads/b11")
	g.remove("refs/heads/b11")
	g.follows("one gone")
	g.remove(names("refs/heads/b%02d", 0, 8)...)
	hold := g.heldFor(past.MassDelete)
	g.say(func(row *mirror.Assignment) {
		row.Approved, row.Pins = approvalOf(hold), []mirror.Pin{{Ref: "refs/heads/b11", OID: was}}
	})
	testlog.Eventually(t, "the pin", func() bool { return g.shows("refs/heads/b11") == was })
	if res := g.check(); res.Hold != nil {
		t.Errorf("held again: %+v", res.Hold)
	}
}

// Of thirty that moved, each may go on while a person makes up their mind.
func TestManyThatMovedMayGoOn(t *testing.T) {
	g := guard(t, 30, 0)
	g.orphan(names("refs/heads/b%02d", 0, 30)...)
	hold := g.heldFor(past.MassRewrite)
	g.edit(func(e *upstream.Edit) { e.Commit("b29", "on", map[string]string{"f": "on"}) })
	g.approve(hold)
	g.follows("thirty, and a fast-forward of one")
}

// succeeded is a mirror whose owner has died with what was approved, that eight of 13 refs
// go, before any other copy had it; upstream did something meanwhile.
func succeeded(t *testing.T, meanwhile func(g *guarded)) *guarded {
	t.Helper()
	g := guard(t, 12, 0)
	second := g.node()
	second.roles["repox"] = mirror.Replica
	g.book.tell()
	arrives(t, second, "repox", 1)
	second.stop()
	g.remove(names("refs/heads/b%02d", 0, 8)...)
	g.approve(g.heldFor(past.MassDelete))
	g.follows("it was approved")
	meanwhile(g)
	g.owner.stop()
	g.owner = second
	g.change(func(row *mirror.Assignment) { row.Epoch++ })
	g.restart()
	return g
}

// The owner dies with what was approved before any other copy has it.
func TestWhatWasPublishedIsNotHeldAgain(t *testing.T) {
	for name, meanwhile := range map[string]func(g *guarded){
		"as it was published": func(*guarded) {},
		"and a push": func(g *guarded) {
			g.edit(func(e *upstream.Edit) { e.Commit("main", "on", map[string]string{"f": "on"}) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := succeeded(t, meanwhile)
			testlog.Eventually(t, "the successor to follow", func() bool {
				return g.owner.generation("repox") > 1 && same(t, g.owner, "repox", g.up, "x.git")
			})
		})
	}
}

// A copy whose past is lost is copied without it.
func TestLostPastKeepsNobodyFromACopy(t *testing.T) {
	g := guard(t, 5, 0)
	g.fresh(2)
	g.follows("new ones")
	found, err := filepath.Glob(filepath.Join(copyDir(t, g.owner, "repox"), "past.*"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	if err := os.Remove(found[0]); err != nil {
		t.Fatal(err)
	}
	second := g.node()
	second.roles["repox"] = mirror.Replica
	g.book.tell()
	arrives(t, second, "repox", 2)
	g.edit(func(e *upstream.Edit) { e.Commit("main", "on", map[string]string{"f": "on"}) })
	g.follows("a push")
}

// A moved annotated tag is kept, also where its commit is in the branches.
func TestMovedTagIsKept(t *testing.T) {
	g := guard(t, 12, 2)
	was := g.git("rev-parse", "refs/tags/v1")
	g.edit(func(e *upstream.Edit) { e.Tag("v1", "main", "again") })
	g.follows("a moved tag")
	if k := g.kept("refs/tags/v1"); len(k) != 1 || k[0].New != g.git("rev-parse", "refs/tags/v1") || k[0].Lost {
		t.Errorf("kept: %+v", k)
	}
	if !reaches(t, g.owner, "repox", was) {
		t.Error("the tag's object is in no ref")
	}
}
