package ring

// Load is what a node has.
type Load struct {
	Copies int
	Owned  int // repos
}

// Board places repos one by one, where Plan places all: it knows what each node has, not
// which repos those are, and moves nothing to level it. What it returns it counts. It is
// not safe for concurrent use.
type Board struct {
	p     *planner // of one repo
	owned []uint64 // by position
}

// NewBoard returns a board with the nodes as they are loaded now.
func NewBoard(nodes []Node, load func(id uint32) Load) *Board {
	b := &Board{p: newPlanner([]Repo{{Replicas: len(nodes)}}, nodes), owned: make([]uint64, len(nodes))}
	var capacity uint64
	for _, m := range b.p.active {
		capacity += b.p.members[m].Capacity
	}
	for m := range b.p.members {
		n := &b.p.members[m]
		has := load(n.ID)
		b.owned[m] = uint64(max(has.Owned, 0))
		for d := range dims {
			n.target[d] = n.Capacity // relative: no more is known than who is fuller
			if n.State == Active {
				n.share[d] = mulDiv(n.Capacity, 1<<32, capacity)
			}
		}
		n.inverse = 1 << 32 / max(n.share[inBytes], 1)
		copies := uint64(max(has.Copies, 0))
		b.p.load(m, weight{copies, copies})
	}
	return b
}

// Place returns the nodes that shall hold a repo: those of its holders that may stay, and
// what is missing in other zones while there are any, on the node that the repo's hash
// prefers among those that have no more than their share, or else on the least loaded.
// Bytes and cost are not looked at.
func (b *Board) Place(r Repo) []uint32 {
	p := b.p
	r.Bytes, r.Cost = 1, 1
	p.repos[0], p.counts[0] = r, 0
	if need := max(len(r.Holders), min(replicas(&r), len(p.members))); need > p.stride {
		p.stride, p.slots = need, make([]int32, need)
	}
	for _, id := range r.Holders { // they are counted, and are counted again as they stay
		if m := p.positions.of(id); m >= 0 {
			p.unload(m)
		}
	}
	p.keepRow(0)
	if int(p.counts[0]) < replicas(&r) {
		p.fillRow(0)
	}
	return p.ids(0)
}

// Own returns which of the nodes that may own a repo shall: its owner, if it may, else the
// one that owns least; 0 where none can.
func (b *Board) Own(r OwnerRepo) uint32 {
	best, least := -1, uint64(0)
	today := b.p.positions.of(r.Owner)
	may := false
	eligible(r.Ready, &b.p.positions, func(m int) NodeState { return b.p.members[m].State }, func(m int) {
		may = may || r.Owner != 0 && m == today
		full := ratio(b.owned[m]+1, b.p.members[m].Capacity)
		better := best < 0 || full < least
		if !better && full == least {
			better = distance(r.Hash, b.p.members[m].seed) < distance(r.Hash, b.p.members[best].seed)
		}
		if better {
			best, least = m, full
		}
	})
	if may {
		return r.Owner
	}
	if best < 0 {
		return 0
	}
	b.owned[best]++
	return b.p.members[best].ID
}

func (p *planner) unload(m int) {
	for d := range dims {
		p.members[m].load[d] -= min(p.members[m].load[d], 1)
		if p.members[m].State == Active {
			p.placed[d] -= min(p.placed[d], 1)
		}
	}
}
