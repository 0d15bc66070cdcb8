package cluster_test

import (
	"testing"

	"gitmirror/cluster"
	"gitmirror/internal/clustertest"
	"gitmirror/internal/testlog"
)

// A record of the leader is damaged that everybody else has, and that the
// leader has applied: a newcomer that lacks it is sent a snapshot instead.
func TestANewcomerIsNotSentADamagedRecord(t *testing.T) {
	g := clustertest.New(t, 1, clustertest.Options{})
	leader := g.Leader()
	const entries = cluster.CachedEntries + 20
	var first uint64
	for i := range entries {
		_, index, err := leader.Apply(deadline(t), []byte("one"))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = index
		}
	}
	if err := cluster.Spoil(leader.Cluster, first); err != nil {
		t.Fatal(err)
	}
	newcomer := g.Start(false)
	g.Add(newcomer)
	testlog.Eventually(t, "the newcomer to have everything", func() bool { return count(newcomer) == entries })
	select {
	case err := <-leader.Fatal():
		t.Errorf("the leader ends with %v", err)
	default:
	}
}
