package ring

import (
	"cmp"
	"slices"
)

// OwnerRepo is a repo that needs an owner.
type OwnerRepo struct {
	Hash  uint64
	Cost  uint64   // weight; 0 counts as 1
	Owner uint32   // today's, 0 for none
	Ready []uint32 // the nodes that may own it
}

// Owners returns the owner of each repo, 0 where no node can. Nodes that are
// active or full can own, a draining one only while no other can. An owner
// that can stays, except as far as it takes for each node to own its fair
// share of the cost, within 5 % or one repo, as the ready copies allow.
func Owners(repos []OwnerRepo, nodes []Node) []uint32 {
	e := newElection(repos, nodes)
	e.keep()
	e.setTargets()
	e.fill()
	e.level()
	owners := make([]uint32, len(repos))
	for i, m := range e.owner {
		if m >= 0 {
			owners[i] = e.members[m].ID
		}
	}
	return owners
}

// election is a table of owners in the making. It is the planner's problem in
// one dimension, with a fixed choice of nodes per repo.
type election struct {
	repos     []OwnerRepo
	members   []candidate
	positions positions
	owner     []int // position, -1 for none
	order     []int // of repos: the heaviest first
}

type candidate struct {
	Node
	load, target uint64
}

func (c *candidate) fullness(more uint64) uint64 { return ratio(c.load+more, c.target) }

func newElection(repos []OwnerRepo, nodes []Node) *election {
	e := &election{repos: repos, owner: make([]int, len(repos))}
	members := make([]member, len(nodes))
	for i, n := range nodes {
		n.Capacity = min(max(n.Capacity, 1), 1<<24)
		members[i] = member{Node: n}
	}
	slices.SortFunc(members, func(a, b member) int { return cmp.Compare(a.ID, b.ID) })
	e.positions = newPositions(members)
	for _, m := range members {
		e.members = append(e.members, candidate{Node: m.Node})
	}
	order := make(ranking, len(repos))
	for i := range repos {
		order[i] = ranked{^e.cost(i), repos[i].Hash, i}
	}
	e.order = order.sort()
	return e
}

func (e *election) cost(repo int) uint64 { return min(max(e.repos[repo].Cost, 1), 1<<40) }

func (e *election) eligible(repo int, fn func(m int)) {
	eligible(e.repos[repo].Ready, &e.positions, func(m int) NodeState { return e.members[m].State }, fn)
}

// eligible calls fn with each node that may own a repo: those of ready that are active or
// full, or else those that are draining.
func eligible(ready []uint32, at *positions, state func(m int) NodeState, fn func(m int)) {
	for _, lastResort := range []bool{false, true} {
		found := false
		for _, id := range ready {
			m := at.of(id)
			if m < 0 {
				continue
			}
			s := state(m)
			if !lastResort && (s == Active || s == Full) || lastResort && s == Draining {
				found = true
				fn(m)
			}
		}
		if found {
			return
		}
	}
}

func (e *election) keep() {
	for i := range e.repos {
		e.owner[i] = -1
		today := e.positions.of(e.repos[i].Owner)
		if e.repos[i].Owner == 0 || today < 0 {
			continue
		}
		e.eligible(i, func(m int) {
			if m == today && e.owner[i] < 0 {
				e.give(i, m)
			}
		})
	}
}

func (e *election) give(repo, m int) {
	if old := e.owner[repo]; old >= 0 {
		e.members[old].load -= e.cost(repo)
	}
	e.owner[repo] = m
	e.members[m].load += e.cost(repo)
}

// setTargets shares the cost by capacity, but expects of no node more than
// what it has copies of.
func (e *election) setTargets() {
	groups := make([]group, len(e.members))
	var total uint64
	for i := range e.repos {
		any := false
		e.eligible(i, func(m int) {
			if e.members[m].State != Draining {
				groups[m].most += e.cost(i)
				any = true
			}
		})
		if any {
			total += e.cost(i)
		}
	}
	for m := range groups {
		if groups[m].most > 0 {
			groups[m].capacity = e.members[m].Capacity
		}
	}
	share(groups, total)
	for m := range groups {
		e.members[m].target = groups[m].amount
	}
}

// fill gives each repo without an owner to the least loaded node.
func (e *election) fill() {
	for _, i := range e.order {
		if e.owner[i] >= 0 {
			continue
		}
		if m := e.least(i); m >= 0 {
			e.give(i, m)
		}
	}
}

// least returns the eligible node, not the owner, that would be least loaded
// with the repo; or -1.
func (e *election) least(repo int) int {
	best, least := -1, uint64(0)
	e.eligible(repo, func(m int) {
		full := e.members[m].fullness(e.cost(repo))
		if m != e.owner[repo] && (best < 0 || full < least || full == least && m < best) {
			best, least = m, full
		}
	})
	return best
}

// level moves repos from nodes that own too much, and to nodes that own too
// little. Each move ends with both clearly below where the giver was, so there
// is an end to it.
func (e *election) level() {
	for range maxRounds {
		moved := false
		giving, taking := e.uneven()
		for _, i := range e.order {
			from := e.owner[i]
			if from < 0 {
				continue
			}
			to := e.least(i)
			if to < 0 || !giving[from] && !taking[to] {
				continue
			}
			giver, taker := &e.members[from], &e.members[to]
			if giver.fullness(0) <= highStop && taker.fullness(0) >= lowStop {
				continue
			}
			if taker.fullness(e.cost(i))+one/64 < giver.fullness(0) {
				e.give(i, to)
				moved = true
			}
		}
		if !moved {
			return
		}
	}
}

// uneven tells which nodes own too much, and which too little.
func (e *election) uneven() (giving, taking []bool) {
	giving, taking = make([]bool, len(e.members)), make([]bool, len(e.members))
	for m := range e.members {
		full := e.members[m].fullness(0)
		giving[m], taking[m] = full > high, full < low
	}
	return giving, taking
}
