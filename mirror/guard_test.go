package mirror_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gitmirror/internal/atomicfile"
	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
	"gitmirror/mirror"
	"gitmirror/mirror/past"
	"gitmirror/mirror/refs"
)

// clock is the log's time, which a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) logTime() refs.LogTime {
	c.mu.Lock()
	defer c.mu.Unlock()
	return refs.LogTime{Now: c.now, DatesHold: true}
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// guarded is a mirror of a repository with branches, tags and a history worth
// guarding, whose checks are those of the test.
type guarded struct {
	t     *testing.T
	repo  *upstream.Repo
	up    *upstream.Server
	book  *book
	owner *node
	clock *clock
	n     int
}

func guard(t *testing.T, branches, tags int) *guarded {
	t.Helper()
	g := &guarded{t: t, up: gittest.Upstream(t), book: newBook(), clock: &clock{now: time.Unix(1_700_000_000, 0).UTC()}}
	var err error
	if g.repo, err = g.up.Repo("x.git"); err != nil {
		t.Fatal(err)
	}
	g.edit(func(e *upstream.Edit) {
		for i := range 30 {
			e.Commit("main", fmt.Sprint("c", i), map[string]string{"f": fmt.Sprint(i)})
			if i < tags {
				e.Tag(fmt.Sprintf("v%d", i), "main", "a release")
			}
		}
		for i := range branches {
			b := fmt.Sprintf("b%02d", i)
			e.Branch(b, "main")
			e.Commit(b, "work", map[string]string{b: b})
		}
	})
	g.owner = g.node()
	g.book.add("repox", g.up.URL("x.git"))
	row := g.book.rows["repox"]
	row.Policy.Interval = time.Hour
	g.book.rows["repox"] = row
	g.owner.roles["repox"] = mirror.Owner
	g.book.tell()
	arrives(t, g.owner, "repox", 1)
	return g
}

func (g *guarded) node() *node {
	return startNode(g.t, g.book, g.t.TempDir(), func(c *mirror.Config) { c.LogTime = g.clock.logTime })
}

func (g *guarded) edit(fn func(e *upstream.Edit)) { g.t.Helper(); gittest.Edit(g.t, g.repo, fn) }

func (g *guarded) git(args ...string) string {
	g.t.Helper()
	out, err := g.repo.Git(args...)
	if err != nil {
		g.t.Fatal(err)
	}
	return out
}

// remove has refs go all at once: a check must not see some of them gone.
func (g *guarded) remove(refs ...string) {
	g.t.Helper()
	g.git("pack-refs", "--all")
	path := filepath.Join(g.repo.Dir, "packed-refs")
	data, err := os.ReadFile(path)
	if err != nil {
		g.t.Fatal(err)
	}
	var kept strings.Builder
	gone := false
	for line := range strings.Lines(string(data)) {
		if !strings.HasPrefix(line, "^") { // what a tag leads to goes with it
			_, name, _ := strings.Cut(strings.TrimSpace(line), " ")
			gone = slices.Contains(refs, name)
		}
		if !gone {
			kept.WriteString(line)
		}
	}
	if err := atomicfile.Write(nil, path, []byte(kept.String()), 0o644); err != nil {
		g.t.Fatal(err)
	}
}

// check has upstream asked.
func (g *guarded) check() mirror.SyncResult {
	g.t.Helper()
	res, err := g.owner.engine.Sync(g.t.Context(), "repox")
	if err != nil || res.Failure != nil {
		g.t.Fatal(res.Failure, err)
	}
	return res
}

// follows fails the test where upstream's step is held.
func (g *guarded) follows(what string) {
	g.t.Helper()
	if res := g.check(); res.Hold != nil {
		g.t.Fatalf("%s: held, %+v", what, res.Hold)
	}
	if !same(g.t, g.owner, "repox", g.up, "x.git") {
		g.t.Fatalf("%s: not followed", what)
	}
}

