package mirror_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gitmirror/internal/upstream"
	"gitmirror/mirror/past"
)

// These are ways that were found to take history away without a hold, or to lose what is
// kept of it.

// cutLines cuts settled lines of commits to a child of the root, while backups lead to
// what they were.
func (g *guarded) cutLines(root string) {
	g.t.Helper()
	g.edit(func(e *upstream.Edit) {
		for i := range 4 {
			e.Branch(fmt.Sprint("bak", i), fmt.Sprint("line", i))
			e.Branch(fmt.Sprint("line", i), root)
			e.Commit(fmt.Sprint("line", i), "cut", map[string]string{"cut": fmt.Sprint(i)})
		}
	})
	g.follows("cut, with backups")
}

func (g *guarded) growLines(what string) {
	g.t.Helper()
	g.edit(func(e *upstream.Edit) {
		for i := range 4 {
			e.Commit(fmt.Sprint("line", i), "on", map[string]string{"cut": fmt.Sprint(what, i)})
		}
	})
}

// push adds a commit to main, which is followed.
func (g *guarded) push() {
	g.t.Helper()
	g.n++
	g.edit(func(e *upstream.Edit) { e.Commit("main", "on", map[string]string{"f": fmt.Sprint("on", g.n)}) })
	g.follows("a push")
}

// stillHas wants each object to be reached by a ref of the mirror.
func (g *guarded) stillHas(oids map[string]string) {
	g.t.Helper()
	for name, oid := range oids {
		if !reaches(g.t, g.owner, "repox", oid) {
			g.t.Errorf("%s, where %s was, is in no ref any more", oid, name)
		}
	}
}

func (g *guarded) tips(list []string) map[string]string {
	tips := map[string]string{}
	for _, name := range list {
		tips[name] = g.git("rev-parse", name)
	}
	return tips
}

// What spared a loss goes in the same step in which the ref grows.
func TestBackupsThatGoWhileTheLinesGrow(t *testing.T) {
	g := guard(t, 0, 0)
	root := g.lines()
	g.cutLines(root)
	g.clock.advance(time.Minute)
	g.remove(names("refs/heads/bak%d", 0, 4)...)
	g.growLines("on")
	g.heldFor(past.MassRewrite)
}

// Backups go when the day is over, and are made anew at something else: the lines' own
// names have what they were.
func TestLinesThatGoByWayOfABackupAreKept(t *testing.T) {
	g := guard(t, 0, 0)
	root := g.lines()
	tips := g.tips(names("refs/heads/line%d", 0, 4))
	g.cutLines(root)
	g.clock.advance(27 * time.Hour)
	for range 2 {
		g.remove(names("refs/heads/bak%d", 0, 4)...)
		g.growLines("on")
		g.follows("backups go")
		g.clock.advance(time.Minute)
		for i := range 4 {
			g.git("update-ref", fmt.Sprint("refs/heads/bak", i), "refs/heads/main")
		}
		g.follows("and are made anew")
		g.clock.advance(27 * time.Hour)
	}
	g.push()
	g.stillHas(tips)
	for name, oid := range tips {
		if k := g.kept(name); len(k) == 0 || !k[0].Stood {
			t.Errorf("of %s, at %s, is kept: %+v", name, oid, k)
		}
	}
}

// Two pushes within an hour: the first replaced what had stood, and that is what is kept
// when the day is over.
func TestTwoPushesAnHourLoseNothingThatStood(t *testing.T) {
	g := guard(t, 12, 0)
	list := names("refs/heads/b%02d", 0, 12)
	tips := g.tips(list)
	for k := range 2 {
		g.edit(func(e *upstream.Edit) {
			for i, b := range list {
				n := strings.TrimPrefix(b, "refs/heads/")
				e.Branch(n, "main")
				e.Commit(n, "rebased", map[string]string{"f": fmt.Sprint(k, i)})
			}
		})
		g.follows("rebased")
		g.clock.advance(time.Minute)
	}
	for range 10 {
		g.clock.advance(27 * time.Hour)
		g.push()
	}
	g.stillHas(tips)
}

