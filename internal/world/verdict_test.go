package world

import (
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/api"
)

// A healthy cluster may be without a node only where that has no vote and no copies, and for
// as long as it is down.
func TestWhoIsReplacedIsNotMissed(t *testing.T) {
	for _, test := range []struct {
		name   string
		node   api.Node
		missed bool
	}{
		{"down, with nothing", api.Node{Name: "n2", State: "down", Role: "nonvoter"}, false},
		{"up", api.Node{Name: "n2", State: "up", Role: "nonvoter"}, true},
		{"down, with a vote", api.Node{Name: "n2", State: "down", Role: "voter"}, true},
		{"down, with a copy", api.Node{Name: "n2", State: "down", Role: "nonvoter", Copies: 1}, true},
		{"another", api.Node{Name: "n3", State: "down", Role: "nonvoter"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, seen := newVerdicts(), 0
				for range 10 {
					v.is("n2 is down", true, trouble{of: "n2"})
					seen += len(v.said("n1", api.Status{Verdict: api.Healthy, Nodes: []api.Node{test.node}}))
					time.Sleep(2 * time.Second)
				}
				if (seen > 0) != test.missed {
					t.Errorf("seen %d times", seen)
				}
				for range 10 { // as soon as it is said to be up, it is missed
					v.is("n2 is down", true, trouble{of: "n2"})
					seen += len(v.said("n1", api.Status{Verdict: api.Healthy}))
					time.Sleep(2 * time.Second)
				}
				if seen == 0 {
					t.Error("it is never missed")
				}
			})
		})
	}
}