// heldFor fails the test where it is not held for that reason, or where what is
// served has changed.
func (g *guarded) heldFor(reason string) *mirror.Hold {
	g.t.Helper()
	before := lsRemote(g.t, g.owner.http.URL+"/repox")
	res := g.check()
	if res.Hold == nil || res.Hold.Reason != reason {
		g.t.Fatalf("held: %+v, want %s", res.Hold, reason)
	}
	if after := lsRemote(g.t, g.owner.http.URL+"/repox"); after != before {
		g.t.Fatalf("it is held, and what is served changed:\n%s", after)
	}
	return res.Hold
}

// lost counts what the owner tells of what was taken away today.
func (g *guarded) lost() int { return g.owner.engine.TakenAway(g.t.Context(), "repox").Count }

func names(format string, from, to int) (list []string) {
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprintf(format, i))
	}
	return list
}

func (g *guarded) fresh(n int) []string {
	list := names("refs/heads/new%03d", g.n, g.n+n)
	g.n += n
	for _, b := range list {
		g.edit(func(e *upstream.Edit) {
			name := strings.TrimPrefix(b, "refs/heads/")
			e.Branch(name, "main")
			e.Commit(name, "fresh", map[string]string{name: name})
		})
	}
	return list
}

func TestFourOfFiveRefsGoneIsHeld(t *testing.T) {
	g := guard(t, 4, 0)
	g.remove(names("refs/heads/b%02d", 0, 4)...)
	hold := g.heldFor(past.MassDelete)
	if hold.Lost != 4 || hold.Settled != 5 || len(hold.First) != 4 || hold.First[0].Ref != "refs/heads/b00" {
		t.Errorf("%+v", hold)
	}
}

// A forge deletes some hundred refs one after the other, and checks fall between.
func TestDeletionInStepsIsHeld(t *testing.T) {
	for name, pause := range map[string]time.Duration{"seconds apart": 10 * time.Second, "an hour in all": 10 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := guard(t, 40, 0)
			held := false
			for i := 0; i < 40 && !held; i += 4 {
				g.remove(names("refs/heads/b%02d", i, i+4)...)
				g.clock.advance(pause)
				res := g.check()
				if held = res.Hold != nil; held && i > 20 {
					t.Errorf("held after %d of 41: %+v", i+4, res.Hold)
				}
			}
			if !held {
				t.Error("all went, in steps")
			}
		})
	}
}

func TestJunkBranchesDoNotMakeUpForDeletedOnes(t *testing.T) {
	g := guard(t, 40, 0)
	for i := 0; i < 30; i += 10 {
		g.fresh(10)
		g.remove(names("refs/heads/b%02d", i, i+10)...)
		g.clock.advance(time.Minute)
		if res := g.check(); res.Hold != nil {
			if i == 0 {
				t.Errorf("10 of 41: %+v", res.Hold)
			}
			return
		}
	}
	t.Error("30 of 41 went, 30 came")
}

// orphan moves refs to a new history.
func (g *guarded) orphan(list ...string) {
	g.t.Helper()
	g.edit(func(e *upstream.Edit) {
		e.Rewrite("orphan")
		e.Commit("orphan", "nothing before it", map[string]string{"evil": fmt.Sprint(g.n)})
	})
	for _, r := range list {
		g.git("update-ref", r, "refs/heads/orphan")
	}
	g.remove("refs/heads/orphan")
}

func TestForcedMoveOfEveryRefIsHeld(t *testing.T) {
	g := guard(t, 5, 5)
	g.orphan(append(append(names("refs/heads/b%02d", 0, 5), names("refs/tags/v%d", 0, 5)...), "refs/heads/main")...)
	hold := g.heldFor(past.HeadRewrite)
	if hold.Lost != 11 || hold.First[0].Ref != "refs/heads/main" || hold.First[0].New == "" {
		t.Errorf("%+v", hold)
	}
}

func TestForcedMovesOverAnHourAreHeld(t *testing.T) {
	g := guard(t, 9, 0)
	for i := range 9 {
		g.orphan(fmt.Sprintf("refs/heads/b%02d", i))
		g.clock.advance(6 * time.Minute)
		if res := g.check(); res.Hold != nil {
			if i < 2 || res.Hold.Reason != past.MassRewrite {
				t.Errorf("held after %d of 10: %+v", i+1, res.Hold)
			}
			return
		}
	}
	t.Error("nine of ten branches went, in an hour")
}

