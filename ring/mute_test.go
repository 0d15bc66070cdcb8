package ring

import (
	"slices"
	"testing"
)

// Mute nodes get their share of what has more copies than one, and nothing else; nothing is moved
// for their sake that is well as it is.
func TestMuteNodes(t *testing.T) {
	nodes := fleet(4, 0)
	nodes[1].Mute = true
	for replicas, share := range map[int]float64{1: 0, 2: 1, 3: 1} {
		repos := even(2000)
		for i := range repos {
			repos[i].Replicas = replicas
		}
		table, _ := Plan(repos, nodes)
		_, _, copies := loads(repos, table)
		want := share * float64(len(repos)*replicas) / 4
		if got := copies[nodes[1].ID]; got < 0.94*want || got > 1.06*want {
			t.Errorf("%d copies of each: %g on the mute node, want %g", replicas, got, want)
		}
		for i, row := range table {
			if err := heard(row, nodes); err != nil {
				t.Fatalf("%d copies: repo %d on %v: %v", replicas, i, row, err)
			}
		}
		if _, changes := Plan(settled(repos, table), nodes); len(changes) > 0 {
			t.Errorf("%d copies of each: planned again, %d rows change", replicas, len(changes))
		}
	}
}

// A copy is made for clients where there is none, and takes the place of one; the only one that they
// get goes last.
func TestRowsOfMuteNodes(t *testing.T) {
	nodes := []Node{{ID: 1, Mute: true}, {ID: 2, Mute: true}, {ID: 3}, {ID: 4, State: Full}, {ID: 5, State: Down, Mute: true}, {ID: 6, State: Down}}
	for _, c := range []struct {
		holders  []uint32
		replicas int
		want     []uint32
	}{
		{[]uint32{1}, 1, []uint32{3}},
		{[]uint32{1, 2}, 2, []uint32{1, 3}},
		{[]uint32{1, 2, 3}, 2, []uint32{1, 3}}, // one is too many, and it is not the last
		{[]uint32{1, 4}, 2, []uint32{1, 4}},
		{[]uint32{1, 6}, 2, []uint32{1, 6}}, // it is expected back
		{[]uint32{1, 5}, 2, []uint32{1, 5}}, // so is it, and then there are two
		{[]uint32{1, 2}, 3, []uint32{1, 2, 3}},
	} {
		b := NewBoard(nodes, func(uint32) Load { return Load{} })
		repos := []Repo{{Hash: 7, Replicas: c.replicas, Holders: c.holders}}
		table, _ := Plan(repos, nodes)
		for how, row := range map[string][]uint32{"planned": table[0], "placed": b.Place(repos[0])} {
			if slices.Sort(row); !slices.Equal(row, c.want) {
				t.Errorf("%v, %d copies: %s on %v, want %v", c.holders, c.replicas, how, row, c.want)
			}
		}
	}
	// Where all are mute it is as if none were.
	if table, _ := Plan([]Repo{{Hash: 7, Replicas: 2}}, nodes[:2]); len(table[0]) != 2 {
		t.Errorf("of two mute nodes %v have it", table[0])
	}
}
