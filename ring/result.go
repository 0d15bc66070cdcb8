package ring

import "slices"

// result turns positions back into ids, and tells the difference.
func (p *planner) result() ([][]uint32, []Change) {
	var list ranking // by place in found
	var found []Change
	for i, touched := range p.touched {
		if !touched || p.unchanged(i) {
			continue
		}
		p.table[i] = p.ids(i)
		if c := p.change(i, p.table[i]); len(c.Add)+len(c.Drop) > 0 {
			list = append(list, ranked{uint64(c.Urgency), p.repos[i].Hash, len(found)})
			found = append(found, c)
		}
	}
	changes := make([]Change, len(found))
	for i, at := range list.sort() {
		changes[i] = found[at]
	}
	return p.table, changes
}

// unchanged disregards the order: copies may have gone round in a circle.
func (p *planner) unchanged(repo int) bool {
	row, holders := p.row(repo), p.repos[repo].Holders
	if len(row) != len(holders) {
		return false
	}
	for _, m := range row {
		if !slices.Contains(holders, p.members[m].ID) {
			return false
		}
	}
	return true
}

func (p *planner) ids(repo int) []uint32 {
	row := p.row(repo)
	ids := make([]uint32, len(row))
	for i, m := range row {
		ids[i] = p.members[m].ID
	}
	return ids
}

func (p *planner) change(repo int, row []uint32) Change {
	c := Change{Repo: repo, Urgency: p.urgency(repo)}
	holders := p.repos[repo].Holders
	for _, id := range row {
		if !slices.Contains(holders, id) {
			c.Add = append(c.Add, id)
		}
	}
	for _, id := range holders {
		if !slices.Contains(row, id) && !slices.Contains(c.Drop, id) {
			c.Drop = append(c.Drop, id)
		}
	}
	return c
}

// urgency looks at what there is today, not at what is planned.
func (p *planner) urgency(repo int) int {
	r := &p.repos[repo]
	there, draining := 0, 0
	for i, id := range r.Holders {
		m := p.positions.of(id)
		if m < 0 || p.members[m].State == Gone || slices.Contains(r.Holders[:i], id) {
			continue
		}
		there++
		if p.members[m].State == Draining {
			draining++
		}
	}
	switch {
	case there < replicas(r):
		return BelowReplicas
	case draining > 0:
		return Drain
	}
	return Levelling
}
