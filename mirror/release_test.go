package mirror_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
	"gitmirror/mirror"
	"gitmirror/mirror/past"
	"gitmirror/mirror/refs"
)

// away has upstream fail until it is called again, with false.
func (g *guarded) away(is bool) {
	if !is {
		g.up.Intercept(nil)
		return
	}
	g.up.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "out", http.StatusBadGateway)
		return true
	})
}

// restored is a mirror whose main was set back from an orphan, which upstream still shows.
func restored(t *testing.T) *guarded {
	t.Helper()
	g := guard(t, 3, 0)
	was := g.git("rev-parse", "refs/heads/main")
	g.orphan("refs/heads/main")
	g.approve(g.heldFor(past.HeadRewrite))
	g.follows("it was approved, in error")
	g.clock.advance(time.Minute)
	g.pin("refs/heads/main", was)
	testlog.Eventually(t, "the pin", func() bool { return g.shows("refs/heads/main") == was })
	g.check()
	return g
}

// What was shown is let in, and what it has grown to; nothing else, whenever upstream is
// back with it.
func TestReleaseLetsInWhatWasShown(t *testing.T) {
	for name, tt := range map[string]struct {
		move func(g *guarded)
		held bool
	}{
		"as it was": {func(*guarded) {}, false},
		"a fast-forward": {func(g *guarded) {
			g.edit(func(e *upstream.Edit) { e.Commit("main", "on", map[string]string{"f": "on"}) })
		}, false},
		"another orphan":   {func(g *guarded) { g.n++; g.orphan("refs/heads/main") }, true},
		"HEAD is that too": {func(g *guarded) { g.git("branch", "evil", "main"); g.git("symbolic-ref", "HEAD", "refs/heads/evil") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := restored(t)
			g.away(true)
			g.release()
			if _, err := g.owner.engine.Sync(t.Context(), "repox"); err != nil {
				t.Fatal(err)
			}
			g.clock.advance(5 * time.Hour)
			tt.move(g)
			g.away(false)
			switch {
			case tt.held:
				g.heldFor(past.HeadRewrite)
			default:
				g.follows("what was shown")
			}
		})
	}
}

// Who releases a pin while upstream's value is not known lets no loss in.
func TestReleaseOfWhatIsNotKnownLetsNoLossIn(t *testing.T) {
	g := restored(t)
	unknown := func(row *mirror.Assignment) {
		row.Released, row.Pins = []mirror.Release{{Ref: "refs/heads/main", OID: row.Pins[0].OID}}, nil
	}
	g.say(unknown)
	g.heldFor(past.HeadRewrite)

	g = guard(t, 3, 0)
	g.pin("refs/heads/main", g.git("rev-parse", "refs/heads/main"))
	g.edit(func(e *upstream.Edit) { e.Commit("main", "on", map[string]string{"f": "on"}) })
	g.check()
	g.say(unknown)
	g.follows("a fast-forward")
}

// A word that had nothing to do is none on what upstream does within the hour, also where
// the owner is another by then, or has restarted.
func TestReleaseIsOfTheFirstCheck(t *testing.T) {
	for name, between := range map[string]func(g *guarded){
		"at once":   func(*guarded) {},
		"a restart": func(g *guarded) { g.restart() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := guard(t, 3, 0)
			was := g.git("rev-parse", "refs/heads/main")
			g.orphan("refs/heads/main")
			evil := g.git("rev-parse", "refs/heads/main")
			g.git("update-ref", "refs/heads/main", was)
			g.pin("refs/heads/main", was)
			g.check()
			// It was shown the orphan, which upstream has taken back by now.
			g.say(func(row *mirror.Assignment) {
				row.Released, row.Pins = []mirror.Release{{Ref: "refs/heads/main", OID: was, Upstream: &evil}}, nil
			})
			g.follows("it was there already")
			if row := g.row(); row.Word != 0 || row.Released != nil {
				t.Fatalf("the log still has %+v", row.Released)
			}
			g.clock.advance(5 * time.Minute)
			between(g)
			g.git("update-ref", "refs/heads/main", evil)
			g.heldAfterAll(past.HeadRewrite)
		})
	}
}

func (g *guarded) row() mirror.Assignment {
	g.book.mu.Lock()
	defer g.book.mu.Unlock()
	return g.book.rows["repox"]
}

// heldAfterAll is heldFor of an owner that may have to settle first.
func (g *guarded) heldAfterAll(reason string) {
	g.t.Helper()
	testlog.Eventually(g.t, "the owner to serve", func() bool { return g.owner.generation("repox") > 0 })
	g.heldFor(reason)
}

