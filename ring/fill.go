package ring

import (
	"cmp"
	"slices"
)

// fill places the copies that are missing, the heaviest first.
func (p *planner) fill() {
	for _, i := range p.short() {
		p.fillRow(i)
	}
}

func (p *planner) fillRow(i int) {
	for _, m := range p.active {
		p.scores[m] = p.score(i, m)
	}
	for int(p.counts[i]) < replicas(&p.repos[i]) {
		m := p.home(i)
		if m < 0 {
			return
		}
		p.append(i, m)
	}
}

// short lists the repos that miss a copy, the heaviest first. What is heavy in
// one dimension alone is heavy.
func (p *planner) short() []int {
	type missing struct {
		heavy, hash uint64
		repo        int
	}
	var total weight
	for i := range p.repos {
		for d, w := range weightOf(&p.repos[i]) {
			total[d] += w
		}
	}
	var list []missing
	for i := range p.repos {
		if int(p.counts[i]) < replicas(&p.repos[i]) {
			w := weightOf(&p.repos[i])
			heavy := max(mulDiv(w[inBytes], 1<<40, total[inBytes]), mulDiv(w[inCost], 1<<40, total[inCost]))
			list = append(list, missing{heavy, p.repos[i].Hash, i})
		}
	}
	slices.SortFunc(list, func(a, b missing) int {
		return cmp.Or(cmp.Compare(b.heavy, a.heavy), cmp.Compare(a.hash, b.hash), cmp.Compare(a.repo, b.repo))
	})
	repos := make([]int, len(list))
	for i, m := range list {
		repos[i] = m.repo
	}
	return repos
}

// home finds the node for the next copy of a repo: the best-scored one below
// its cap, or else the one that is least loaded; in an unused zone, or else in
// any; or none (-1).
func (p *planner) home(repo int) int {
	for _, strict := range []bool{true, false} {
		if m := p.bestBelowCap(repo, strict); m >= 0 {
			return m
		}
		if m := p.leastLoaded(repo, strict); m >= 0 {
			return m
		}
	}
	return -1
}

// bestBelowCap wants the load below the node's share of what is placed so far:
// a cap on the final target would leave a node that got a giant without small
// repos.
func (p *planner) bestBelowCap(repo int, strict bool) int {
	var allowance weight // what is placed, and the tolerance
	for d := range dims {
		allowance[d] = p.placed[d] + p.placed[d]/(2*one/tolerance)
	}
	best := -1
	row := p.row(repo)
	for _, m := range p.active {
		if best >= 0 && p.scores[m] >= p.scores[best] || !p.free(row, m, strict) {
			continue
		}
		n := &p.members[m]
		if n.load[inBytes] <= mulShift(allowance[inBytes], n.share[inBytes]) &&
			n.load[inCost] <= mulShift(allowance[inCost], n.share[inCost]) {
			best = m
		}
	}
	return best
}

func (p *planner) leastLoaded(repo int, strict bool) int {
	best, least := -1, uint64(0)
	row, w := p.row(repo), weightOf(&p.repos[repo])
	for _, m := range p.active {
		if !p.free(row, m, strict) {
			continue
		}
		if full := p.members[m].fullnessWith(w); best < 0 || full < least {
			best, least = m, full
		}
	}
	return best
}

// free tells whether a row has no copy on m, nor, if strict, in its zone.
func (p *planner) free(row []int32, m int, strict bool) bool {
	for _, h := range row {
		if int(h) == m || strict && p.members[h].zone == p.members[m].zone {
			return false
		}
	}
	return true
}
