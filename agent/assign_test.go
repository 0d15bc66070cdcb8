package agent

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/mirror"
	"gitmirror/mirror/failure"
)

// follow lets the assignments catch up, and returns the copies that begin to leave.
func (w *world) follow(as *assignments) []string {
	as.follow(w.state.View())
	ids := as.removable()
	slices.Sort(ids)
	return ids
}

// Whatever happens to rows, and wherever a snapshot comes in between, the mirror works on
// just what a walk over the table says, and the comparison finds nothing to mend.
func TestTheMirrorWorksOnWhatTheTableSays(tt *testing.T) {
	rapid.Check(tt, func(t *rapid.T) {
		w := newWorld(tt, "one", "two", "three")
		w.do(&command.RaiseFormat{Format: fsm.Format})
		as := w.agent.newAssignments()
		repo := rapid.SampledFrom([]string{"one", "two", "three"})
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			id := repo.Draw(t, "repo")
			r := w.row(id)
			switch kind := rapid.IntRange(0, 7).Draw(t, "kind"); {
			case r == nil:
				_, _ = w.Propose(tt.Context(), &command.AddRepos{Repos: []*command.NewRepo{{Id: id, Name: id, Urls: []string{"https://x/" + id}, UrlKeys: []string{"x/" + id}, Copies: []string{"a", "b"}, Owner: "b"}}}, "")
				_, _ = w.Propose(tt.Context(), &command.RestoreRepos{Ids: []string{id}}, "")
			case kind == 0:
				_, _ = w.Propose(tt.Context(), &command.RemoveRepos{Ids: []string{id}}, "")
			case kind == 1:
				_, _ = w.Propose(tt.Context(), &command.Place{Rows: []*command.Placement{{Repo: id, RowVersion: r.Version, Leave: []string{"a"}}}}, "")
			case kind == 2:
				_, _ = w.Propose(tt.Context(), &command.Place{Rows: []*command.Placement{{Repo: id, RowVersion: r.Version, Add: []string{"a"}}}}, "")
			case kind == 3:
				_, _ = w.Propose(tt.Context(), &command.AssignOwners{Rows: []*command.Ownership{{Repo: id, Epoch: r.Epoch, Owner: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "owner")}}}, "")
			case kind == 7:
				_, _ = w.Propose(tt.Context(), &command.RestoreRepos{Ids: []string{id}}, "")
			case kind == 4:
				if w.agent.isRemoving(id) {
					w.agent.remove(tt.Context(), id)
					as.follow(w.state.View())
					as.giveWanted(w.state.View())
				}
				for _, n := range []string{"a", "b", "c"} {
					_, _ = w.Propose(tt.Context(), &command.Report{Node: n, Copies: []*command.CopyReport{{Repo: id, State: command.CopyState_COPY_STATE_LEAVING, Gone: true}}}, "")
				}
			case kind == 5:
				var b bytes.Buffer
				if err := w.state.Capture().Persist(&b); err != nil {
					t.Fatal(err)
				}
				if err := w.state.Restore(&b); err != nil {
					t.Fatal(err)
				}
			case kind == 6:
				w.holds(id, mirror.Status{Generation: 1})
			}
			if rapid.Bool().Draw(t, "follow") {
				w.follow(as)
				checkAssigned(t, w, as)
			}
		}
		as.compare(w.state.View())
		checkAssigned(t, w, as)
		if n := w.agent.Mended(); n != 0 {
			t.Fatalf("%d rows had to be mended", n)
		}
	})
}

func checkAssigned(t *rapid.T, w *world, as *assignments) {
	view := w.state.View()
	self := view.NodeByID("a").Num
	want := map[string]mirror.Assignment{}
	view.Repos("", func(r *fsm.Repo) bool {
		if cp, ok := r.Copy(self); ok && cp.State != fsm.CopyLeaving && !(as.wanted[r.ID] && w.agent.isRemoving(r.ID)) {
			want[r.ID] = assignmentOf(view, r, self)
		}
		return true
	})
	if !reflect.DeepEqual(want, w.disk.assigned) {
		t.Fatalf("the mirror works on %v, the table says %v", w.disk.assigned, want)
	}
}

