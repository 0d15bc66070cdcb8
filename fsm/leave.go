package fsm

import (
	"fmt"
	"slices"
	"strings"

	"gitmirror/fsm/command"
	"gitmirror/internal/asciifold"
	"gitmirror/internal/refusal"
)

// How many repos a refusal names, and of how many that are lost an event tells.
const (
	namedLast = 10
	toldLost  = 1000
)

// removeNode forgets a node and its copies.
func (s *State) removeNode(e entry, c *command.RemoveNode) *command.Outcome {
	t := &s.tables
	n := t.nodes.byID[c.GetId()]
	if n == nil {
		return refuse(refusal.NotFound, "no node %q", c.GetId())
	}
	var rows, last []*Repo
	t.heldBy(n.Num, func(row *Repo) bool {
		rows = append(rows, row)
		if t.lastLive(row, n.Num) {
			last = append(last, row)
		}
		return true
	})
	slices.SortFunc(last, func(a, b *Repo) int { return asciifold.Compare(a.Name, b.Name) })
	if len(last) > 0 && !c.GetAcceptLoss() {
		return t.refuseLoss(n, last)
	}
	orphans := 0
	for _, row := range rows {
		next := row.edit()
		next.dropCopy(n.Num)
		if row.Owner == n.Num {
			next.Owner = 0
			next.Epoch++
			orphans++
		}
		t.store(e, next)
	}
	t.nodes = t.nodes.without(n)
	detail := fmt.Sprintf("held %d copies, owned %d repos", len(rows), orphans)
	if len(last) > 0 {
		detail += fmt.Sprintf("; the last live copy of %d, given up by a person: %s", len(last), someNames(last))
	}
	t.recordNode(e, EventNodeRemoved, n, detail)
	for _, row := range last[:min(len(last), toldLost)] {
		t.record(e, EventCopyLost, t.repo(row.ID), t.whatIsLost(t.repo(row.ID), n))
	}
	return done()
}

// lastLive tells whether the copy of a published row on a node is the only ready one but for
// those on nodes that are down too.
func (t *tables) lastLive(row *Repo, n NodeNum) bool {
	held, _ := row.Copy(n)
	return held.State == CopyReady && row.Generation > 0 && !row.Removed && t.liveReady(row, n) == 0
}

// refuseLoss names what would be lost, and where else there may be copies.
func (t *tables) refuseLoss(n *Node, last []*Repo) *command.Outcome {
	elsewhere := map[string]bool{}
	for _, row := range last {
		for _, c := range row.Copies {
			if other := t.nodes.byNum[c.Node]; c.Node != n.Num && c.State == CopyReady && other != nil {
				elsewhere[other.Name] = true
			}
		}
	}
	said := fmt.Sprintf("no node that lives has a copy of %d repos that %s has: %s", len(last), n.Name, someNames(last))
	if len(elsewhere) > 0 {
		var names []string
		for name := range elsewhere {
			names = append(names, name)
		}
		slices.Sort(names)
		said += fmt.Sprintf("; of some there are copies on %s, which cannot serve them now", strings.Join(names, " and "))
	}
	return refuse(refusal.LastCopy, "%s", said)
}

// someNames are the first names of rows, and how many there are besides.
func someNames(rows []*Repo) string {
	var names []string
	for _, row := range rows[:min(len(rows), namedLast)] {
		names = append(names, row.Name)
	}
	said := strings.Join(names, ", ")
	if more := len(rows) - len(names); more > 0 {
		said += fmt.Sprintf(" and %d more", more)
	}
	return said
}

// whatIsLost says of a row where a copy was given up, and where there may be another.
func (t *tables) whatIsLost(row *Repo, n *Node) string {
	var others []string
	for _, c := range row.Copies {
		if other := t.nodes.byNum[c.Node]; c.State == CopyReady && other != nil {
			others = append(others, other.Name+", which is "+string(other.State))
		}
	}
	said := "the last copy on a node that lived was on " + n.Name + ", which was removed; "
	if len(others) == 0 {
		return said + "cloned anew from upstream"
	}
	return said + "another is on " + strings.Join(others, ", and on ")
}