// lines adds four branches of 40 commits of their own each, which have settled when it
// returns the root that all share.
func (g *guarded) lines() (root string) {
	g.t.Helper()
	g.edit(func(e *upstream.Edit) {
		for i := range 4 {
			for k := range 40 {
				e.Commit(fmt.Sprint("line", i), fmt.Sprint(k), map[string]string{"f": fmt.Sprint(i, k)})
			}
			e.Commit(fmt.Sprint("line", i), "merged", nil, "main")
		}
	})
	g.follows("new lines")
	g.clock.advance(8 * 24 * time.Hour)
	g.edit(func(e *upstream.Edit) { e.Commit("main", "on", map[string]string{"f": "on"}) })
	g.follows("a push, when they have settled")
	return g.git("rev-list", "--max-parents=0", "refs/heads/main")
}

// The same, but each lands on a commit that shares the root with all: what was in
// them is in no ref any more.
func TestBranchesCutToTheirRootAreHeld(t *testing.T) {
	g := guard(t, 0, 0)
	root := g.lines()
	g.edit(func(e *upstream.Edit) {
		for i := range 4 {
			e.Branch(fmt.Sprint("line", i), root)
			e.Commit(fmt.Sprint("line", i), "cut", map[string]string{"cut": fmt.Sprint(i)})
		}
	})
	g.heldFor(past.MassRewrite)
}

func TestMainCutToAChildOfItsRootIsHeld(t *testing.T) {
	g := guard(t, 3, 0)
	root := g.git("rev-list", "--max-parents=0", "refs/heads/main")
	g.edit(func(e *upstream.Edit) {
		e.Branch("main", root)
		e.Commit("main", "cut", map[string]string{"evil": "x"})
	})
	g.heldFor(past.HeadRewrite)
}

// In two steps: first much is merged into main, so that what is cut is a small part.
func TestMainCutAfterJunkWasMergedIsHeld(t *testing.T) {
	g := guard(t, 3, 0)
	g.edit(func(e *upstream.Edit) {
		e.Rewrite("junk")
		for i := range 300 {
			e.Commit("junk", fmt.Sprint(i), map[string]string{"junk": fmt.Sprint(i)})
		}
		e.Commit("main", "merge", nil, "junk")
		e.Branch("keep", "junk")
	})
	g.follows("the merge")
	g.clock.advance(time.Hour)
	g.edit(func(e *upstream.Edit) { e.Branch("main", "keep") })
	g.heldFor(past.HeadRewrite)
}

func TestRepositoryMadeAnewIsHeld(t *testing.T) {
	for _, branch := range []string{"main", "master"} {
		t.Run(branch, func(t *testing.T) {
			t.Parallel()
			g := guard(t, 2, 2)
			g.edit(func(e *upstream.Edit) {
				e.Rewrite(branch)
				e.Commit(branch, "a new one", map[string]string{"README": "new"})
			})
			for r := range strings.FieldsSeq(g.git("for-each-ref", "--format=%(refname)")) {
				if r != "refs/heads/"+branch {
					g.remove(r)
				}
			}
			g.git("symbolic-ref", "HEAD", "refs/heads/"+branch)
			if hold := g.heldFor(past.HeadRewrite); hold.Lost != 5 {
				t.Errorf("%+v, want main, two branches and two tags", hold)
			}
		})
	}
}

// All that had settled is lost, and there were but two, neither of them HEAD's.
func TestLossOfAllThatHadSettledIsHeld(t *testing.T) {
	g := guard(t, 1, 0)
	g.git("symbolic-ref", "HEAD", "refs/heads/nothing")
	g.follows("a HEAD that points nowhere")
	g.clock.advance(27 * time.Hour)
	g.edit(func(e *upstream.Edit) {
		e.Rewrite("other")
		e.Commit("other", "something else", map[string]string{"x": "x"})
	})
	g.remove("refs/heads/main", "refs/heads/b00")
	if hold := g.heldFor(past.MassDelete); hold.Lost != 2 || hold.Settled != 2 {
		t.Errorf("%+v", hold)
	}
}

