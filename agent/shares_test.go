package agent

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
)

// The shares of all nodes are the budget, however rows come, go and change hands, and what is
// counted from changes is what a walk over the table counts.
func TestSharesAreTheBudget(tt *testing.T) {
	rapid.Check(tt, func(t *rapid.T) {
		w := newWorld(tt)
		w.do(&command.RaiseFormat{Format: fsm.Format})
		budgets := map[string]float64{"x": 6}
		nodes := map[string]*shares{"a": {budgets: budgets}, "b": {budgets: budgets}}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			id := fmt.Sprint("r", rapid.IntRange(0, 4).Draw(t, "repo"))
			host := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "host")
			owner := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "owner")
			r := w.row(id)
			switch rapid.IntRange(0, 4).Draw(t, "kind") {
			case 0:
				_, _ = w.Propose(tt.Context(), &command.AddRepos{Repos: []*command.NewRepo{{Id: id, Name: id, Urls: []string{"https://" + host + "/" + id}, UrlKeys: []string{host + "/" + id}, Copies: []string{"a", "b"}, Owner: owner}}}, "")
			case 1:
				_, _ = w.Propose(tt.Context(), &command.RemoveRepos{Ids: []string{id}}, "")
			case 2:
				if r != nil {
					_, _ = w.Propose(tt.Context(), &command.AssignOwners{Rows: []*command.Ownership{{Repo: id, Epoch: r.Epoch, Owner: owner}}}, "")
				}
			case 3:
				paused := rapid.Bool().Draw(t, "paused")
				_, _ = w.Propose(tt.Context(), &command.ChangeRepos{Repos: []*command.RepoChange{{Repo: id, Paused: &paused}}}, "")
			case 4:
				for self, s := range nodes {
					s.count(w.state.View(), self)
				}
			}
		}
		sum, owners := 0.0, 0
		for self, s := range nodes {
			s.count(w.state.View(), self)
			walked := shares{budgets: budgets}
			walked.count(w.state.View(), self)
			for host, n := range s.all {
				if n != walked.all[host] || s.own[host] != walked.own[host] {
					t.Fatalf("%s counts %v of %v, there are %v of %v", self, s.own, s.all, walked.own, walked.all)
				}
			}
			if s.own["x"] > 0 {
				sum += s.Rate("X")
				owners++
			}
			if s.Rate("y") != 0 {
				t.Fatal("a host without a budget has a rate")
			}
		}
		if owners > 0 && (sum < 5.999 || sum > 6.001) {
			t.Fatalf("the shares come to %g", sum)
		}
	})
}

// What is paused asks for nothing, and takes no share; nor does what nobody owns.
func TestWhatIsPausedTakesNoShare(t *testing.T) {
	w := newWorld(t, "r1", "r2", "r3")
	w.do(&command.RaiseFormat{Format: fsm.Format})
	w.do(&command.AssignOwners{Rows: []*command.Ownership{{Repo: "r3", Epoch: w.row("r3").Epoch, Owner: "b"}}})
	s := &shares{budgets: map[string]float64{"x": 6}}
	rate := func(want float64) {
		t.Helper()
		s.count(w.state.View(), "a")
		if got := s.Rate("x"); got != want {
			t.Errorf("this node may ask for %g, want %g", got, want)
		}
	}
	rate(4)
	pause := func(id string, paused bool) {
		w.do(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: id, Paused: &paused}}})
	}
	pause("r1", true)
	rate(3)
	pause("r3", true)
	rate(6)
	pause("r1", false)
	pause("r3", false)
	rate(4)
}
