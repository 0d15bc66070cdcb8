package mirror_test

import (
	"fmt"
	"testing"
	"time"

	"gitmirror/internal/upstream"
	"gitmirror/mirror/past"
)

func (g *guarded) turn(branch string) {
	g.t.Helper()
	g.git("symbolic-ref", "HEAD", "refs/heads/"+branch)
}

// foreign makes a branch of a history of its own.
func (g *guarded) foreign(branch string, commits int) {
	g.t.Helper()
	g.edit(func(e *upstream.Edit) {
		e.Rewrite(branch)
		for i := range commits {
			e.Commit(branch, "foreign", map[string]string{"foreign": fmt.Sprint(branch, i)})
		}
	})
}

// long is a repository whose main has a hundred commits, v0 the first 75 of them, and v1 the first 55.
func long(t *testing.T) *guarded {
	t.Helper()
	g := guard(t, 3, 0)
	g.edit(func(e *upstream.Edit) {
		for i := range 70 {
			e.Commit("main", "on", map[string]string{"f": fmt.Sprint("on", i)})
		}
	})
	for i, n := range []int{25, 45} {
		g.git("branch", fmt.Sprint("v", i), fmt.Sprintf("main~%d", n))
	}
	g.follows("a long main, and where it was")
	g.clock.advance(27 * time.Hour)
	return g
}

// However HEAD gets from one history to another while its branch stays put: what it shows
// is added up over a day.
func TestHeadThatTurnsInStepsIsHeld(t *testing.T) {
	for name, tt := range map[string]struct {
		with  func(*testing.T) *guarded
		steps []func(g *guarded) // all but the last are followed
	}{
		"a name that is born": {guarded3, []func(*guarded){
			func(g *guarded) { g.turn("x") },
			func(g *guarded) { g.foreign("x", 5) },
		}},
		"a branch, after a name that is not born": {guarded3, []func(*guarded){
			func(g *guarded) { g.foreign("dev", 5) },
			func(g *guarded) { g.turn("x") },
			func(g *guarded) { g.turn("dev") },
		}},
		"a merge, and the other side of it": {guarded3, []func(*guarded){
			func(g *guarded) {
				g.foreign("evil", 300)
				g.edit(func(e *upstream.Edit) { e.Branch("mix", "main"); e.Commit("mix", "merge", nil, "evil") })
			},
			func(g *guarded) { g.turn("mix") },
			func(g *guarded) { g.turn("evil") },
		}},
		"where main was, and was before": {long, []func(*guarded){
			func(g *guarded) { g.turn("v0") },
			func(g *guarded) { g.turn("v1") },
		}},
		"a branch that is cut": {long, []func(*guarded){
			func(g *guarded) { g.turn("v0") },
			func(g *guarded) { g.git("update-ref", "refs/heads/v0", "refs/heads/v1") },
		}},
		"a cut main that is put back": {long, []func(*guarded){
			func(g *guarded) { g.git("update-ref", "refs/heads/main", "refs/heads/v0") },
			func(g *guarded) { g.git("branch", "now", "main"); g.turn("now") },
			func(g *guarded) {
				g.git("update-ref", "refs/heads/main", g.git("rev-parse", "refs/heads/keep"))
			},
			func(g *guarded) { g.turn("v1") },
		}},
		"main gone": {long, []func(*guarded){
			func(g *guarded) { g.turn("v0") },
			func(g *guarded) { g.remove("refs/heads/main") },
			func(g *guarded) { g.turn("v1") },
		}},
		"nothing, and then no ref has what it was": {long, []func(*guarded){
			func(g *guarded) { g.turn("x") },
			func(g *guarded) { g.remove("refs/heads/main", "refs/heads/keep") },
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := tt.with(t)
			g.git("branch", "keep", "main")
			g.follows("a backup")
			for i, step := range tt.steps {
				g.clock.advance(time.Second)
				if step(g); i < len(tt.steps)-1 {
					g.follows(fmt.Sprint("step ", i))
				}
			}
			g.heldFor(past.HeadRewrite)
		})
	}
}