// Nothing is gone, and who clones gets another history.
func TestHeadThatPointsToAnotherHistoryIsHeld(t *testing.T) {
	g := guard(t, 3, 0)
	g.edit(func(e *upstream.Edit) {
		e.Rewrite("other")
		e.Commit("other", "something else", map[string]string{"x": "x"})
	})
	g.follows("a new branch beside the others")
	g.git("symbolic-ref", "HEAD", "refs/heads/other")
	hold := g.heldFor(past.HeadRewrite)
	if len(hold.First) != 1 || hold.First[0].Ref != "HEAD" {
		t.Errorf("%+v", hold)
	}
	g.approve(hold)
	g.follows("it was approved")
	g.git("symbolic-ref", "HEAD", "refs/heads/b00")
	g.heldFor(past.HeadRewrite)
	g.git("symbolic-ref", "HEAD", "refs/heads/other")
	g.follows("as it was")
}

func TestRenamedDefaultBranchIsFollowed(t *testing.T) {
	g := guard(t, 3, 3)
	g.edit(func(e *upstream.Edit) {
		e.Branch("trunk", "main")
		e.Commit("trunk", "on", map[string]string{"f": "on"})
	})
	g.git("symbolic-ref", "HEAD", "refs/heads/trunk")
	g.remove("refs/heads/main")
	g.follows("the rename")
	g.clock.advance(time.Hour)
	g.edit(func(e *upstream.Edit) { e.Commit("trunk", "on", map[string]string{"f": "and on"}) })
	g.follows("what came after it")
	g.git("symbolic-ref", "HEAD", "refs/heads/nothing")
	g.follows("a HEAD that points nowhere")
}

// What a copy remembers comes with it: the successor holds what goes on.
func TestSuccessorRemembersWhatWasLost(t *testing.T) {
	g := guard(t, 20, 0)
	second := g.node()
	second.roles["repox"] = mirror.Replica
	g.book.tell()
	arrives(t, second, "repox", 1)
	g.remove(names("refs/heads/b%02d", 0, 6)...)
	g.follows("the first six of 21")
	arrives(t, second, "repox", 2)
	g.owner.stop()
	g.book.mu.Lock()
	row := g.book.rows["repox"]
	row.Epoch++
	g.book.rows["repox"] = row
	g.book.nodes = []*node{second}
	second.roles["repox"] = mirror.Owner
	g.book.mu.Unlock()
	g.book.tell()
	g.owner = second
	g.remove("refs/heads/b06")
	if hold := g.heldFor(past.MassDelete); hold.Lost != 7 || hold.Settled != 21 {
		t.Errorf("%+v", hold)
	}
}

// A day later the same is slow: it is told, and followed.
func TestSlowLossIsFollowedAndTold(t *testing.T) {
	g := guard(t, 20, 0)
	for i := 0; i < 20; i += 4 {
		g.remove(names("refs/heads/b%02d", i, i+4)...)
		g.clock.advance(27 * time.Hour)
		if i < 8 { // four of 13 are more than the share
			g.follows(fmt.Sprint("four of ", 21-i))
			if n := g.lost(); n != 4 {
				t.Errorf("it tells of %d losses, want 4", n)
			}
			continue
		}
		g.heldFor(past.MassDelete)
		return
	}
}

// What was followed is told for a day, whoever owns it then, and no longer; branches
// whose commits are elsewhere are not lost.
func TestWhatIsToldOfLosses(t *testing.T) {
	g := guard(t, 12, 0)
	g.edit(func(e *upstream.Edit) { e.Commit("main", "merge", nil, "b10", "b11") })
	g.follows("the merge")
	g.remove("refs/heads/b10", "refs/heads/b11")
	g.follows("merged branches go")
	if n := g.lost(); n != 0 {
		t.Errorf("%d are lost: their commits are in main", n)
	}
	g.remove("refs/heads/b00")
	g.follows("one gone")
	g.restart()
	testlog.Eventually(t, "the owner", func() bool { return g.owner.generation("repox") == 4 })
	if n := g.lost(); n != 1 {
		t.Errorf("after a restart it tells of %d losses, want 1", n)
	}
	g.clock.advance(27 * time.Hour)
	if n := g.lost(); n != 0 {
		t.Errorf("after a day it tells of %d losses", n)
	}
}

