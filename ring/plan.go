package ring

import (
	"cmp"
	"slices"
)

// NodeState is what may be done with a node.
type NodeState int

// Active nodes give and receive. Full ones keep what they have. So do nodes
// that are Down, for as long as they are expected back. Draining nodes lose
// everything, but can be copied from; nodes that are Gone cannot.
const (
	Active NodeState = iota
	Full
	Down
	Draining
	Gone
)

// Node is a place for copies.
type Node struct {
	ID       uint32
	Zone     string // empty: a zone of its own
	Capacity uint64 // relative to the other nodes; 0 counts as 1
	State    NodeState
	Mute     bool // its copies are as good as any, and clients do not get them
}

// Repo is something to be placed.
type Repo struct {
	Hash     uint64 // of its id, distinct; decides ties and preferences
	Bytes    uint64 // weights; 0 counts as 1, more than 1 TiB as 1 TiB
	Cost     uint64
	Replicas int
	Holders  []uint32 // today's copies; where one has to go, the later one goes
}

// Change is what a plan changes for one repo. The copies to drop are to be
// dropped when those to add are there.
type Change struct {
	Repo    int // index into the repos
	Add     []uint32
	Drop    []uint32
	Urgency int // one of the urgencies below
}

// How urgent a change is.
const (
	BelowReplicas = 0 // a copy is missing
	Drain         = 1 // a copy has to leave its node
	Levelling     = 2 // the copies would only be better elsewhere
)

// Plan returns for each repo the nodes that shall hold it, and how that
// differs from today, the most urgent first. Rows that do not change share
// their memory with Holders.
func Plan(repos []Repo, nodes []Node) (table [][]uint32, changes []Change) {
	p := newPlanner(repos, nodes)
	p.keep()
	p.setTargets()
	p.fill()
	p.level()
	return p.result()
}

// The dimensions in which load is balanced.
const (
	inBytes = iota
	inCost
	dims
)

type weight [dims]uint64

// member is a node while a plan is made.
type member struct {
	Node
	zone    int
	seed    uint64
	inverse uint64 // of its share of everything, for scores
	load    weight
	target  weight
	share   weight // of all active targets, in 2^-32
}

// planner holds a plan in the making. Nodes are called by their position in
// members, which are in the order of their ids.
type planner struct {
	repos     []Repo
	members   []member
	positions positions
	active    []int
	zones     int // number of all zones
	liveZones int // those with an active node
	anyDown   bool
	anyMute   bool
	speakers  bool // there is an active node that is not mute

	slots  []int32 // stride per repo, the first counts[repo] in use
	counts []int32
	stride int

	table   [][]uint32 // today's, and at last the planned one
	touched []bool     // rows that may differ from today's
	demand  demand
	missing []int    // repos that lack a copy after keep
	placed  weight   // on active nodes
	seeds   []uint64 // of the active nodes
	lots    []uint64 // what the repo that is being placed draws for them
}

func newPlanner(repos []Repo, nodes []Node) *planner {
	p := &planner{repos: repos, members: make([]member, len(nodes))}
	for i, n := range nodes {
		n.Capacity = min(max(n.Capacity, 1), 1<<24)
		p.members[i] = member{Node: n, seed: mix(uint64(n.ID) + 1)}
	}
	slices.SortFunc(p.members, func(a, b member) int { return cmp.Compare(a.ID, b.ID) })
	p.positions = newPositions(p.members)
	p.numberZones()
	for i := range p.members {
		p.anyMute = p.anyMute || p.members[i].Mute
		switch p.members[i].State {
		case Active:
			p.active = append(p.active, i)
			p.seeds = append(p.seeds, p.members[i].seed)
			p.speakers = p.speakers || !p.members[i].Mute
		case Down:
			p.anyDown = true
		}
	}
	for i := range repos {
		p.stride = max(p.stride, len(repos[i].Holders), min(replicas(&repos[i]), len(nodes)))
	}
	p.slots = make([]int32, len(repos)*p.stride)
	p.counts = make([]int32, len(repos))
	p.lots = make([]uint64, len(p.active))
	return p
}

func (p *planner) numberZones() {
	numbers := map[string]int{}
	live := map[int]bool{}
	for i := range p.members {
		m := &p.members[i]
		number, known := numbers[m.Zone]
		if !known || m.Zone == "" {
			number = p.zones
			p.zones++
			numbers[m.Zone] = number
		}
		m.zone = number
		if m.State == Active {
			live[number] = true
		}
	}
	p.liveZones = len(live)
}

