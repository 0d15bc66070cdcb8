package schedule

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/work"
)

// Whatever comes in whatever order: of one repository one run is under way, no lane and
// no host in it has more than its limit, what is not assigned does not begin, what is due runs or
// waits for a place that is taken, and no owner is forgotten. A node that is alone asks for nothing
// that nobody waits for.
func TestSchedulerKeepsItsPromises(t *testing.T) {
	rapid.Check(t, anyHistory)
}

func anyHistory(t *rapid.T) {
	w := newWorld(func(c *Config) {
		c.Rate = func(host string) float64 { return map[string]float64{"host0": 0.1}[host] }
	})
	defer w.stop()
	ids := rapid.Map(rapid.IntRange(0, 9), func(n int) string { return fmt.Sprint("repo", n) })
	begun := map[string]*fake{}
	t.Repeat(map[string]func(*rapid.T){
		"assign": func(t *rapid.T) {
			id := ids.Draw(t, "id")
			a, known := w.assigned[id]
			if !known {
				a = owned(id, fmt.Sprint("host", rapid.IntRange(0, 2).Draw(t, "host")))
			}
			switch rapid.IntRange(0, 8).Draw(t, "change") {
			case 0:
				a.Role, a.Epoch = work.Replica, a.Epoch+1
			case 1:
				a.Role, a.Epoch = work.Owner, a.Epoch+1
			case 2:
				a.Generation, a.Digest[0] = a.Generation+1, a.Digest[0]+1
			case 3:
				a.Lost = append(a.Lost, work.Generation{Number: a.Generation})
			case 4:
				a.Lost = nil
			case 5:
				if a.Word++; a.Role == work.Owner {
					w.ask(id) // a person waits for it
					begun[id] = w.at(id)
				}
			case 6:
				a.Policy.Interval = time.Duration(rapid.IntRange(0, 2).Draw(t, "minutes")) * time.Minute
			case 7:
				a.Paused = !a.Paused
			case 8:
				a.URLs = []string{fmt.Sprint(a.URLs[0], "x")}
			}
			w.assign(a)
			if f := w.at(id); f != nil && a.Role == work.Owner && !f.task.Wanted && f.task.Ask && (a.Paused || f.task.URLs[0] != a.URLs[0]) && f.task.AsksUpstream() {
				t.Fatalf("%s is asked at an upstream that is not to be asked any more", id)
			}
		},
		"unassign": func(t *rapid.T) {
			id := ids.Draw(t, "id")
			w.unassign(id)
			w.unask(id)
		},
		"copy": func(t *rapid.T) {
			if a, ok := w.assigned[ids.Draw(t, "id")]; ok {
				w.holds(a)
				w.Kick(a.ID)
				w.settle()
			}
		},
		"request": func(t *rapid.T) {
			id := ids.Draw(t, "id")
			a := w.assigned[id]
			if a.Role == work.Owner {
				w.ask(id)
				begun[id] = w.at(id)
			}
			if (w.Request(id) == nil) != (a.Role == work.Owner) {
				t.Fatalf("a check of %s as %q", id, a.Role)
			}
			w.settle()
		},
		"end": func(t *rapid.T) {
			id := ids.Draw(t, "id")
			if w.at(id) == nil {
				return
			}
			out := w.checked()
			switch rapid.IntRange(0, 5).Draw(t, "result") {
			case 0:
				out.Failure = failure.New(rapid.SampledFrom([]failure.Class{failure.Network, failure.NotFound, failure.Disk}).Draw(t, "class"), "no", nil)
				out.Failure.Host = rapid.IntRange(0, 3).Draw(t, "of the host") == 0
			case 1:
				out = work.Result{Waiting: true}
			case 2:
				out = work.Result{Rerun: true, Next: work.AskUpstream}
			case 3:
				out = work.Result{}
			case 4:
				out.Changed, out.Learned = rapid.Bool().Draw(t, "changed"), w.at(id).task.Learn
				out.Commits = append(out.Commits, w.clock.Now().Add(-time.Duration(rapid.IntRange(-90, 90*24*3600).Draw(t, "ago"))*time.Second))
			}
			if f := w.at(id); out.Checked && f.task.Ask && f != begun[id] {
				w.unask(id)
			}
			w.end(id, out)
		},
		"fetch": func(t *rapid.T) {
			if f := w.at(ids.Draw(t, "id")); f != nil && f.kind == "asks" {
				w.fetch(f.task.ID)
			}
		},
		"alone":   func(t *rapid.T) { w.leave(rapid.Bool().Draw(t, "alone")) },
		"retry":   func(*rapid.T) { w.Retry(failure.Disk); w.settle() },
		"advance": func(t *rapid.T) { w.advance(time.Duration(rapid.IntRange(1, 90_000).Draw(t, "ms")) * time.Millisecond) },
		"": func(t *rapid.T) {
			if len(w.wrong) > 0 {
				t.Fatal(w.wrong)
			}
			w.whole(t)
			for id := range w.asked {
				if a := w.assigned[id]; a.Role != work.Owner {
					w.unask(id)
				} else if st, _ := w.State(id); st.Phase == Idle {
					t.Fatalf("a check of %s was requested, and it is idle", id)
				}
			}
		},
	})
}