func TestBusyDayIsFollowed(t *testing.T) {
	g := guard(t, 30, 5)
	for i := range 8 {
		made := g.fresh(5)
		g.follows("topics")
		g.edit(func(e *upstream.Edit) { // squash merges, and their branches go
			for _, b := range made {
				e.Commit("main", "squashed "+b, map[string]string{b: b})
			}
			rebased := fmt.Sprintf("b%02d", i)
			e.Branch(rebased, "main")
			e.Commit(rebased, "rebased", map[string]string{rebased: "again"})
		})
		g.remove(made...)
		g.clock.advance(time.Hour)
		g.follows("squash merges and a rebased topic")
	}
}

func TestBotThatClosesItsBranchesIsFollowed(t *testing.T) {
	g := guard(t, 10, 0)
	made := g.fresh(60)
	g.follows("the bot's branches")
	g.clock.advance(6 * 24 * time.Hour)
	g.remove(made...)
	g.follows("they close")
}

func TestRollingTagsAreFollowed(t *testing.T) {
	g := guard(t, 4, 6)
	for i := range 20 {
		g.edit(func(e *upstream.Edit) { e.Commit("main", "daily", map[string]string{"f": fmt.Sprint("daily", i)}) })
		for _, tag := range []string{"nightly", "latest", "stable"} {
			g.git("tag", "--force", tag, "refs/heads/main")
		}
		g.follows(fmt.Sprint("day ", i))
		g.clock.advance(24 * time.Hour)
	}
}

func TestMonthOfSquashMergesIsFollowed(t *testing.T) {
	g := guard(t, 12, 3)
	var open []string
	for i := range 30 {
		open = append(open, g.fresh(2)...)
		g.edit(func(e *upstream.Edit) {
			e.Commit("main", "squashed", map[string]string{"f": fmt.Sprint("squashed", i)})
		})
		if len(open) > 18 { // those of nine days ago, settled by now
			g.remove(open[:2]...)
			open = open[2:]
		}
		g.follows(fmt.Sprint("day ", i))
		g.clock.advance(24 * time.Hour)
	}
}

// Commits that come back by another way are lost no more.
func TestLossThatIsMergedLaterDoesNotCount(t *testing.T) {
	g := guard(t, 10, 0)
	tip := g.git("rev-parse", "refs/heads/b00")
	g.remove("refs/heads/b00")
	g.follows("one of eleven")
	if n := g.lost(); n != 1 {
		t.Errorf("%d are lost, want 1", n)
	}
	g.edit(func(e *upstream.Edit) { e.Commit("main", "another push", map[string]string{"f": "on"}) })
	g.follows("another push")
	if n := g.lost(); n != 1 {
		t.Errorf("after another push %d are lost, want 1", n)
	}
	g.edit(func(e *upstream.Edit) {
		e.Branch("tmp", tip)
		e.Commit("main", "merged", nil, "tmp")
	})
	g.remove("refs/heads/tmp")
	g.follows("the merge")
	// It is gone, and what it had is not.
	g.clock.advance(time.Minute)
	g.remove(names("refs/heads/b%02d", 1, 4)...)
	g.follows("three more: with the first it would be four of eleven")
}

// What was cut is lost when the refs that still had it go.
func TestBackupsThatGoAMinuteLaterDoNotHelp(t *testing.T) {
	g := guard(t, 0, 0)
	root := g.lines()
	g.edit(func(e *upstream.Edit) {
		for i := range 4 {
			e.Branch(fmt.Sprint("bak", i), fmt.Sprint("line", i))
			e.Branch(fmt.Sprint("line", i), root)
			e.Commit(fmt.Sprint("line", i), "cut", map[string]string{"cut": fmt.Sprint(i)})
		}
	})
	g.follows("cut, with backups")
	g.clock.advance(time.Minute)
	g.remove(names("refs/heads/bak%d", 0, 4)...)
	g.heldFor(past.MassRewrite)
}

