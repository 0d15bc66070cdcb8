package ring

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func someOwnerRepos(t *rapid.T, nodes []Node) []OwnerRepo {
	var repos []OwnerRepo
	for _, r := range someRepos(t, nodes) {
		o := OwnerRepo{Hash: r.Hash, Cost: r.Cost, Ready: r.Holders}
		if len(nodes) > 0 && rapid.Bool().Draw(t, "owned") {
			o.Owner = rapid.SampledFrom(nodes).Draw(t, "owner").ID
		}
		repos = append(repos, o)
	}
	return repos
}

func TestOwnersAreEligibleAndStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := someNodes(t)
		repos := someOwnerRepos(t, nodes)
		owners := Owners(repos, nodes)
		known := byID(nodes)
		for i, owner := range owners {
			candidates := slices.DeleteFunc(slices.Clone(repos[i].Ready), func(id uint32) bool {
				n, exists := known[id]
				return !exists || n.State == Down || n.State == Gone
			})
			if owner == 0 && len(candidates) > 0 || owner != 0 && !slices.Contains(candidates, owner) {
				t.Fatalf("owner %d of %+v, nodes %+v", owner, repos[i], nodes)
			}
			if state := known[owner].State; owner != 0 && state == Draining && slices.ContainsFunc(candidates, func(id uint32) bool { return known[id].State != Draining }) {
				t.Fatalf("owner %d of %+v is draining", owner, repos[i])
			}
		}
		again := slices.Clone(repos)
		for i := range again {
			again[i].Owner = owners[i]
		}
		if got := Owners(again, nodes); !slices.Equal(got, owners) {
			t.Fatalf("owners %v, asked again %v", owners, got)
		}
	})
}

// owned is a placed library, ready everywhere.
func owned(n int, nodes []Node) []OwnerRepo {
	repos := library(n)
	table, _ := Plan(repos, nodes)
	rows := make([]OwnerRepo, n)
	for i := range rows {
		rows[i] = OwnerRepo{Hash: repos[i].Hash, Cost: repos[i].Cost, Ready: table[i]}
	}
	return rows
}

func ownedCost(rows []OwnerRepo, owners []uint32) map[uint32]float64 {
	cost := map[uint32]float64{}
	for i, id := range owners {
		cost[id] += float64(rows[i].Cost)
	}
	return cost
}

func TestOwnersAreSpread(t *testing.T) {
	nodes := fleet(10, 5)
	rows := owned(10_000, nodes)
	owners := Owners(rows, nodes)
	within(t, "fresh", ownedCost(rows, owners), 10, 0.06)

	for i := range rows { // the first copy of each: what a growing cluster has
		rows[i].Owner = slices.Min(rows[i].Ready)
	}
	owners = Owners(rows, nodes)
	within(t, "levelled", ownedCost(rows, owners), 10, 0.06)
}

func TestOwnersOfALostNodeAreSpreadAndOthersStay(t *testing.T) {
	nodes := fleet(10, 5)
	rows := owned(10_000, nodes)
	for i, owner := range Owners(rows, nodes) {
		rows[i].Owner = owner
	}
	nodes[3].State = Down
	next := Owners(rows, nodes)
	moved := 0
	for i, owner := range next {
		if owner == nodes[3].ID {
			t.Fatalf("node %d is down and owns repo %d", owner, i)
		}
		if rows[i].Owner != nodes[3].ID && owner != rows[i].Owner {
			moved++
		}
	}
	if moved > 500 {
		t.Errorf("%d of 10000 owners moved that were well", moved)
	}
	cost := ownedCost(rows, next)
	within(t, "after the loss", map[uint32]float64{1: cost[1], 2: cost[2], 3: cost[3], 4: cost[5], 5: cost[6], 6: cost[7], 7: cost[8], 8: cost[9], 9: cost[10]}, 9, 0.1)
}

func TestOwnersOfFewRepos(t *testing.T) {
	nodes := fleet(3, 0)
	rows := make([]OwnerRepo, 6)
	for i := range rows {
		rows[i] = OwnerRepo{Hash: uint64(i), Owner: 1, Ready: []uint32{1, 2, 3}}
	}
	cost := map[uint32]int{}
	for _, owner := range Owners(rows, nodes) {
		cost[owner]++
	}
	if cost[1] != 2 || cost[2] != 2 || cost[3] != 2 {
		t.Errorf("owned %v, want two each", cost)
	}
}
