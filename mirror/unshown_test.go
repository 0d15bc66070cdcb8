package mirror_test

import (
	"fmt"
	"testing"
	"time"

	"gitmirror/internal/upstream"
	"gitmirror/mirror"
	"gitmirror/mirror/past"
)

// hidden is a mirror whose main is pinned where it has four settled lines merged, while
// upstream's is an orphan. Then the lines are cut, which is spared: the pinned main leads to
// what they were.
func hidden(t *testing.T, branches int) *guarded {
	t.Helper()
	g := guard(t, branches, 0)
	root := g.lines()
	g.edit(func(e *upstream.Edit) {
		for i := range 4 {
			e.Commit("main", "merge", nil, fmt.Sprint("line", i))
		}
	})
	g.follows("the merges")
	g.clock.advance(27 * time.Hour)
	g.pin("refs/heads/main", g.git("rev-parse", "refs/heads/main"))
	g.check()
	g.orphan("refs/heads/main")
	if res := g.check(); res.Hold != nil {
		t.Fatalf("main is pinned, and it is held: %+v", res.Hold)
	}
	g.clock.advance(time.Minute)
	g.edit(func(e *upstream.Edit) {
		for i := range 4 {
			e.Branch(fmt.Sprint("line", i), root)
			e.Commit(fmt.Sprint("line", i), "cut", map[string]string{"cut": fmt.Sprint(i)})
		}
	})
	if res := g.check(); res.Hold != nil {
		t.Fatalf("what the lines were is in main, and it is held: %+v", res.Hold)
	}
	g.clock.advance(time.Minute)
	return g
}

// stays wants main to be where it was pinned, and the next check to hold.
func (g *guarded) stays(was string) {
	g.t.Helper()
	if res := g.check(); res.Hold == nil || g.shows("refs/heads/main") != was {
		g.t.Errorf("what nobody was shown is let in: hold %+v, main at %s", res.Hold, g.shows("refs/heads/main"))
	}
}

// What a pinned ref kept reachable goes with its release: who released it was shown that
// ref alone.
func TestReleaseLetsNothingElseIn(t *testing.T) {
	g := hidden(t, 0)
	was := g.shows("refs/heads/main")
	g.release()
	g.stays(was)
}

// Nor does an approval take it that is of the same picture, and of other losses.
func TestApprovalOfAPictureIsOfWhatWasShown(t *testing.T) {
	g := hidden(t, 8)
	was := g.shows("refs/heads/main")
	g.remove(names("refs/heads/b%02d", 0, 8)...)
	hold := g.heldFor(past.MassDelete)
	if hold.Lost != 8 {
		t.Fatalf("%+v", hold)
	}
	g.away(true)
	g.say(func(row *mirror.Assignment) {
		row.Approved = approvalOf(hold)
		now := g.git("rev-parse", "refs/heads/main")
		row.Released, row.Pins = []mirror.Release{{Ref: "refs/heads/main", OID: row.Pins[0].OID, Upstream: &now}}, nil
	})
	g.away(false)
	g.stays(was)
}

// A default branch is switched to one that lacks much of it, on a day on which there was a
// push: one approval is enough, and HEAD is told once.
func TestSwitchedHeadIsApprovedOnce(t *testing.T) {
	for _, pushes := range []int{0, 2} {
		g := guard(t, 3, 0)
		g.edit(func(e *upstream.Edit) {
			for i := range 60 {
				e.Commit("main", fmt.Sprint(i), map[string]string{"f": fmt.Sprint("more", i)})
			}
		})
		g.git("update-ref", "refs/heads/maint", "refs/heads/main~70")
		g.follows("a branch for maintenance")
		g.clock.advance(9 * 24 * time.Hour)
		for range pushes {
			g.push()
			g.clock.advance(3 * time.Hour)
		}
		g.git("symbolic-ref", "HEAD", "refs/heads/maint")
		hold := g.heldFor(past.HeadRewrite)
		if hold.Lost != 1 || hold.First[0].Ref != "HEAD" {
			t.Errorf("after %d pushes: %+v", pushes, hold)
		}
		g.approve(hold)
		g.follows("it was approved")
	}
}