// What upstream moves away and back again is lost no more, and nor is where it was
// meanwhile.
func TestMovedBackIsNotLost(t *testing.T) {
	for _, kind := range []string{"refs/heads/b%02d", "refs/tags/v%d"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			g := guard(t, 12, 12)
			for round := range 3 {
				tips := map[string]string{}
				list := names(kind, round*4, round*4+4)
				for _, b := range list {
					tips[b] = g.git("rev-parse", b)
				}
				g.n++
				g.orphan(list...)
				g.follows("four of 25")
				g.clock.advance(time.Duration(round) * 3 * time.Hour)
				for b, oid := range tips {
					g.git("update-ref", b, oid)
				}
				g.follows("they are back")
				if n := g.lost(); n != 0 {
					t.Errorf("%d are lost", n)
				}
				g.clock.advance(time.Minute)
			}
		})
	}
}

// A ref that is away for a day, while another leads to its tip, is as old as it was
// when it comes back.
func TestAgeIsNotReset(t *testing.T) {
	g := guard(t, 12, 0)
	tips := map[string]string{}
	for _, b := range names("refs/heads/b%02d", 0, 12) {
		tips[b] = g.git("rev-parse", b)
		g.git("update-ref", strings.Replace(b, "/b", "/keep", 1), tips[b])
	}
	g.follows("backups")
	for _, part := range [][]string{names("refs/heads/b%02d", 0, 6), names("refs/heads/b%02d", 6, 12)} {
		g.remove(part...)
		g.follows("half of them gone, and reached")
		g.clock.advance(27 * time.Hour)
		for _, b := range part {
			g.git("update-ref", b, tips[b])
		}
		g.follows("they are back")
	}
	for b := range tips {
		g.remove(b, strings.Replace(b, "/b", "/keep", 1))
	}
	g.heldFor(past.MassDelete)
}

// Tags that move on are few, whatever else there is; tags that are moved on by the
// dozen are an attack.
func TestTagsThatMoveOn(t *testing.T) {
	g := guard(t, 0, 0)
	for _, tag := range []string{"nightly", "latest", "stable"} {
		g.git("tag", "--force", tag, "refs/heads/main~20")
	}
	g.follows("the tags")
	g.clock.advance(8 * 24 * time.Hour)
	for i := range 5 {
		g.edit(func(e *upstream.Edit) { e.Commit("main", "daily", map[string]string{"f": fmt.Sprint("daily", i)}) })
		for _, tag := range []string{"nightly", "latest", "stable"} {
			g.git("tag", "--force", tag, "refs/heads/main")
		}
		g.follows(fmt.Sprint("day ", i))
		g.clock.advance(24 * time.Hour)
	}
	g = guard(t, 2, 12)
	g.edit(func(e *upstream.Edit) { e.Commit("main", "evil", map[string]string{"f": "evil"}) })
	for i := range 12 {
		g.git("update-ref", fmt.Sprint("refs/tags/v", i), "refs/heads/main")
	}
	g.heldFor(past.MassRewrite)
}

// HEAD leads nowhere, main goes while a young branch has its tip, and that goes.
func TestBackupOfTheDefaultBranchIsNoWayAround(t *testing.T) {
	g := guard(t, 0, 0)
	g.edit(func(e *upstream.Edit) {
		for i := range 5 {
			b := fmt.Sprint("own", i)
			e.Rewrite(b)
			e.Commit(b, "a history of its own", map[string]string{b: b})
		}
	})
	g.follows("others")
	g.git("update-ref", "refs/heads/backup", "refs/heads/main")
	g.git("symbolic-ref", "HEAD", "refs/heads/nothing")
	g.remove("refs/heads/main")
	g.follows("a backup has it")
	g.clock.advance(time.Minute)
	g.remove("refs/heads/backup")
	g.heldFor(past.HeadRewrite)
}

