package node_test

import (
	"errors"
	"testing"

	"gitmirror/fsm"
	"gitmirror/internal/network"
	"gitmirror/internal/refusal"
	"gitmirror/peer"
)

// Who asks to be let in is compared with a table only by a leader that has made sure
// that it leads and has applied what the last one acknowledged. Another node, whose
// table may be of long ago, says that it does not lead.
func TestOnlyTheLeaderLetsAnybodyIn(t *testing.T) {
	nodes := cluster(t, 3)
	s, err := nodes[0].client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	calls := peer.NewClient(network.Host, func() string { return s.ClusterID }, nil)
	defer calls.Close()
	asker := nodes[2]
	h, err := calls.Hello(t.Context(), asker.info.Peer)
	if err != nil {
		t.Fatal(err)
	}
	rq := peer.JoinRequest{ID: h.ID, Name: h.Name, Peer: asker.info.Peer, HTTP: "http://127.0.0.1:9", Version: h.Version, Run: h.Run, Runs: []string{h.Run}, Format: fsm.Format, ClusterID: s.ClusterID}
	for _, n := range nodes {
		if n.cfg.Name == s.Leader {
			continue
		}
		if _, err := calls.Join(t.Context(), n.info.Peer, rq); !errors.Is(err, refusal.NotLeader) {
			t.Errorf("%s, which does not lead: %v", n.cfg.Name, err)
		}
	}
}
