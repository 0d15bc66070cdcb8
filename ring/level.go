package ring

import "slices"

const maxRounds = 64

// level moves copies from nodes that hold too much to nodes that hold too
// little, until there is no move left that helps.
func (p *planner) level() {
	for range maxRounds {
		moved := false
		for _, m := range p.active {
			moved = p.pull(m) || moved
		}
		for _, m := range p.active {
			moved = p.push(m) || moved
		}
		if !moved {
			return
		}
	}
}

// pull brings copies to a node that is low in every dimension: first those
// that belong there by their score, then any.
func (p *planner) pull(to int) bool {
	n := &p.members[to]
	if n.fullness() >= low || !p.donors() {
		return false
	}
	moved := false
	for _, better := range []bool{true, false} {
		for _, repo := range p.wishes(to, better) {
			if n.fullness() >= lowStop {
				return moved
			}
			if from := p.donor(repo, to, better); from >= 0 {
				p.move(repo, from, to)
				moved = true
			}
		}
	}
	return moved
}

// donors tells whether any node could give something.
func (p *planner) donors() bool {
	return slices.ContainsFunc(p.active, func(m int) bool { return p.members[m].fullness() > lowStop })
}

// wishes lists the repos that a node does not hold, nearest first; if better,
// only those that are nearer to it than to an active holder.
func (p *planner) wishes(to int, better bool) []int {
	var list ranking
	seed, inverse := p.members[to].seed, p.members[to].inverse
	for i := range p.repos {
		row := p.row(i)
		if slices.Contains(row, int32(to)) {
			continue
		}
		d := distance(p.repos[i].Hash, seed)
		if !better || slices.ContainsFunc(row, func(h int32) bool {
			return p.members[h].State == Active && d*inverse < p.score(i, int(h))
		}) {
			list = append(list, ranked{d, p.repos[i].Hash, i})
		}
	}
	return list.sort()
}

// donor finds the fullest holder that can do without its copy, or -1. The
// receiver must not become a node that has to give.
func (p *planner) donor(repo, to int, better bool) int {
	w := weightOf(&p.repos[repo])
	n := &p.members[to]
	if n.fullnessWith(w) > highStop {
		return -1
	}
	best, most := -1, uint64(0)
	for _, h := range p.row(repo) {
		from := &p.members[h]
		if from.State != Active || from.fullnessWithout(w) < lowStop || !p.spread(repo, int(h), to) {
			continue
		}
		if better && p.score(repo, to) >= p.score(repo, int(h)) {
			continue
		}
		if full := from.fullness(); best < 0 || full > most || full == most && int(h) < best {
			best, most = int(h), full
		}
	}
	return best
}

// spread tells whether a move leaves the copies in as many zones as before, and clients a
// copy. A copy on a node that is down fills its zone, but is no reason to leave it.
// Rows with a copy too many wait for such a node, and are left alone.
func (p *planner) spread(repo, from, to int) bool {
	row := p.row(repo)
	if len(row) > replicas(&p.repos[repo]) {
		return false
	}
	alone, taken, silent := true, false, p.members[to].Mute && !p.members[from].Mute
	for _, h := range row {
		if int(h) == from {
			continue
		}
		if int(h) == to {
			return false
		}
		other := &p.members[h]
		alone = alone && (other.zone != p.members[from].zone || other.State == Down)
		taken = taken || other.zone == p.members[to].zone
		silent = silent && other.Mute
	}
	return !(alone && taken) && !silent
}

// push takes copies from a node that holds too much in some dimension: the
// largest that do not take it below its target first, then the smallest.
func (p *planner) push(from int) bool {
	d, over := p.over(from, high)
	if !over {
		return false
	}
	held := p.held(from, d)
	moved := false
	for _, overshoot := range []bool{false, true} {
		for _, repo := range held {
			if d, over = p.over(from, highStop); !over {
				return moved
			}
			n := &p.members[from]
			w := weightOf(&p.repos[repo])
			if !slices.Contains(p.row(repo), int32(from)) || !overshoot && n.load[d] < n.target[d]+w[d] {
				continue
			}
			if to := p.taker(repo, from); to >= 0 {
				p.move(repo, from, to)
				moved = true
			}
		}
		slices.Reverse(held)
	}
	return moved
}

// over returns the dimension in which a node is above the limit.
func (p *planner) over(m int, limit uint64) (int, bool) {
	n := &p.members[m]
	d := inBytes
	if ratio(n.load[inCost], n.target[inCost]) > ratio(n.load[inBytes], n.target[inBytes]) {
		d = inCost
	}
	return d, ratio(n.load[d], n.target[d]) > limit
}

// held lists the repos on a node, the heaviest in dimension d first.
func (p *planner) held(m, d int) []int {
	var list ranking
	for i := range p.repos {
		if slices.Contains(p.row(i), int32(m)) {
			list = append(list, ranked{^weightOf(&p.repos[i])[d], p.repos[i].Hash, i})
		}
	}
	return list.sort()
}

// taker finds a node for a copy: the best-scored one that stays within the
// tolerance, or else the least loaded one if it ends clearly below where the
// giver was; or -1.
func (p *planner) taker(repo, from int) int {
	w := weightOf(&p.repos[repo])
	best, least := -1, -1
	var bestScore, leastFull uint64
	for _, to := range p.active {
		if !p.spread(repo, from, to) || to == from {
			continue
		}
		full := p.members[to].fullnessWith(w)
		if full <= highStop {
			if score := p.score(repo, to); best < 0 || score < bestScore {
				best, bestScore = to, score
			}
		}
		if least < 0 || full < leastFull {
			least, leastFull = to, full
		}
	}
	if best < 0 && least >= 0 && leastFull+tolerance/2 < p.members[from].fullness() {
		return least
	}
	return best
}