// A branch that swings all day leaves few tips to look at, and few that are kept for
// long: but for the first of the day they had not settled.
func TestASwingCostsLittle(t *testing.T) {
	g := guard(t, 9, 0)
	for range 12 {
		g.n++
		g.orphan("refs/heads/b00")
		g.clock.advance(10 * time.Minute)
		g.follows("a swing")
	}
	_, record, err := g.owner.engine.Remembered("repox")
	if err != nil || len(record.Tips) > 3 {
		t.Errorf("%d tips are remembered of two hours, %v", len(record.Tips), err)
	}
	g.clock.advance(8 * 24 * time.Hour)
	g.edit(func(e *upstream.Edit) { e.Commit("main", "on", map[string]string{"f": "on"}) })
	g.follows("a push")
	if k := g.kept("refs/heads/b00"); len(k) > 3 {
		t.Errorf("%d tips are kept of one day a week ago", len(k))
	}
}

// HEAD led nowhere for a day: the branch that it shows now is looked at all the same.
func TestHeadThatWasNowhereIsNoWayAround(t *testing.T) {
	g := guard(t, 3, 0)
	g.git("symbolic-ref", "HEAD", "refs/heads/nothing")
	g.follows("HEAD leads nowhere")
	g.clock.advance(27 * time.Hour)
	g.orphan("refs/heads/main")
	g.git("symbolic-ref", "HEAD", "refs/heads/main")
	g.heldFor(past.HeadRewrite)
}

// A ref that was there for more than a week counts; one that came yesterday does not.
func TestRefsSettleAfterAWeek(t *testing.T) {
	for days, held := range map[int]bool{6: false, 8: true} {
		t.Run(fmt.Sprint(days, " days"), func(t *testing.T) {
			t.Parallel()
			g := guard(t, 2, 0)
			made := g.fresh(10)
			g.follows("new ones")
			g.clock.advance(time.Duration(days) * 24 * time.Hour)
			g.edit(func(e *upstream.Edit) { e.Commit("main", "on", map[string]string{"f": "on"}) })
			g.follows("a push")
			g.remove(made...)
			if res := g.check(); (res.Hold != nil) != held {
				t.Errorf("ten gone after %d days: held %+v", days, res.Hold)
			}
		})
	}
}

// What upstream puts back within the day is lost no more.
func TestLossThatIsTakenBackDoesNotCount(t *testing.T) {
	g := guard(t, 10, 0)
	for range 4 {
		tips := map[string]string{}
		for _, b := range names("refs/heads/b%02d", 0, 3) {
			tips[b] = g.git("rev-parse", b)
		}
		g.remove(names("refs/heads/b%02d", 0, 3)...)
		g.follows("three of eleven")
		for b, oid := range tips {
			g.git("update-ref", b, oid)
		}
		g.follows("they are back")
		g.clock.advance(time.Minute)
	}
	g.remove(names("refs/heads/b%02d", 3, 6)...)
	g.follows("three others")
}

// otherPast offers something else as what is remembered of its table.
type otherPast struct{ source }

func (o otherPast) Past(context.Context, refs.Digest) ([]byte, error) {
	return (&past.Record{Dropped: past.Dropped{Count: 7, Last: time.Unix(1, 0)}}).Encode(), nil
}

// A peer that has another past than the table names has another generation.
func TestAnotherPastIsNotCopied(t *testing.T) {
	g := guard(t, 12, 0)
	g.remove("refs/heads/b00")
	g.follows("one gone")
	other := startNode(t, newBook(), t.TempDir(), func(c *mirror.Config) {
		c.Locator = locatorOf(func(id string) []mirror.Holder { return []mirror.Holder{otherPast{source{g.owner, id}}} })
	})
	g.book.mu.Lock()
	row := g.book.rows["repox"]
	g.book.mu.Unlock()
	row.Role = mirror.Replica
	other.assign(row)
	testlog.Eventually(t, "the failure", func() bool {
		s, _ := other.engine.Status("repox")
		return s.Failure != nil && strings.Contains(s.Failure.Message, "record of the past")
	})
	if n := other.generation("repox"); n != 0 {
		t.Errorf("generation %d is live", n)
	}
}