func replicas(r *Repo) int { return max(r.Replicas, 1) }

func weightOf(r *Repo) weight {
	const most = 1 << 40
	return weight{inBytes: min(max(r.Bytes, 1), most), inCost: min(max(r.Cost, 1), most)}
}

// row is where the repo is, in the plan so far.
func (p *planner) row(repo int) []int32 {
	start := repo * p.stride
	return p.slots[start : start+int(p.counts[repo])]
}

func (p *planner) append(repo, m int) {
	p.slots[repo*p.stride+int(p.counts[repo])] = int32(m)
	p.counts[repo]++
	p.load(m, weightOf(&p.repos[repo]))
}

func (p *planner) load(m int, w weight) {
	for d := range dims {
		p.members[m].load[d] += w[d]
		if p.members[m].State == Active {
			p.placed[d] += w[d]
		}
	}
}

// move replaces one holder of a repo by another.
func (p *planner) move(repo, from, to int) {
	p.touched[repo] = true
	row := p.row(repo)
	row[slices.Index(row, int32(from))] = int32(to)
	w := weightOf(&p.repos[repo])
	for d := range dims {
		p.members[from].load[d] -= w[d]
		p.members[to].load[d] += w[d]
	}
}

// keep takes over every copy that may stay where it is. What else is to be known of all
// repos is gathered on the way: going through them is what a plan that changes nothing
// costs.
func (p *planner) keep() {
	p.table, p.touched = make([][]uint32, len(p.repos)), make([]bool, len(p.repos))
	for i := range p.repos {
		p.keepRow(i)
		p.table[i] = p.repos[i].Holders
		p.touched[i] = len(p.row(i)) != len(p.repos[i].Holders)
		p.need(i)
		if int(p.counts[i]) < replicas(&p.repos[i]) {
			p.missing = append(p.missing, i)
		}
	}
}

// keepRow lets no copy go while another one of the row is on a node that is
// down: nobody knows yet whether that one counts.
func (p *planner) keepRow(i int) {
	repo := &p.repos[i]
	want, w := replicas(repo), weightOf(repo)
	row := p.slots[i*p.stride : i*p.stride : (i+1)*p.stride]
	waiting := p.anyDown && slices.ContainsFunc(repo.Holders, func(id uint32) bool {
		m := p.positions.of(id)
		return m >= 0 && p.members[m].State == Down
	})
	most := want
	keep := func(m int) {
		if m < 0 || p.members[m].State >= Draining || slices.Contains(row, int32(m)) {
			return
		}
		if p.members[m].State != Down {
			surplus := len(row) >= most && !waiting
			if surplus || p.liveZones >= want && (p.crowded(row, m) || most < want && p.inTheWay(row, m)) {
				return
			}
		}
		row = append(row, int32(m))
		p.load(m, w)
	}
	if p.anyMute {
		// The one copy that clients get goes last; where there is none, it gets a place.
		keep(p.speaker(repo.Holders))
		if len(row) == 0 && p.speakers {
			most--
		}
	}
	for _, id := range repo.Holders {
		keep(p.positions.of(id))
	}
	if p.anyMute {
		at := func(m int32) int { return slices.Index(repo.Holders, p.members[m].ID) }
		slices.SortFunc(row, func(a, b int32) int { return cmp.Compare(at(a), at(b)) })
	}
	p.counts[i] = int32(len(row))
}

// speaker is the first holder whose copy clients get, or will when it is up again; -1 where there is none.
func (p *planner) speaker(holders []uint32) int {
	for _, id := range holders {
		if m := p.positions.of(id); m >= 0 && p.members[m].State < Draining && !p.members[m].Mute {
			return m
		}
	}
	return -1
}

// inTheWay tells whether a copy on m would leave no zone for one that clients get.
func (p *planner) inTheWay(row []int32, m int) bool {
	for _, a := range p.active {
		if n := &p.members[a]; !n.Mute && n.zone != p.members[m].zone && !p.crowded(row, a) {
			return false
		}
	}
	return true
}

// silent tells whether clients get no copy of a row.
func (p *planner) silent(row []int32) bool {
	return p.anyMute && !slices.ContainsFunc(row, func(m int32) bool { return !p.members[m].Mute })
}

// crowded tells whether a copy on a node that is not down is in m's zone.
func (p *planner) crowded(row []int32, m int) bool {
	for _, h := range row {
		if p.members[h].zone == p.members[m].zone && p.members[h].State != Down {
			return true
		}
	}
	return false
}
