package world

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"gitmirror/api"
	"gitmirror/internal/world/fabric"
)

// pair is a node, and another machine on which a process of a copy of its directory runs.
type pair struct {
	node, copy *Node
	claimed    bool // nobody else starts the node, until it is single again
}

// double kills a node, copies its directory to another machine, and starts a process there:
// alone, when the node has started again too, before, or at once. One of them goes on.
func (r *run) double(s Step) {
	// Of two that vote and cannot hear of each other's votes, from nobody, each would give one.
	n := r.victim(s, func(n *Node) bool {
		return !raced && !n.spoiled() && !n.has(newcomer) && (r.unhindered(n) || !r.votes(n))
	})
	if n == nil {
		return
	}
	votes := r.votes(n)
	n.Crash(0)
	n.suffer(twin)
	c := r.w.double(n)
	r.twins = append(r.twins, pair{n, c, votes})
	// It may reach nobody at first, but where it votes: a vote that two have, of which nobody
	// knows for long, is one of those that no consensus survives.
	if s.Repo%2 == 1 && !votes {
		r.alone(c, fabric.Weather{Cut: true})
	}
	r.work.Go(func() {
		// Where it votes, one that is started later while nobody can be asked who has
		// heard of the other gives that vote twice, too.
		if !votes {
			defer n.release()
		}
		switch s.Other % 4 {
		case 0:
			r.up(c)
		case 1:
			r.up(n)
			r.up(c)
		case 2:
			r.up(c)
			r.up(n)
		case 3:
			r.work.Go(func() { r.up(c) })
			r.up(n)
		}
		r.contend(n, c)
	})
}

// unhindered tells whether nothing is between a node and any other.
func (r *run) unhindered(n *Node) bool {
	return !slices.ContainsFunc(r.w.every(), func(o *Node) bool { return o != n && !r.fair(n.Host, o.Host) })
}

// votes tells whether a node votes, as far as anybody says otherwise.
func (r *run) votes(n *Node) bool {
	s, _ := r.status(r.others(n))
	return !slices.ContainsFunc(s.Nodes, func(m api.Node) bool { return m.Name == n.Name && m.Role == "nonvoter" })
}

// contend has both processes asked for everything, with something new of each upstream in
// between: what both own both publish.
func (r *run) contend(a, b *Node) {
	for range 5 {
		if !a.running() || !b.running() {
			return
		}
		r.happened("contended")
		for name, u := range r.all() {
			for _, n := range []*Node{a, b} {
				u.Push("main")
				r.work.Go(func() { r.askFor(n, name, 0) })
			}
		}
		time.Sleep(300 * time.Millisecond)
	}
}

// double is another machine with a copy of a node's directory.
func (w *World) double(n *Node) *Node {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.doubles++
	c := w.machine(n.Name, fmt.Sprintf("10.0.1.%d", w.doubles))
	c.bear(twin)
	n.copied(n.dir(), c.Dir)
	return c
}

// single has one process of each pair go on, the one that the cluster knows, and on the
// node's own machine.
func (r *run) single() {
	for _, p := range r.twins {
		winner, loser, err := r.winner(p)
		if err != nil {
			r.violated("which process is %s is not to be found out: %v", p.node.Name, err)
			return
		}
		for end := time.Now().Add(calmWithin); loser.running(); time.Sleep(time.Second) {
			if time.Now().After(end) {
				r.violated("of two processes of the directory of %s, the one that the cluster does not know runs on", p.node.Name)
				loser.Crash(0)
			}
		}
		if winner == p.copy {
			r.stopped(p.copy)
			p.node.take(p.copy)
		}
		r.happened("twin: " + winner.Host.IP()[:6])
		r.up(p.node)
		if p.claimed {
			p.node.release()
		}
	}
	r.twins = nil
}

// winner is the one of a pair whose address the cluster has. Where only the other runs, it
// has time to tell the cluster, or to end.
func (r *run) winner(p pair) (winner, loser *Node, err error) {
	for end := time.Now().Add(calmWithin); time.Now().Before(end); time.Sleep(time.Second) {
		for _, n := range r.others(p.node) {
			var s api.Status
			if _, err = n.Get(context.Background(), "/api/v1/status?consistent=true", &s); err != nil {
				continue
			}
			winner, loser, err = nil, nil, errNoRow
			for _, m := range s.Nodes {
				switch at := r.w.at(m.Peer); {
				case m.Name != p.node.Name:
				case at == p.node:
					winner, loser, err = p.node, p.copy, nil
				case at == p.copy:
					winner, loser, err = p.copy, p.node, nil
				}
			}
			if err != nil || winner.running() || !loser.running() {
				return winner, loser, err
			}
			break
		}
	}
	return winner, loser, err
}

var errNoRow = errors.New("the cluster does not have it")

// take gives the node the directory of another machine.
func (n *Node) take(from *Node) {
	n.mu.Lock()
	_ = os.RemoveAll(n.Dir)
	n.Dir = n.next()
	to := n.Dir
	n.mu.Unlock()
	n.copied(from.dir(), to)
}
