package world

import (
	"errors"
	"math/rand/v2"
	"time"

	"gitmirror/internal/world/fabric"
)

// servesWithin is how long nodes that wait for each other may take, when nothing is broken any
// more, until each of them serves.
const servesWithin = time.Minute

// startFirst starts the first nodes: one after the other, each of which joins the first; or, in one
// world of five, all of them, which found their cluster together.
func (r *run) startFirst(s Setup) error {
	for range s.Nodes {
		r.w.Add()
	}
	if s.Seed%5 == 3 && s.Nodes > 2 {
		r.happened("founded together")
		return r.foundTogether(rand.New(rand.NewPCG(s.Seed, 2)))
	}
	for i, n := range r.w.Nodes {
		if err := n.Start(r.w.Nodes[:min(i, 1)]...); err != nil {
			return err
		}
	}
	return nil
}

// foundTogether starts nodes that wait for so many of them: some come late, two of them may not
// hear of each other for a while, and one may be killed at any operation of its disk, and come
// again. They are one cluster when that is over.
func (r *run) foundTogether(luck *rand.Rand) error {
	nodes := r.w.Nodes
	expect := len(nodes)/2 + 1 + luck.IntN(len(nodes)-len(nodes)/2)
	first := luck.IntN(len(nodes))
	a, b := nodes[first], nodes[(first+1+luck.IntN(len(nodes)-1))%len(nodes)]
	if luck.IntN(4) > 0 {
		r.link(a.Host, b.Host, fabric.Weather{Cut: true})
		r.link(b.Host, a.Host, fabric.Weather{Cut: true})
	}
	for _, n := range nodes {
		n.expects(expect)
		late := time.Duration(luck.IntN(4)) * time.Second
		r.work.Go(func() {
			time.Sleep(late)
			if err := n.StartWithin(servesWithin, nodes...); err != nil && !errors.Is(err, errStopped) {
				r.violated("a node that waits for %d does not start: %v", expect, err)
			}
		})
		if dies := luck.IntN(60); n == a && dies > 0 {
			r.work.Go(func() {
				time.Sleep(late + time.Duration(dies)*50*time.Millisecond)
				n.Crash(dies)
			})
		}
	}
	time.Sleep(10 * time.Second)
	r.mend()
	for _, n := range nodes {
		if !n.running() {
			r.happened("founded together: killed")
			if err := n.StartWithin(servesWithin, nodes...); err != nil {
				return err
			}
		}
	}
	r.work.Wait()
	for _, n := range nodes {
		n.expects(0)
	}
	return r.gather(servesWithin)
}

// expects has the node be started from now on as one that founds a cluster with others once
// there are so many, or, with 0, does not.
func (n *Node) expects(nodes int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.flags.expect = nodes
}