func guarded3(t *testing.T) *guarded { return guard(t, 3, 0) }

// HEAD goes from one name to another of what it shows, and away and back; the branch that
// it has left is a branch like any other.
func TestHeadThatLosesNothingIsFollowed(t *testing.T) {
	g := long(t)
	for range 2 {
		for _, branch := range []string{"v0", "main", "x", "main"} {
			g.turn(branch)
			g.follows("HEAD at " + branch)
			g.clock.advance(time.Minute)
		}
	}
	g.git("branch", "trunk", "main")
	g.turn("trunk")
	g.follows("another name")
	g.orphan("refs/heads/main")
	g.follows("a stub that says so")
	g.turn("x")
	g.follows("HEAD leads nowhere")
	g.git("branch", "x", "trunk")
	g.follows("and to what it showed")
	g.edit(func(e *upstream.Edit) { e.Commit("x", "on", map[string]string{"f": "x"}) })
	g.follows("a push")
}

// Who lets a branch become something else has not seen where HEAD leads, where it led
// nowhere then: that it may be what the branch is, and nothing else.
func TestApprovalIsNoneOfANameThatIsBornSince(t *testing.T) {
	for name, tt := range map[string]struct {
		branch string
		before func(g *guarded)
	}{
		"HEAD turns after the hold": {"main", func(*guarded) {}},
		"HEAD turns before it":      {"main", func(g *guarded) { g.turn("x"); g.follows("HEAD leads nowhere") }},
		"HEAD has just come": {"now", func(g *guarded) {
			for i, what := range []string{"HEAD turns to it", "a push"} {
				g.edit(func(e *upstream.Edit) {
					if i == 0 {
						e.Branch("now", "main")
					}
					e.Commit("now", what, map[string]string{"f": what})
				})
				g.turn("now")
				g.follows(what)
			}
		}},
	} {
		for born, held := range map[string]bool{"evil": true, tt.branch: false} {
			t.Run(name+", and shows "+born, func(t *testing.T) {
				t.Parallel()
				g := guard(t, 0, 0)
				tt.before(g)
				g.orphan("refs/heads/" + tt.branch)
				hold := g.heldFor(past.HeadRewrite)
				g.turn("x")
				g.approve(hold)
				g.follows("it was approved")
				g.n++
				g.orphan("refs/heads/evil")
				g.follows("a branch beside it")
				g.git("branch", "x", born)
				if !held {
					g.follows("what was approved, by another name")
					return
				}
				g.heldFor(past.HeadRewrite)
			})
		}
	}
}

// HEAD leads nowhere, and a person lets go the branch that it led to, while another has what
// was in it: HEAD may show that.
func TestApprovalBesideHeadLeavesWhatItShowed(t *testing.T) {
	g := guard(t, 0, 0)
	g.git("branch", "keep", "main")
	g.turn("x")
	g.follows("HEAD leads nowhere")
	g.orphan("refs/heads/main")
	g.approve(g.heldFor(past.MassRewrite))
	g.follows("it was approved")
	g.git("branch", "x", "keep")
	g.follows("what HEAD showed")
}

// What a person has put back is what HEAD shows, and what they put it back from is not.
func TestHeadThatTurnsFromARestoredBranch(t *testing.T) {
	for name, tt := range map[string]struct {
		born func(g *guarded)
		held bool
	}{
		"another history":   {func(g *guarded) { g.foreign("x", 5) }, true},
		"what was put back": {func(g *guarded) { g.git("branch", "x", g.shows("refs/heads/main")) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := restored(t)
			main := g.shows("refs/heads/main")
			g.turn("x")
			if res := g.check(); res.Hold != nil {
				t.Fatalf("HEAD leads nowhere: %+v", res.Hold)
			}
			tt.born(g)
			if tt.held {
				g.heldFor(past.HeadRewrite)
				return
			}
			if res := g.check(); res.Hold != nil {
				t.Fatalf("%+v", res.Hold)
			}
			if x := g.shows("refs/heads/x"); x != main {
				t.Errorf("x is at %s, want %s", x, main)
			}
		})
	}
}
