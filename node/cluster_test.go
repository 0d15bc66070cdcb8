package node_test

import (
	"testing"

	"gitmirror/api"
	"gitmirror/internal/gittest"
	"gitmirror/internal/upstream"
)

func TestThreeNodesMirrorAndFollow(t *testing.T) {
	up := gittest.Upstream(t)
	r := sample(t, up, "acme/big.git")
	nodes := cluster(t, 3)
	row := nodes[1].add(t, api.AddRepo{URL: up.URL("acme/big.git"), Name: "acme/big"})
	if len(row.Copies) != 2 || row.Owner == "" || row.Generation != 1 {
		t.Errorf("row %+v, want two copies, an owner and generation 1", row)
	}
	follows(t, nodes, up, "acme/big.git", "acme/big")
	gittest.Edit(t, r, func(e *upstream.Edit) {
		e.Commit("main", "more", map[string]string{"d.txt": "d"})
		e.Branch("fresh", "main")
	})
	follows(t, nodes, up, "acme/big.git", "acme/big")
	if n := up.Count("acme/big.git", upstream.KindClone); n != 1 {
		t.Errorf("upstream saw %d fetches without haves, want 1", n)
	}
}
