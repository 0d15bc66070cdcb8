package coordinator

import (
	"cmp"
	"slices"
	"time"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/ring"
)

// loads is what each node holds and owns, counted once and kept up while repos
// are added, so that a bulk import does not count the table for each of its
// commands.
type loads struct {
	at    time.Time
	nodes []*nodeLoad
}

type nodeLoad struct {
	id, zone      string
	weight        int
	copies, owned int
}

// countEvery is how long a count is used: other things move copies too.
const countEvery = 2 * time.Second

// placer returns the loads to place new repos by. c.mu is held.
func (c *Coordinator) placer() *loads {
	if c.loads != nil && time.Since(c.loads.at) < countEvery {
		return c.loads
	}
	t := c.survey()
	owned := map[fsm.NodeNum]int{}
	for _, r := range t.rows {
		owned[r.Owner]++
	}
	l := &loads{at: time.Now()}
	for _, n := range t.nodes {
		if n.State == ring.Active {
			num := fsm.NodeNum(n.ID)
			node := t.byNum[num]
			l.nodes = append(l.nodes, &nodeLoad{id: node.ID, zone: node.Zone, weight: int(max(node.Weight, 1)), copies: t.load[num], owned: owned[num]})
		}
	}
	c.loads = l
	return l
}

// put gives a new row its copies and owner: on the least loaded nodes, in
// different zones while there are any, equal ones by hash. The planner finds
// little to level afterwards.
func (l *loads) put(row *command.NewRepo) {
	want := int(row.Policy.Replicas)
	if want == 0 {
		want = fsm.DefaultReplicas
	}
	order := slices.Clone(l.nodes)
	score := func(n *nodeLoad) uint64 { return hashOf(row.Id + n.id) }
	slices.SortFunc(order, func(a, b *nodeLoad) int {
		return cmp.Or(cmp.Compare(a.copies*b.weight, b.copies*a.weight), cmp.Compare(score(a), score(b)))
	})
	var chosen []*nodeLoad
	zones := map[string]bool{}
	for _, sameZone := range []bool{false, true} {
		for _, n := range order {
			if len(chosen) < want && !slices.Contains(chosen, n) && (sameZone || n.zone == "" || !zones[n.zone]) {
				chosen = append(chosen, n)
				zones[n.zone] = true
			}
		}
	}
	if len(chosen) == 0 {
		return // nobody is up: the loop places it later
	}
	owner := slices.MinFunc(chosen, func(a, b *nodeLoad) int {
		return cmp.Or(cmp.Compare(a.owned*b.weight, b.owned*a.weight), cmp.Compare(score(a), score(b)))
	})
	owner.owned++
	row.Owner = owner.id
	for _, n := range chosen {
		n.copies++
		row.Copies = append(row.Copies, n.id)
	}
}
