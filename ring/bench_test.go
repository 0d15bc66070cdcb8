package ring

import (
	"fmt"
	"testing"
)

// fleet makes nodes 1 to n in the given number of zones.
func fleet(n, zones int) []Node {
	nodes := make([]Node, n)
	for i := range nodes {
		nodes[i] = Node{ID: uint32(i + 1), Capacity: 1}
		if zones > 0 {
			nodes[i].Zone = fmt.Sprintf("zone%d", i%zones)
		}
	}
	return nodes
}

// library makes repos of heavy-tailed sizes: most are small, a few are not.
func library(n int) []Repo {
	repos := make([]Repo, n)
	for i := range repos {
		h := mix(uint64(i) + 0x9e3779b97f4a7c15)
		repos[i] = Repo{Hash: h, Bytes: 1 << (10 + mix(h)%12), Cost: 1 + mix(h+1)%4, Replicas: 2}
	}
	return repos
}

// settled gives the repos the holders that a plan gave them.
func settled(repos []Repo, table [][]uint32) []Repo {
	next := append([]Repo(nil), repos...)
	for i := range next {
		next[i].Holders = table[i]
	}
	return next
}

func BenchmarkPlan(b *testing.B) {
	for _, size := range []int{100_000, 1_000_000} {
		nodes, repos := fleet(100, 5), library(size)
		table, _ := Plan(repos, nodes)
		placed := settled(repos, table)
		lost := append([]Node(nil), nodes...)
		lost[42].State = Gone
		joined := append(append([]Node(nil), nodes...), Node{ID: 101, Zone: "zone0", Capacity: 1})
		for _, c := range []struct {
			name  string
			repos []Repo
			nodes []Node
		}{
			{"full", repos, nodes},
			{"idle", placed, nodes},
			{"lost", placed, lost},
			{"join", placed, joined},
		} {
			b.Run(fmt.Sprintf("%d/%s", size, c.name), func(b *testing.B) {
				for b.Loop() {
					_, changes := Plan(c.repos, c.nodes)
					b.ReportMetric(float64(len(changes)), "changes")
				}
			})
		}
	}
}

func BenchmarkOwners(b *testing.B) {
	nodes, repos := fleet(100, 5), library(1_000_000)
	table, _ := Plan(repos, nodes)
	rows := make([]OwnerRepo, len(repos))
	for i := range rows {
		rows[i] = OwnerRepo{Hash: repos[i].Hash, Cost: repos[i].Cost, Ready: table[i]}
	}
	for b.Loop() {
		Owners(rows, nodes)
	}
}
