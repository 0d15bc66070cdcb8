package ring

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// loadOf is what nodes have by a table of who holds and owns what.
func loadOf(table [][]uint32, owners []uint32) func(uint32) Load {
	has := map[uint32]Load{}
	for i, row := range table {
		for _, id := range row {
			l := has[id]
			l.Copies++
			has[id] = l
		}
		if owners != nil && owners[i] != 0 {
			l := has[owners[i]]
			l.Owned++
			has[owners[i]] = l
		}
	}
	return func(id uint32) Load { return has[id] }
}

// A row that is placed by itself gets what the planner promises for rows, and keeps what
// the planner would let it keep.
func TestABoardPlacesAsThePlannerDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := someNodes(t)
		repos := someRepos(t, nodes)
		known := byID(nodes)
		var today [][]uint32
		for _, r := range repos {
			today = append(today, r.Holders)
		}
		b := NewBoard(nodes, loadOf(today, nil))
		for i := range repos {
			planner := newPlanner(repos[i:i+1], nodes)
			planner.keep()
			stay := planner.ids(0)
			row := b.Place(repos[i])
			today[i] = row
			if len(row) < len(stay) || !slices.Equal(row[:len(stay)], stay) {
				t.Fatalf("%+v: %v stay by the planner, placed on %v", repos[i], stay, row)
			}
			active := 0
			for id, n := range known {
				switch there := slices.Contains(row, id); {
				case there && n.State >= Draining:
					t.Fatalf("%+v is placed on node %+v", repos[i], n)
				case there && n.State != Active && !slices.Contains(repos[i].Holders, id):
					t.Fatalf("%+v gets a copy on node %+v", repos[i], n)
				case n.State == Active && !there:
					active++
				}
			}
			if len(row) < replicas(&repos[i]) && active > 0 {
				t.Fatalf("%+v has %d copies while %d nodes are free", repos[i], len(row), active)
			}
			if err := heard(row, nodes); err != nil {
				t.Fatalf("%+v, placed on %v: %v", repos[i], row, err)
			}
			if again := b.Place(Repo{Hash: repos[i].Hash, Replicas: repos[i].Replicas, Holders: row}); !slices.Equal(again, row) {
				t.Fatalf("%+v: placed on %v, and then on %v", repos[i], row, again)
			}
		}
		// What it has counted is what there is.
		count := loadOf(today, nil)
		for _, m := range b.p.members {
			if want := uint64(count(m.ID).Copies); m.load[inBytes] != want {
				t.Fatalf("node %d is counted with %d copies, and has %d", m.ID, m.load[inBytes], want)
			}
		}
	})
}

// Repos that come one by one are spread as those that are planned together, over zones
// too, and leave the planner little to level.
func TestABoardLeavesLittleToLevel(t *testing.T) {
	for _, zones := range []int{0, 2, 5} {
		nodes, repos := fleet(10, zones), even(10_000)
		nodes[3].Capacity *= 2
		b := NewBoard(nodes, func(uint32) Load { return Load{} })
		table, owners := make([][]uint32, len(repos)), make([]uint32, len(repos))
		for i := range repos {
			table[i] = b.Place(repos[i])
			owners[i] = b.Own(OwnerRepo{Hash: repos[i].Hash, Ready: table[i]})
			repos[i].Holders = table[i]
		}
		_, changes := Plan(repos, nodes)
		if len(changes) > len(repos)/20 {
			t.Errorf("%d zones: %d of %d repos are moved by the planner", zones, len(changes), len(repos))
		}
		owned := map[uint32]float64{}
		for _, o := range owners {
			owned[o]++
		}
		owned[4] /= 2 // it is twice as large
		within(t, "owned", owned, 10, 0.1)
	}
}

func TestABoardsOwner(t *testing.T) {
	nodes := []Node{{ID: 1}, {ID: 2}, {ID: 3, State: Draining}, {ID: 4, State: Down}, {ID: 5, State: Full, Capacity: 10}}
	load := map[uint32]Load{1: {Owned: 3}, 2: {Owned: 1}, 5: {Owned: 20}}
	for _, c := range []struct {
		owner uint32
		ready []uint32
		want  uint32
	}{
		{1, []uint32{1, 2}, 1}, // it stays, whatever it owns
		{4, []uint32{1, 2, 4}, 2},
		{0, []uint32{1, 5}, 5}, // 21 of 10 is less than 4 of 1
		{4, []uint32{3, 4}, 3}, // better draining than nobody
		{4, []uint32{1, 3}, 1},
		{3, []uint32{1, 3}, 1}, // and away from it as soon as another can
		{4, []uint32{4, 9}, 0},
	} {
		b := NewBoard(nodes, func(id uint32) Load { return load[id] })
		if got := b.Own(OwnerRepo{Hash: 7, Owner: c.owner, Ready: c.ready}); got != c.want {
			t.Errorf("owner %d, ready %v: %d, want %d", c.owner, c.ready, got, c.want)
		}
	}
	// It counts what it gives.
	b := NewBoard(nodes[:2], func(uint32) Load { return Load{} })
	given := map[uint32]int{}
	for i := range uint64(100) {
		given[b.Own(OwnerRepo{Hash: mix(i), Ready: []uint32{1, 2}})]++
	}
	if given[1] != 50 || given[2] != 50 {
		t.Errorf("given: %v", given)
	}
}