// An approval that the first check could not use is none for what upstream shows weeks later.
func TestApprovalIsOfTheFirstCheck(t *testing.T) {
	g := guard(t, 12, 0)
	was := g.git("rev-parse", "refs/heads/b08")
	g.remove(names("refs/heads/b%02d", 0, 8)...)
	hold := g.heldFor(past.MassDelete)
	g.remove("refs/heads/b08")
	g.approve(hold)
	if again := g.heldFor(past.MassDelete); again.Lost != 9 {
		t.Errorf("%d lost", again.Lost)
	}
	if row := g.row(); row.Approved != nil {
		t.Errorf("the log still has %+v", row.Approved)
	}
	g.clock.advance(20 * 24 * time.Hour)
	g.git("update-ref", "refs/heads/b08", was)
	g.heldFor(past.MassDelete)
}

// A person's word wakes the owner, also the second one while the first one waits.
func TestAWordIsActedOnAtOnce(t *testing.T) {
	g := guard(t, 12, 0)
	g.remove(names("refs/heads/b%02d", 0, 8)...)
	hold := g.heldFor(past.MassDelete)
	other := *hold
	other.Losses[0]++
	other.First, other.Observed = nil, other.Losses
	g.away(true)
	g.approve(&other)
	if _, err := g.owner.engine.Sync(t.Context(), "repox"); err != nil {
		t.Fatal(err)
	}
	g.away(false)
	g.approve(hold)
	testlog.Eventually(t, "it to be followed", func() bool { return same(t, g.owner, "repox", g.up, "x.git") })
}

// A word that comes while a check is published is not of that check: the next acts on it.
func TestReleaseDuringAPublishIsHeard(t *testing.T) {
	g := restored(t)
	g.fresh(1)
	said := false
	g.book.mu.Lock()
	g.book.fate = func(mirror.Candidate) mirror.CommitStatus {
		if row := g.book.rows["repox"]; !said {
			said = true
			evil := g.git("rev-parse", "refs/heads/main")
			g.book.words++
			row.Word, row.Released, row.Pins = g.book.words, []mirror.Release{{Ref: "refs/heads/main", OID: row.Pins[0].OID, Upstream: &evil}}, nil
			g.book.rows["repox"] = row
		}
		return mirror.Committed
	}
	g.book.mu.Unlock()
	g.check()
	g.follows("what was released")
}

// What is released counts for nothing beside what upstream takes away by itself.
func TestReleasedPinsCountForNothingBesideAnotherLoss(t *testing.T) {
	for name, tt := range map[string]struct{ more, held int }{"one other": {1, 0}, "many others": {6, 6}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := guard(t, 10, 0)
			for _, b := range names("refs/heads/b%02d", 0, 3) {
				was := g.git("rev-parse", b)
				g.remove(b)
				g.check()
				g.change(func(row *mirror.Assignment) { row.Pins = append(row.Pins, mirror.Pin{Ref: b, OID: was}) })
				testlog.Eventually(t, "the pin", func() bool { return g.shows(b) == was })
			}
			g.check()
			g.away(true)
			g.release()
			g.remove(names("refs/heads/b%02d", 3, 3+tt.more)...)
			g.away(false)
			if tt.held == 0 {
				g.follows("one other loss of eight")
				if n := g.lost(); n != 1 {
					t.Errorf("%d are told to be lost, want the other one", n)
				}
				return
			}
			hold := g.heldFor(past.MassDelete)
			if hold.Lost != tt.held || hold.Settled != 8 {
				t.Errorf("%d of %d lost, want %d of the 8 that were not released", hold.Lost, hold.Settled, tt.held)
			}
			// What was released waits for the rest, and is let in with it.
			if row := g.row(); len(row.Released) != 3 {
				t.Fatalf("the log has %+v", row.Released)
			}
			g.approve(hold)
			g.follows("the approved, and the released")
		})
	}
}

// A pin hides from whoever approves a hold what upstream has there: it is not taken with
// the hold, though upstream shows just what it did then.
func TestApprovalOfAHoldIsNoneOfWhatAPinHides(t *testing.T) {
	g := restored(t)
	g.remove(names("refs/heads/b%02d", 0, 3)...)
	hold := g.heldFor(past.MassDelete)
	if slices.ContainsFunc(hold.First, func(c refs.Change) bool { return c.Ref == "refs/heads/main" }) {
		t.Fatalf("%+v", hold)
	}
	g.away(true)
	g.say(func(row *mirror.Assignment) {
		row.Approved = approvalOf(hold)
		row.Released, row.Pins = []mirror.Release{{Ref: "refs/heads/main", OID: row.Pins[0].OID}}, nil
	})
	g.away(false)
	g.heldFor(past.HeadRewrite)
}

