package world

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"gitmirror/membership"
	"gitmirror/node"
)

// recover loses more disks than a majority can do without, all at one moment, and has the cluster
// go on from the furthest log that is left, as people do it: every other node starts with an
// empty directory. One that comes back with its old one is told that the cluster goes on
// without it.
//
// What was acknowledged is in the log that is furthest of all; the node that has it is one of
// those that are left, so that all of it must be there still.
func (r *run) recover(s Step) {
	nodes, ok := r.claimAll()
	if !ok {
		r.missed(s)
		return
	}
	for _, n := range nodes {
		n.Crash(0)
	}
	all, furthest := r.remains(nodes)
	best := nodes[furthest]
	left := []*Node{best}
	for i := 1; len(left) < (len(nodes)-1)/2; i++ { // a minority
		left = append(left, nodes[(furthest+i)%len(nodes)])
	}
	if some, i := r.remains(left); some[i].Last != all[furthest].Last {
		r.violated("the furthest of %v is %+v, and %+v is further", names(left), some[i], all[furthest])
	}
	r.w.log.Info("recover", "from", best.Name, "left", names(left), "last", all[furthest].Last.Index)
	for _, n := range nodes {
		if n != best {
			n.forsake()
		}
	}
	if _, err := node.Recover(context.Background(), best.dir(), best.Host, slog.New(slog.DiscardHandler)); err != nil {
		r.violated("%s cannot be recovered: %v", best.Name, err)
	}
	r.log.recovered()
	r.mu.Lock()
	r.staked = nodes[(furthest+1)%len(nodes)]
	r.mu.Unlock()
	r.stopped(best)
	if err := best.StartWithin(startBound); err != nil && best.excused(err) == "" {
		r.violated("%s does not start after its recovery: %v", best.Name, err)
	}
	best.release()
	r.happened("recover: one goes on")
	r.work.Go(func() {
		for i := 1; i < len(nodes); i++ {
			n := nodes[(furthest+i)%len(nodes)]
			if i == 1 && s.Other%2 == 1 {
				r.supersede(n, best, []*Node{best}[:s.Repo%2]...)
			}
			r.anew(n)
			n.release()
		}
	})
}

// claimAll claims all nodes of a cluster in which each of them is whole, and there is no other
// process.
func (r *run) claimAll() (nodes []*Node, ok bool) {
	nodes = r.nodes()
	whole := len(r.twins) == 0 && r.gathered()
	for _, n := range r.w.every() {
		whole = whole && (!n.spoiled() && n.serves() || !n.running() && !slices.Contains(nodes, n))
	}
	r.mu.Lock()
	whole = whole && len(r.owed) == 0
	r.mu.Unlock()
	if !whole {
		return nil, false
	}
	for i, n := range nodes {
		if !n.claim() {
			for _, o := range nodes[:i] {
				o.release()
			}
			return nil, false
		}
	}
	return nodes, true
}

// remains is what is left of nodes that do not run, and which of them has the furthest log.
func (r *run) remains(nodes []*Node) (list []node.Remains, furthest int) {
	for _, n := range nodes {
		is, err := node.Examine(context.Background(), n.dir())
		if err != nil {
			r.violated("what is left of %s is not to be found out: %v", n.Name, err)
		}
		list = append(list, is)
	}
	furthest, err := node.Furthest(list)
	if err != nil {
		r.violated("whose log is the furthest is not to be found out: %v", err)
	}
	return list, furthest
}

// supersede starts a node with what it has of the cluster as it was before another was
// recovered. Where that runs, and nothing is between them for a minute, it is told so, and ends.
func (r *run) supersede(n, best *Node, join ...*Node) {
	n.suffer(superseded)
	defer n.recover(superseded)
	hears := func() bool { return best.serves() && r.fair(n.Host, best.Host) }
	of, disturbed := best.alive(), !hears()
	err := n.StartWithin(startBound, join...)
	for end := time.Now().Add(calmWithin); err == nil && n.running(); time.Sleep(time.Second) {
		disturbed = disturbed || !hears()
		if time.Now().After(end) {
			if !disturbed {
				r.violated("%s runs on, of a cluster that has been recovered without it", n.Name)
			}
			n.Crash(0)
		}
	}
	disturbed = disturbed || !hears() || best.alive() != of || n.has(readOnly) || n.has(fullDisk) || n.has(failingDisk) || errors.Is(err, errStopped)
	if err != nil && !disturbed && !errors.Is(err, membership.ErrSuperseded) {
		r.violated("%s does not start, of a cluster that has been recovered without it, and does not say so: %v", n.Name, err)
	}
	r.happened("recover: superseded")
}

// forsake notes that what a node had is lost, and that what nobody else has may be lost with it.
func (n *Node) forsake() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.forsaken = true
	n.bear(wiped)
}
