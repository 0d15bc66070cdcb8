package ring

// one is a full share in the fixed point of fullness and tolerances.
const one = 1 << 20

// Nodes within the tolerance of their target are left alone; levelling stops
// half way.
const (
	tolerance = one / 20
	low       = one - tolerance
	lowStop   = one - tolerance/2
	highStop  = one + tolerance/2
	high      = one + tolerance
)

// setTargets tells each node how much it should hold.
func (p *planner) setTargets() {
	for d := range dims {
		p.setTarget(d)
	}
	for _, m := range p.active {
		n := &p.members[m]
		n.inverse = 1 << 32 / max((n.share[inBytes]+n.share[inCost])/2, 1)
	}
}

// setTarget leaves full and down nodes what they hold and shares out the rest
// by capacity, first among the zones, then among the active nodes of each. A
// node can take no more than one copy of everything, and neither can a zone of
// what is to be spread over zones.
func (p *planner) setTarget(d int) {
	zones := make([]group, p.zones)
	rest := p.demand.all[d]
	for m := range p.members {
		switch n := &p.members[m]; n.State {
		case Active:
			zones[n.zone].capacity += n.Capacity
			zones[n.zone].most += p.demand.perNode[d]
		case Full, Down:
			n.target[d] = n.load[d]
			rest -= min(rest, n.load[d])
		}
	}
	for z := range zones {
		zones[z].most = min(zones[z].most, p.demand.perZone[d])
	}
	for m := range p.members {
		if n := &p.members[m]; n.State == Full || n.State == Down {
			zones[n.zone].most -= min(zones[n.zone].most, n.load[d])
		}
	}
	share(zones, rest)
	for z := range zones {
		p.shareZone(d, z, zones[z].amount, p.demand.perNode[d])
	}
	var sum uint64
	for _, m := range p.active {
		sum += p.members[m].target[d]
	}
	for _, m := range p.active {
		n := &p.members[m]
		n.share[d] = mulDiv(n.target[d], 1<<32, max(sum, 1))
	}
}

// shareZone shares out the amount of a zone among its active nodes.
func (p *planner) shareZone(d, zone int, amount, most uint64) {
	groups := make([]group, len(p.members))
	for _, m := range p.active {
		if p.members[m].zone == zone {
			groups[m] = group{capacity: p.members[m].Capacity, most: most}
		}
	}
	share(groups, amount)
	for _, m := range p.active {
		if p.members[m].zone == zone {
			p.members[m].target[d] = groups[m].amount
		}
	}
}

// demand is what there is to place.
type demand struct {
	all     weight // every copy that can be placed
	perNode weight // the most that one node can hold: everything once
	perZone weight // the most that one zone can hold
}

// need adds what a repo wants, which has the copies that it keeps.
func (p *planner) need(repo int) {
	row, want := p.row(repo), replicas(&p.repos[repo])
	copies := len(row)
	if copies < want {
		copies = min(want, copies+p.without(row))
	}
	sum := &p.demand
	for d, w := range weightOf(&p.repos[repo]) {
		sum.all[d] += w * uint64(copies)
		sum.perNode[d] += w
		if sum.perZone[d] += w; want > p.liveZones {
			sum.perZone[d] += w * uint64(min(want, len(p.members)))
		}
	}
}

// without counts the active nodes that have no copy.
func (p *planner) without(row []int32) int {
	n := len(p.active)
	for _, m := range row {
		if p.members[m].State == Active {
			n--
		}
	}
	return n
}

// group is something that takes a share.
type group struct {
	capacity uint64
	most     uint64
	amount   uint64 // the answer
}

// share pours rest into the groups by capacity, up to the most that each can
// take; what does not go into one goes into the others.
func share(groups []group, rest uint64) {
	closed := make([]bool, len(groups))
	for {
		var capacity, clipped uint64
		for i := range groups {
			if !closed[i] {
				capacity += groups[i].capacity
			}
		}
		if capacity == 0 {
			return
		}
		again := false
		for i := range groups {
			g := &groups[i]
			if closed[i] {
				continue
			}
			if g.amount = mulDiv(rest, g.capacity, capacity); g.amount > g.most {
				g.amount = g.most
				clipped += g.most
				closed[i], again = true, true
			}
		}
		if !again {
			return
		}
		rest -= clipped
	}
}

// fullness is load over target in its fullest dimension.
func (m *member) fullness() uint64 { return m.fullnessWith(weight{}) }

func (m *member) fullnessWith(w weight) uint64 {
	return max(ratio(m.load[inBytes]+w[inBytes], m.target[inBytes]), ratio(m.load[inCost]+w[inCost], m.target[inCost]))
}

func (m *member) fullnessWithout(w weight) uint64 {
	return max(ratio(m.load[inBytes]-w[inBytes], m.target[inBytes]), ratio(m.load[inCost]-w[inCost], m.target[inCost]))
}

// ratio leaves room for a tolerance on top.
func ratio(load, target uint64) uint64 {
	if load == 0 {
		return 0
	}
	if target == 0 {
		return 1 << 62
	}
	return min(mulDiv(load, one, target), 1<<62)
}
