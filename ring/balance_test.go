package ring

import (
	"slices"
	"testing"
)

// even is repos of one size, with two copies each.
func even(n int) []Repo {
	repos := library(n)
	for i := range repos {
		repos[i].Bytes, repos[i].Cost = 1, 1
	}
	return repos
}

func loads(repos []Repo, table [][]uint32) (bytes, cost, copies map[uint32]float64) {
	bytes, cost, copies = map[uint32]float64{}, map[uint32]float64{}, map[uint32]float64{}
	for i, row := range table {
		for _, id := range row {
			bytes[id] += float64(repos[i].Bytes)
			cost[id] += float64(repos[i].Cost)
			copies[id]++
		}
	}
	return bytes, cost, copies
}

// within wants every node's load as near to the mean as the slack says.
func within(t *testing.T, what string, load map[uint32]float64, nodes int, slack float64) {
	t.Helper()
	var sum float64
	for _, l := range load {
		sum += l
	}
	mean := sum / float64(nodes)
	for id := uint32(1); id <= uint32(nodes); id++ {
		if l := load[id] / mean; l < 1-slack || l > 1+slack {
			t.Errorf("%s: node %d has %.3f of its share", what, id, l)
		}
	}
}

func TestLoadIsSpread(t *testing.T) {
	for name, repos := range map[string][]Repo{"even": even(10_000), "heavy-tailed": library(10_000)} {
		for _, zones := range []int{0, 2, 5} {
			nodes := fleet(10, zones)
			table, _ := Plan(repos, nodes)
			bytes, cost, copies := loads(repos, table)
			within(t, name+" bytes", bytes, 10, 0.1)
			within(t, name+" cost", cost, 10, 0.1)
			if name == "even" {
				within(t, name+" copies", copies, 10, 0.1)
			}
		}
	}
}

func TestOneNodeLostMovesItsShare(t *testing.T) {
	repos, nodes := library(10_000), fleet(10, 5)
	table, _ := Plan(repos, nodes)
	for victim := range nodes {
		after := slices.Clone(nodes)
		after[victim].State = Gone
		next, changes := Plan(settled(repos, table), after)
		lost, gained := 0, map[uint32]bool{}
		for _, row := range table {
			if slices.Contains(row, nodes[victim].ID) {
				lost++
			}
		}
		added := 0
		for _, c := range changes {
			added += len(c.Add)
			for _, id := range c.Add {
				gained[id] = true
			}
			if c.Urgency != BelowReplicas {
				t.Errorf("urgency of %+v", c)
			}
		}
		if added != lost {
			t.Errorf("node %d held %d copies, %d were made", nodes[victim].ID, lost, added)
		}
		if len(gained) < 9 {
			t.Errorf("only nodes %v take over from node %d", gained, nodes[victim].ID)
		}
		bytes, _, _ := loads(repos, next)
		if bytes[nodes[victim].ID] != 0 {
			t.Errorf("node %d is gone and holds something", nodes[victim].ID)
		}
	}
}

func TestJoinMovesItsShare(t *testing.T) {
	for _, zones := range []int{0, 3} {
		repos := library(10_000)
		table, _ := Plan(repos, fleet(3, zones))
		next, changes := Plan(settled(repos, table), fleet(4, zones))
		var moved, all float64
		for _, c := range changes {
			if c.Urgency != Levelling {
				t.Errorf("urgency of %+v", c)
			}
			moved += float64(len(c.Add)) * float64(repos[c.Repo].Bytes)
		}
		bytes, _, _ := loads(repos, next)
		for _, b := range bytes {
			all += b
		}
		if share := moved / (all / 4); share < 0.9 || share > 1.05 {
			t.Errorf("%d zones: a join moved %.3f of the new node's share", zones, share)
		}
	}
}

func TestDrainIsMoreUrgentThanLevelling(t *testing.T) {
	repos, nodes := library(1000), fleet(4, 0)
	table, _ := Plan(repos, nodes)
	nodes[0].State = Draining
	nodes = append(nodes, Node{ID: 7}, Node{ID: 8}, Node{ID: 9})
	_, changes := Plan(settled(repos, table), nodes)
	if changes[0].Urgency != Drain || changes[len(changes)-1].Urgency != Levelling {
		t.Errorf("first %+v, last %+v", changes[0], changes[len(changes)-1])
	}
}

func TestFullAndDownNodesKeepWhatTheyHave(t *testing.T) {
	repos, nodes := library(1000), fleet(5, 0)
	table, _ := Plan(repos, nodes)
	nodes[0].State, nodes[1].State = Full, Down
	if _, changes := Plan(settled(repos, table), nodes); len(changes) != 0 {
		t.Errorf("%d changes, the first %+v", len(changes), changes[0])
	}
}

func TestSurplusStaysWhileANodeIsDown(t *testing.T) {
	nodes := fleet(3, 0)
	nodes[0].State = Down
	repos := []Repo{{Hash: 1, Replicas: 2, Holders: []uint32{1, 2, 3}}}
	if _, changes := Plan(repos, nodes); len(changes) != 0 {
		t.Errorf("changes %+v", changes)
	}
	nodes[0].State = Active
	table, _ := Plan(repos, nodes)
	if !slices.Equal(table[0], []uint32{1, 2}) {
		t.Errorf("row %v, want the later copy to go", table[0])
	}
}

// TestSmallClusters: nothing ever swings back and forth.
func TestSmallClusters(t *testing.T) {
	for n := range 6 {
		for r := range 8 {
			for replicas := range 4 {
				repos := even(r)
				for i := range repos {
					repos[i].Replicas = replicas
				}
				for _, size := range []int{n, n + 1, n} { // one joins, and goes
					table, _ := Plan(repos, fleet(size, 0))
					repos = settled(repos, table)
					if _, changes := Plan(repos, fleet(size, 0)); len(changes) != 0 {
						t.Fatalf("%d nodes, %d repos, %d replicas: %+v", size, r, replicas, changes)
					}
					for i, row := range table {
						if want := min(max(replicas, 1), size); len(row) != want {
							t.Fatalf("%d nodes: repo %d of %d has %d copies, want %d", size, i, r, len(row), want)
						}
					}
				}
			}
		}
	}
}