// Junk is merged into main, main is cut to it when the day is over, and moves once more.
func TestMainThatGoesInTwoDaysIsKept(t *testing.T) {
	g := guard(t, 0, 0)
	was := g.tips([]string{"refs/heads/main"})
	g.edit(func(e *upstream.Edit) {
		e.Rewrite("junk")
		for i := range 300 {
			e.Commit("junk", fmt.Sprint(i), map[string]string{"junk": fmt.Sprint(i)})
		}
		e.Commit("main", "merge", nil, "junk")
	})
	g.follows("the merge")
	g.clock.advance(27 * time.Hour)
	for i := range 2 {
		g.edit(func(e *upstream.Edit) {
			e.Branch("main", "junk")
			e.Commit("main", "cut", map[string]string{"cut": fmt.Sprint(i)})
		})
		g.follows("cut to the junk")
		g.clock.advance(time.Minute)
	}
	g.remove("refs/heads/junk")
	g.follows("the junk goes")
	g.clock.advance(27 * time.Hour)
	g.push()
	g.stillHas(was)
}

// Tags go away and come back on two days: that does not make them tags that are meant to
// move. Nor may those that are go to another history.
func TestTagsDoNotRollAway(t *testing.T) {
	g := guard(t, 6, 12)
	for range 2 {
		for b := 0; b < 12; b += 4 {
			list := names("refs/tags/v%d", b, b+4)
			tips := g.tips(list)
			g.n++
			g.orphan(list...)
			g.follows("four of 19")
			g.clock.advance(time.Minute)
			for r, oid := range tips {
				g.git("update-ref", r, oid)
			}
			g.follows("they are back")
			g.clock.advance(time.Minute)
		}
		g.clock.advance(27 * time.Hour)
	}
	g.edit(func(e *upstream.Edit) { e.Commit("main", "evil", map[string]string{"f": "evil"}) })
	for i := range 12 {
		g.git("update-ref", fmt.Sprint("refs/tags/v", i), "refs/heads/main")
	}
	g.heldFor(past.MassRewrite)

	g = guard(t, 2, 0)
	for i := range 12 {
		g.edit(func(e *upstream.Edit) { e.Commit("main", "daily", map[string]string{"f": fmt.Sprint("daily", i)}) })
		for _, tag := range []string{"nightly", "latest", "stable"} {
			g.git("tag", "--force", tag, fmt.Sprint("refs/heads/main~", i%2))
		}
		g.follows(fmt.Sprint("day ", i))
		g.clock.advance(24 * time.Hour)
	}
	g.orphan("refs/tags/nightly", "refs/tags/latest", "refs/tags/stable")
	g.heldFor(past.MassRewrite)
}

// Tags that move on in numbers are told of, and kept, where that is too little to hold.
func TestTagsThatMoveOnAreToldAndKept(t *testing.T) {
	g := guard(t, 12, 20)
	list := names("refs/tags/v%d", 0, 9)
	tips := g.tips(list)
	for k := range 2 {
		g.edit(func(e *upstream.Edit) {
			e.Commit("main", "on", map[string]string{"f": fmt.Sprint("on", k)})
			for _, tag := range list {
				e.Tag(strings.TrimPrefix(tag, "refs/tags/"), "main", fmt.Sprint("anew", k))
			}
		})
		g.follows("nine tags of 33 move on")
		if n := g.lost(); n != 9 {
			t.Errorf("it tells of %d losses, want 9", n)
		}
		g.clock.advance(time.Minute)
	}
	g.clock.advance(27 * time.Hour)
	g.push()
	for name, oid := range tips {
		found := false
		for _, k := range g.kept(name) {
			found = found || g.shows(k.Ref) == oid
		}
		if !found {
			t.Errorf("the tag object %s of %s is not kept", oid, name)
		}
	}
}