// whole looks at the scheduler from inside, when nothing moves.
func (w *world) whole(t *rapid.T) {
	w.Scheduler.mu.Lock()
	defer w.Scheduler.mu.Unlock()
	now, running := w.now(), 0
	for id, r := range w.repos {
		a, assigned := w.assigned[id]
		switch {
		case r.phase == Running:
			running++
		case !assigned:
			t.Fatalf("%s is %s, and not assigned", id, r.phase)
		case r.phase == Queued && r.due <= now:
			t.Fatalf("%s is due and does not run", id)
		case r.phase == Idle && a.Role == work.Owner && !w.alone && !a.Paused:
			t.Fatalf("%s is owned here and idle", id)
		case r.phase == Idle && !r.terms.reconciled(w.Held(id)) && r.failures == 0 && w.ran[id] == 0 && !w.alone:
			t.Fatalf("%s is not here, and nothing is done", id)
		case r.phase == Waiting:
			l := w.laneOf(r, w.stepOf(r, now))
			if !l.full() && !l.fullAt(l.hosts[r.host().Value()]) && w.inLine(r) == 0 {
				t.Fatalf("%s waits, and there is a place", id)
			}
		}
	}
	inLanes := 0
	for _, l := range w.lanes() {
		inLanes += l.running
		for name, h := range l.hosts {
			if h.running == 0 && len(h.waiting) == 0 {
				t.Fatalf("nobody is at %s, and it is kept", name)
			}
			if (len(h.waiting) > 0) != slices.Contains(l.waiting, h) {
				t.Fatalf("at %s %d wait, and it has a turn: %v", name, len(h.waiting), slices.Contains(l.waiting, h))
			}
		}
	}
	if running != len(w.running) || running != inLanes {
		t.Fatalf("%d run, the scheduler says %d, in lanes %d", len(w.running), running, inLanes)
	}
}

func (w *world) lanes() []*lane { return []*lane{&w.upstreams, &w.fetches, &w.firsts, &w.peers} }

// inLine counts in how many full lines r stands: with what was assigned since, it might
// belong in another, and has its turn where it stands.
func (w *world) inLine(r *repo) (n int) {
	lines := [][]*repo{}
	for _, l := range w.lanes() {
		for _, h := range l.hosts {
			if l.full() || l.fullAt(h) {
				lines = append(lines, h.waiting)
			}
		}
	}
	for _, line := range lines {
		for _, o := range line {
			if o == r {
				n++
			}
		}
	}
	return n
}

// The queue gives what a search for the least would.
func TestQueueGivesTheEarliest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		all := make([]*repo, 10)
		for i := range all {
			all[i] = &repo{id: fmt.Sprint(i)}
		}
		model := map[*repo]instant{}
		draw := func(t *rapid.T) *repo { return all[rapid.IntRange(0, 9).Draw(t, "repo")] }
		due := func(t *rapid.T) instant { return instant(rapid.IntRange(0, 50).Draw(t, "due")) }
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) { r, at := draw(t), due(t); q.set(r, at); model[r] = at },
			"advance": func(t *rapid.T) {
				r, at := draw(t), due(t)
				q.advance(r, at)
				if old, ok := model[r]; !ok || at < old {
					model[r] = at
				}
			},
			"remove": func(t *rapid.T) { r := draw(t); q.remove(r); delete(model, r) },
			"pop": func(t *rapid.T) {
				now := due(t)
				least, any := earliest(model)
				r := q.pop(now)
				if (r != nil) != (any && least <= now) || r != nil && model[r] != least {
					t.Fatalf("popped %v, the least is due at %v, now is %v", r, least, now)
				}
				delete(model, r)
			},
			"": func(t *rapid.T) {
				least, any := earliest(model)
				if next, ok := q.next(); ok != any || ok && next != least {
					t.Fatalf("next %v %v, want %v %v", next, ok, least, any)
				}
				for _, r := range all {
					if _, in := model[r]; in != (r.phase == Queued) {
						t.Fatalf("%s is %s, in the queue: %v", r.id, r.phase, in)
					}
				}
			},
		})
	})
}

func earliest(model map[*repo]instant) (least instant, ok bool) {
	for _, due := range model {
		if !ok || due < least {
			least, ok = due, true
		}
	}
	return least, ok
}