// What a ref lost before it was pinned where it was by then is no part of its release.
func TestReleaseForgetsNoLossBeforeThePin(t *testing.T) {
	g := guard(t, 9, 0)
	g.orphan("refs/heads/b00")
	g.follows("one of ten")
	g.pin("refs/heads/b00", g.git("rev-parse", "refs/heads/b00"))
	g.n++
	g.orphan("refs/heads/b00")
	g.check()
	g.release()
	g.follows("the released one")
	if n := g.lost(); n != 1 {
		t.Errorf("%d are told to be lost, want what it lost before", n)
	}
}

// Once what a pin hid has been shown with the hold, it is approved with it, however much
// there is of it.
func TestApprovalIsOfWhatAPinHidWhenItIsShown(t *testing.T) {
	g := guard(t, 40, 0)
	g.change(func(row *mirror.Assignment) {
		for _, b := range names("refs/heads/b%02d", 30, 40) {
			row.Pins = append(row.Pins, mirror.Pin{Ref: b, OID: g.git("rev-parse", b)})
		}
	})
	g.remove(names("refs/heads/b%02d", 0, 40)...)
	if hold := g.heldFor(past.MassDelete); hold.Lost != 30 {
		t.Fatalf("%+v", hold)
	}
	g.say(func(row *mirror.Assignment) {
		for _, p := range row.Pins {
			row.Released = append(row.Released, mirror.Release{Ref: p.Ref, OID: p.OID})
		}
		row.Pins = nil
	})
	hold := g.heldFor(past.MassDelete)
	if hold.Lost != 40 || len(hold.First) != 20 {
		t.Fatalf("%+v", hold)
	}
	g.approve(hold)
	g.follows("all forty")
}

// Where HEAD has turned to since a hold was shown is no part of what was approved; when it
// has been shown too, it is, with what grows meanwhile.
func TestApprovalIsNoneOfWhereHeadTurnsSince(t *testing.T) {
	g := guard(t, 9, 0)
	g.orphan("refs/heads/main")
	hold := g.heldFor(past.HeadRewrite)
	g.n++
	g.orphan("refs/heads/evil")
	g.git("symbolic-ref", "HEAD", "refs/heads/evil")
	g.approve(hold)
	hold = g.heldFor(past.HeadRewrite)
	if hold.Lost != 2 {
		t.Errorf("%+v", hold)
	}
	g.away(true)
	g.approve(hold)
	g.edit(func(e *upstream.Edit) { e.Commit("main", "on", map[string]string{"f": "on"}) })
	g.away(false)
	g.follows("both, and a fast-forward")
}

// HEAD may turn meanwhile to a branch that has what was published: nothing is lost by that,
// and the approval is enough.
func TestApprovalIsEnoughWhereHeadTurnsToWhatItWas(t *testing.T) {
	g := guard(t, 9, 0)
	was := g.git("rev-parse", "refs/heads/main")
	g.orphan("refs/heads/main")
	hold := g.heldFor(past.HeadRewrite)
	g.git("update-ref", "refs/heads/maint", was)
	g.git("symbolic-ref", "HEAD", "refs/heads/maint")
	g.approve(hold)
	g.follows("what was approved, and HEAD where main was")
}

// A person's own step is no word on what upstream took away from other refs before.
func TestRestoreForgetsNoLossOfOtherRefs(t *testing.T) {
	g := guard(t, 9, 0)
	was := g.git("rev-parse", "refs/heads/b08")
	g.remove("refs/heads/b08")
	g.follows("one of ten")
	g.remove(names("refs/heads/b%02d", 0, 2)...)
	g.follows("three of ten")
	g.pin("refs/heads/b08", was)
	testlog.Eventually(t, "the pin", func() bool { return g.shows("refs/heads/b08") == was })
	if n := g.lost(); n != 2 {
		t.Errorf("%d are told to be lost, want the other two", n)
	}
	g.remove(names("refs/heads/b%02d", 2, 4)...)
	g.heldFor(past.MassDelete)
}

// The owner dies with what was published before any other copy has it, and upstream takes
// more away: that was not judged yet.
func TestWhatIsLostAfterALostGenerationIsHeld(t *testing.T) {
	for name, more := range map[string]func(g *guarded){
		"main to an orphan": func(g *guarded) { g.n++; g.orphan("refs/heads/main") },
		"all others go":     func(g *guarded) { g.remove(names("refs/heads/b%02d", 8, 12)...) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := succeeded(t, more)
			testlog.Eventually(t, "the successor to judge it", func() bool {
				s, ok := g.owner.engine.Status("repox")
				return ok && s.Judged
			})
			if s, _ := g.owner.engine.Status("repox"); s.Hold == nil {
				t.Error("it is not held")
			}
		})
	}
}
