package ring

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// someNodes draws a small cluster in any condition.
func someNodes(t *rapid.T) []Node {
	ids := rapid.SliceOfNDistinct(rapid.Uint32Range(1, 100_000), 0, 9, rapid.ID[uint32]).Draw(t, "ids")
	zones, mutes := rapid.IntRange(0, 4).Draw(t, "zones"), rapid.IntRange(0, 2).Draw(t, "mutes")
	nodes := make([]Node, len(ids))
	for i, id := range ids {
		nodes[i] = Node{
			ID:       id,
			Capacity: rapid.Uint64Range(0, 4).Draw(t, "capacity"),
			State:    rapid.SampledFrom([]NodeState{Active, Active, Active, Active, Full, Down, Draining, Gone}).Draw(t, "state"),
			Mute:     rapid.IntRange(0, 2).Draw(t, "mute") < mutes,
		}
		if zones > 0 {
			nodes[i].Zone = fmt.Sprint("z", rapid.IntRange(0, zones).Draw(t, "zone"))
		}
	}
	return nodes
}

func someRepos(t *rapid.T, nodes []Node) []Repo {
	hashes := rapid.SliceOfNDistinct(rapid.Uint64(), 0, 60, rapid.ID[uint64]).Draw(t, "hashes")
	repos := make([]Repo, len(hashes))
	for i := range repos {
		repos[i] = Repo{
			Hash:     hashes[i],
			Bytes:    rapid.Uint64Range(0, 1000).Draw(t, "bytes"),
			Cost:     rapid.Uint64Range(0, 3).Draw(t, "cost"),
			Replicas: rapid.IntRange(1, 3).Draw(t, "replicas"),
		}
		for range rapid.IntRange(0, 4).Draw(t, "holders") {
			holder := uint32(7_000_000) // one that nobody knows
			if len(nodes) > 0 && rapid.IntRange(0, 9).Draw(t, "known") > 0 {
				holder = rapid.SampledFrom(nodes).Draw(t, "holder").ID
			}
			if !slices.Contains(repos[i].Holders, holder) {
				repos[i].Holders = append(repos[i].Holders, holder)
			}
		}
	}
	return repos
}

func byID(nodes []Node) map[uint32]Node {
	m := map[uint32]Node{}
	for _, n := range nodes {
		m[n.ID] = n
	}
	return m
}

func activeNodes(nodes []Node) (count, zones int) {
	seen := map[string]bool{}
	for _, n := range nodes {
		if n.State != Active {
			continue
		}
		count++
		if n.Zone == "" {
			zones++
		} else {
			seen[n.Zone] = true
		}
	}
	return count, zones + len(seen)
}

func TestPlanKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := someNodes(t)
		repos := someRepos(t, nodes)
		table, changes := Plan(repos, nodes)
		for i, row := range table {
			if err := soundRow(&repos[i], row, nodes); err != nil {
				t.Fatalf("repo %+v: row %v: %v\nnodes %+v", repos[i], row, err, nodes)
			}
		}
		checkChanges(t, repos, table, changes)
	})
}

func soundRow(repo *Repo, row []uint32, nodes []Node) error {
	known := byID(nodes)
	for i, id := range row {
		n, exists := known[id]
		switch {
		case slices.Contains(row[:i], id):
			return fmt.Errorf("two copies on node %d", id)
		case !exists || n.State >= Draining:
			return fmt.Errorf("a copy on node %d, which is draining, gone or unknown", id)
		case n.State != Active && !slices.Contains(repo.Holders, id):
			return fmt.Errorf("node %d gained a copy and is not active", id)
		}
	}
	for _, id := range repo.Holders {
		if known[id].State == Down && !slices.Contains(row, id) {
			return fmt.Errorf("node %d is down and lost its copy", id)
		}
	}
	count, zones := activeNodes(nodes)
	if count >= repo.Replicas && len(row) < repo.Replicas {
		return fmt.Errorf("a copy is missing")
	}
	if zones >= repo.Replicas && !slices.ContainsFunc(nodes, func(n Node) bool { return n.Mute }) {
		return distinctZones(repo, row, known)
	}
	return heard(row, nodes)
}