// HEAD goes to a branch of the same history that has hardly any of it: who clones gets
// that, whatever its name.
func TestHeadAtAChildOfTheRootIsHeld(t *testing.T) {
	for name, evil := range map[string]string{"a new branch": "evil", "one that had settled": "b00"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := guard(t, 3, 0)
			root := g.git("rev-list", "--max-parents=0", "refs/heads/main")
			g.edit(func(e *upstream.Edit) {
				e.Branch(evil, root)
				e.Commit(evil, "cut", map[string]string{"evil": "x"})
			})
			g.follows("a branch")
			g.clock.advance(27 * time.Hour)
			g.git("symbolic-ref", "HEAD", "refs/heads/"+evil)
			if hold := g.heldFor(past.HeadRewrite); hold.First[0].Ref != "HEAD" {
				t.Errorf("%+v", hold)
			}
		})
	}
}

// Who has approved another default branch has approved what it was moved from: the next
// step is weighed against what came.
func TestAnApprovedHeadIsForgotten(t *testing.T) {
	g := guard(t, 3, 0)
	g.git("update-ref", "refs/heads/trunk", "refs/heads/main")
	g.git("symbolic-ref", "HEAD", "refs/heads/trunk")
	g.remove("refs/heads/main")
	g.follows("a rename")
	g.clock.advance(time.Minute)
	g.orphan("refs/heads/trunk")
	g.approve(g.heldFor(past.HeadRewrite))
	g.follows("it was approved")
	g.clock.advance(time.Minute)
	g.git("symbolic-ref", "HEAD", "refs/heads/other")
	g.git("update-ref", "refs/heads/other", "refs/heads/trunk")
	g.follows("another name for it")
}

// Losses within a day add up, however a ref grew before.
func TestTheWindowIsADay(t *testing.T) {
	g := guard(t, 12, 0)
	g.edit(func(e *upstream.Edit) {
		for i := range 12 {
			e.Commit(fmt.Sprintf("b%02d", i), "on", map[string]string{"on": fmt.Sprint(i)})
		}
	})
	g.follows("all grow")
	g.clock.advance(119 * time.Minute)
	g.orphan(names("refs/heads/b%02d", 0, 3)...)
	g.follows("three of 13")
	g.clock.advance(23*time.Hour + 59*time.Minute)
	g.n++
	g.orphan(names("refs/heads/b%02d", 3, 6)...)
	g.heldFor(past.MassRewrite)
}

// A bot replaces its branches each week, the old ones some minutes after the new ones.
func TestWeeklyBotIsFollowed(t *testing.T) {
	g := guard(t, 3, 3)
	var open []string
	for week := range 4 {
		was := open
		open = g.fresh(8)
		g.follows(fmt.Sprint("week ", week, ": new ones"))
		g.clock.advance(4 * time.Minute)
		g.remove(was...)
		g.follows(fmt.Sprint("week ", week, ": the old ones go"))
		g.clock.advance(7 * 24 * time.Hour)
	}
}

// HEAD goes to a branch that has just grown, and that is cut in two steps: each is small,
// and both together are not.
func TestHeadThatIsCutInStepsIsHeld(t *testing.T) {
	g := guard(t, 0, 0)
	g.edit(func(e *upstream.Edit) {
		e.Branch("long", "main")
		for i := range 100 {
			e.Commit("long", fmt.Sprint(i), map[string]string{"long": fmt.Sprint(i)})
		}
	})
	g.follows("a long branch")
	g.clock.advance(9 * 24 * time.Hour)
	grow := func(what string) {
		g.edit(func(e *upstream.Edit) { e.Commit("long", what, map[string]string{"long": what}) })
	}
	grow("on")
	g.follows("it grows")
	g.git("symbolic-ref", "HEAD", "refs/heads/long")
	g.follows("HEAD shows it")
	for i := range 2 {
		g.clock.advance(time.Minute)
		g.git("update-ref", "refs/heads/long", "refs/heads/long~25")
		grow(fmt.Sprint("cut ", i))
		if i == 0 {
			g.follows("a fifth of it goes")
		}
	}
	g.heldFor(past.HeadRewrite)
}
