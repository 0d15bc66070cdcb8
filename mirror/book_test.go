package mirror

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/store"
	"gitmirror/mirror/work"
)

// Whoever has a lost generation may be gone for good: it is asked for less and less
// often, and at once when the row names another.
func TestLostGenerationsAreAskedForLessAndLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWard(t, t.Context(), 1)
		var err error
		if w.state, err = store.OpenState(t.TempDir(), w.log); err != nil {
			t.Fatal(err)
		}
		a := Assignment{ID: "REPO0", Name: "r0", Role: Owner, Epoch: 1, Generation: 1, Lost: []Generation{{Number: 1}}, Policy: Policy{Interval: time.Hour}}
		_, a.Digest = w.copies[0].Generation()
		j := &job{id: a.ID, want: a, assigned: true}
		last := time.Duration(0)
		for range 12 {
			w.book(j, &run{Task: work.Task{Assignment: a, Step: work.RecoverLost}}, work.Result{})
			wait := j.nextRecover.Sub(w.now())
			if wait < last || wait > recoverSeldom {
				t.Errorf("asked again after %s, and before that after %s", wait, last)
			}
			last = wait
		}
		if last != recoverSeldom {
			t.Errorf("in the end asked every %s, want %s", last, recoverSeldom)
		}
		a.Lost = append(a.Lost, Generation{Number: 2})
		w.Engine.mu.Lock()
		w.assign(j, a, w.now())
		w.Engine.mu.Unlock()
		if j.nextRecover.After(w.now()) {
			t.Errorf("another lost generation is asked for in %s, want at once", j.nextRecover.Sub(w.now()))
		}
		w.book(j, &run{Task: work.Task{Assignment: a, Step: work.RecoverLost}}, work.Result{})
		if wait := j.nextRecover.Sub(w.now()); wait != recoverSoon {
			t.Errorf("and then after %s, want %s", wait, recoverSoon)
		}
	})
}

// What a repository's failure leaves in memory is what is shown of it, and not the answer
// that led to it.
func TestAFailureThatIsKeptIsSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWard(t, t.Context(), 1)
		var err error
		if w.state, err = store.OpenState(t.TempDir(), w.log); err != nil {
			t.Fatal(err)
		}
		a := Assignment{ID: "REPO0", Name: "r0", Role: Owner, Epoch: 1, Generation: 1, Policy: Policy{Interval: time.Hour}}
		j := &job{id: a.ID, want: a, assigned: true}
		w.jobs[a.ID] = j
		answer := strings.Repeat("Z", 1<<20)
		f := failure.New(failure.RateLimited, "malformed line "+answer, errors.New(answer))
		f.RetryAfter = 3 * time.Hour
		w.book(j, &run{Task: work.Task{Assignment: a}}, work.Result{Checked: true, CheckedAt: w.now(), Answer: work.Answer{Failure: f}})
		s, _ := w.Status(a.ID)
		if got := s.Failure; got == nil || got.Class != failure.RateLimited || len(got.Message) > 600 || got.Err != nil {
			t.Errorf("kept %.700q", fmt.Sprintf("%+v", got))
		}
		if wait := s.NextCheck.Sub(w.now()); wait < 3*time.Hour {
			t.Errorf("asked again after %s, it wants three hours", wait)
		}
	})
}
