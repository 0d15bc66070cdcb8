package world

import (
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/api"
)

// onNodes is a row that wants so many copies, and has them there.
func onNodes(replicas int, nodes ...string) (row api.Repo) {
	row.Replicas = replicas
	for _, n := range nodes {
		row.Copies = append(row.Copies, api.Copy{Node: n, State: "ready"})
	}
	return row
}

// A healthy cluster may be without a node only where that has no vote and no copy that is missed, and for
// as long as it is down.
func TestWhoIsReplacedIsNotMissed(t *testing.T) {
	for _, test := range []struct {
		name   string
		node   api.Node
		missed bool
		rows   []api.Repo
	}{
		{"down, with nothing", api.Node{Name: "n2", State: "down", Role: "nonvoter"}, false, nil},
		{"up", api.Node{Name: "n2", State: "up", Role: "nonvoter"}, true, nil},
		{"down, with a vote", api.Node{Name: "n2", State: "down", Role: "voter"}, true, nil},
		{"down, with a copy", api.Node{Name: "n2", State: "down", Role: "nonvoter", Copies: 1}, true, []api.Repo{onNodes(2, "n2", "n3")}},
		{"down, with a copy too many", api.Node{Name: "n2", State: "down", Role: "nonvoter", Copies: 1}, false, []api.Repo{onNodes(2, "n2", "n3", "n4"), onNodes(1, "n3")}},
		{"another", api.Node{Name: "n3", State: "down", Role: "nonvoter"}, true, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, seen := newVerdicts(), 0
				for range 10 {
					v.is("n2 is down", true, trouble{of: "n2"})
					seen += len(v.said("n1", api.Status{Verdict: api.Healthy, Nodes: []api.Node{test.node, {Name: "n1"}, {Name: "n4"}}}, func() []api.Repo { return test.rows }))
					time.Sleep(2 * time.Second)
				}
				if (seen > 0) != test.missed {
					t.Errorf("seen %d times", seen)
				}
				for range 10 { // as soon as it is said to be up, it is missed
					v.is("n2 is down", true, trouble{of: "n2"})
					seen += len(v.said("n1", api.Status{Verdict: api.Healthy}, nil))
					time.Sleep(2 * time.Second)
				}
				if seen == 0 {
					t.Error("it is never missed")
				}
			})
		})
	}
}