// heard wants a copy that clients get, where there can be one and none is waited for.
func heard(row []uint32, nodes []Node) error {
	known := byID(nodes)
	if !slices.ContainsFunc(nodes, func(n Node) bool { return n.State == Active && !n.Mute }) {
		return nil
	}
	for _, id := range row {
		if n := known[id]; !n.Mute || n.State == Down {
			return nil
		}
	}
	return fmt.Errorf("all copies are on mute nodes")
}

// distinctZones lets two copies share a zone only while one of them is down.
func distinctZones(repo *Repo, row []uint32, known map[uint32]Node) error {
	for i, a := range row {
		for _, b := range row[:i] {
			x, y := known[a], known[b]
			if x.Zone != "" && x.Zone == y.Zone && x.State != Down && y.State != Down {
				return fmt.Errorf("nodes %d and %d are in one zone", a, b)
			}
		}
	}
	return nil
}

func checkChanges(t *rapid.T, repos []Repo, table [][]uint32, changes []Change) {
	changed := map[int]bool{}
	for i, c := range changes {
		changed[c.Repo] = true
		if i > 0 {
			last := changes[i-1]
			if last.Urgency > c.Urgency || last.Urgency == c.Urgency && repos[last.Repo].Hash > repos[c.Repo].Hash {
				t.Fatalf("change %+v after %+v", c, last)
			}
		}
		row := slices.DeleteFunc(slices.Clone(repos[c.Repo].Holders), func(id uint32) bool { return slices.Contains(c.Drop, id) })
		row = append(row, c.Add...)
		slices.Sort(row)
		want := slices.Sorted(slices.Values(table[c.Repo]))
		if !slices.Equal(row, want) {
			t.Fatalf("change %+v of %v leads to %v, not to %v", c, repos[c.Repo].Holders, row, want)
		}
	}
	for i := range repos {
		if !changed[i] && !slices.Equal(table[i], repos[i].Holders) {
			t.Fatalf("repo %d goes from %v to %v without a change", i, repos[i].Holders, table[i])
		}
	}
}

func TestReplanningAPlanMovesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := someNodes(t)
		repos := someRepos(t, nodes)
		table, _ := Plan(repos, nodes)
		if _, changes := Plan(settled(repos, table), nodes); len(changes) != 0 {
			t.Fatalf("nodes %+v\nrepos %+v\nplan %v\nplanned again: %+v", nodes, repos, table, changes)
		}
	})
}

func TestOrderOfInputsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := someNodes(t)
		repos := someRepos(t, nodes)
		table, _ := Plan(repos, nodes)
		order := rapid.Permutation(indexes(len(repos))).Draw(t, "order")
		shuffled := make([]Repo, len(repos))
		for i, from := range order {
			shuffled[i] = repos[from]
		}
		again, _ := Plan(shuffled, rapid.Permutation(nodes).Draw(t, "nodes"))
		for i, from := range order {
			if !slices.Equal(again[i], table[from]) {
				t.Fatalf("repo %+v is on %v, or in another order on %v", repos[from], table[from], again[i])
			}
		}
	})
}

func indexes(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// TestLeaveTouchesNobodyElse: when a node goes, rows that had no copy there
// stay as they are, unless nodes have to be levelled.
func TestLeaveTouchesNobodyElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := fleet(rapid.IntRange(3, 8).Draw(t, "nodes"), rapid.IntRange(0, 3).Draw(t, "zones"))
		repos := library(rapid.IntRange(1, 300).Draw(t, "repos"))
		table, _ := Plan(repos, nodes)
		victim := rapid.IntRange(0, len(nodes)-1).Draw(t, "victim")
		nodes[victim].State = rapid.SampledFrom([]NodeState{Draining, Gone}).Draw(t, "state")
		p := newPlanner(settled(repos, table), nodes)
		p.keep()
		p.setTargets()
		p.fill()
		_, changes := p.result()
		for _, c := range changes {
			if !slices.Contains(table[c.Repo], nodes[victim].ID) {
				t.Fatalf("%v changes by %+v, though it was not on node %d", table[c.Repo], c, nodes[victim].ID)
			}
		}
	})
}