// What went wrong in a way that nobody thought of is found, counted and mended.
func TestTheComparisonMends(t *testing.T) {
	w := newWorld(t, "one", "two", "three")
	as := w.agent.newAssignments()
	w.follow(as)
	as.takeBack("one")
	as.given["two"]--
	as.given["stranger"] = 1
	as.compare(w.state.View())
	if n := w.agent.Mended(); n != 3 || len(w.disk.assigned) != 3 || len(as.given) != 3 {
		t.Errorf("%d mended, %d assigned, %d given; want 3 of each", n, len(w.disk.assigned), len(as.given))
	}
}

// Only what has changed is looked at.
func TestAChangeOfOneRowIsOneAssignment(t *testing.T) {
	w := newWorld(t, "one", "two", "three")
	as := w.agent.newAssignments()
	w.follow(as)
	w.agent.takeDirty()
	w.publish("two")
	w.down("c")
	w.follow(as)
	if ids := w.agent.takeDirty(); !slices.Equal(ids, []string{"two"}) {
		t.Errorf("looked at %v, want two", ids)
	}
}

// What a cluster format brings is in every assignment as soon as it counts, though no row
// has changed.
func TestANewFormatReachesEveryAssignment(t *testing.T) {
	w := newWorld(t, "one", "two")
	as := w.agent.newAssignments()
	w.follow(as)
	w.do(&command.RaiseFormat{Format: fsm.Format})
	w.follow(as)
	for _, id := range []string{"one", "two"} {
		if !w.disk.assigned[id].Remembers {
			t.Errorf("%s: the mirror does not know that its past is remembered", id)
		}
	}
}

// A copy that is to leave, and is not here, is not looked for again and again, but when all
// rows are compared: it may have come back.
func TestACopyThatIsNotHereNeedNotLeave(t *testing.T) {
	w := newWorld(t, "one", "two")
	as := w.agent.newAssignments()
	for _, id := range []string{"one", "two"} {
		w.do(&command.AssignOwners{Rows: []*command.Ownership{{Repo: id, Epoch: w.row(id).Epoch, Owner: "b"}}})
		w.do(&command.Place{Rows: []*command.Placement{{Repo: id, RowVersion: w.row(id).Version, Leave: []string{"a"}}}})
	}
	w.holds("one", mirror.Status{Generation: 1})
	if ids := w.follow(as); !slices.Equal(ids, []string{"one"}) || len(as.leaving) != 1 {
		t.Errorf("%v begin to leave, %v are to; want one", ids, as.leaving)
	}
	w.holds("two", mirror.Status{Generation: 1})
	as.compare(w.state.View())
	if ids := as.removable(); !slices.Equal(ids, []string{"two"}) {
		t.Errorf("%v begin to leave, want two, which has come back", ids)
	}
}

// All copies of a dead host fail at once, and are told within a minute.
func TestManyFailuresAreToldSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const repos = 3_000
		w := newWorld(t)
		for i := 0; i < repos; i += 1000 {
			add := &command.AddRepos{}
			for j := range 1000 {
				id := fmt.Sprintf("repo-%06d", i+j)
				w.disk.status[id] = mirror.Status{Checked: true, Failure: failure.New(failure.Network, strings.Repeat("m", 90), nil)}
				add.Repos = append(add.Repos, &command.NewRepo{Id: id, Name: id, Urls: []string{"https://x/" + id}, UrlKeys: []string{"x/" + id}, Copies: []string{"a"}, Owner: "a"})
			}
			w.do(add)
		}
		w.disk.status["repo-000000"] = mirror.Status{}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = w.agent.Run(ctx, w.disk) }()
		close(w.caughtUp)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		failing := 0
		w.state.View().Repos("", func(r *fsm.Repo) bool {
			if r.Error != nil {
				failing++
			}
			return true
		})
		if failing != repos-1 {
			t.Errorf("%d of %d failures are told after two seconds", failing, repos-1)
		}
		cancel()
		<-done
	})
}
