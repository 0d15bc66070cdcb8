package ring

import "math"

// fill places the copies that are missing, the heaviest first.
func (p *planner) fill() {
	for _, i := range p.short() {
		p.fillRow(i)
		p.touched[i] = true
	}
}

func (p *planner) fillRow(i int) {
	hash, lots := p.repos[i].Hash, p.lots
	for k, seed := range p.seeds {
		lots[k] = lot(hash, seed)
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
	each := p.demand.perNode
	var list ranking
	for _, i := range p.missing {
		w := weightOf(&p.repos[i])
		heavy := max(mulDiv(w[inBytes], 1<<40, each[inBytes]), mulDiv(w[inCost], 1<<40, each[inCost]))
		list = append(list, ranked{^heavy, p.repos[i].Hash, i})
	}
	return list.sort()
}

// home finds the node for the next copy of a repo: the best-scored one below
// its cap, or else the one that is least loaded; in an unused zone, or else in
// any; or none (-1). Of a row of which clients get no copy the next one is for them, while
// there are nodes for that.
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
	best, least := -1, uint64(math.MaxUint64)
	row := p.row(repo)
	for k, lot := range p.lots {
		m := p.active[k]
		n := &p.members[m]
		if leastDistanceOf(lot)*n.inverse >= least || !p.free(row, m, strict) {
			continue
		}
		score := distanceOf(lot) * n.inverse
		if score >= least {
			continue
		}
		if n.load[inBytes] <= mulShift(allowance[inBytes], n.share[inBytes]) &&
			n.load[inCost] <= mulShift(allowance[inCost], n.share[inCost]) {
			best, least = m, score
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

// free tells whether a row has no copy on m, nor, if strict, in its zone, and whether m will do
// for it.
func (p *planner) free(row []int32, m int, strict bool) bool {
	if p.members[m].Mute && p.speakers && p.silent(row) {
		return false
	}
	for _, h := range row {
		if int(h) == m || strict && p.members[h].zone == p.members[m].zone {
			return false
		}
	}
	return true
}
