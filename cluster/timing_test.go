package cluster

import "testing"

// A leader does not give up while its followers are content with it.
func TestALeaderGivesUpNoEarlierThanItsFollowers(t *testing.T) {
	for _, timing := range []Timing{TimingFast, TimingNormal, TimingSlow} {
		if conf := raftConfig(Config{ID: "n", Timing: timing}); conf.LeaderLeaseTimeout < conf.HeartbeatTimeout {
			t.Errorf("%s: a leader leads for %s without a word, its followers wait for %s", timing, conf.LeaderLeaseTimeout, conf.HeartbeatTimeout)
		}
	}
}
