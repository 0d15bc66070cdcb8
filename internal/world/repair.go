package world

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// up starts a node. Where it rightly refuses, it is made anew.
func (r *run) up(n *Node) {
	if n.running() {
		return
	}
	if n.isLost() {
		r.anew(n)
		return
	}
	must := n.mustRefuse()
	err := n.StartWithin(startBound, r.others(n)...)
	if r.misled(n, err) {
		r.happened("misled")
		err = n.StartWithin(startBound) // as it says
	}
	switch {
	case err == nil && must != "":
		r.violated("%s starts, though %s", n.Name, must)
	case err == nil:
		n.recover(newcomer)
	case n.excused(err) == "":
		r.violated("a node does not start: %v", err)
	case excuses[n.excused(err)].anew:
		r.happened("refused: " + string(n.excused(err)))
		r.anew(n)
	default:
		r.happened("refused: " + string(n.excused(err)))
	}
}

// misled tells whether a node that has a cluster does not start because another says, before it
// ends, that it is of another cluster: a bit of that one's node.json is another.
func (r *run) misled(n *Node, err error) bool {
	if err == nil || !strings.Contains(err.Error(), "but this data directory to cluster") {
		return false
	}
	return slices.ContainsFunc(r.others(n), func(o *Node) bool { return o.has(bitInCard) })
}

// mustRefuse is the harm with which a node must not start, empty for none.
func (n *Node) mustRefuse() harm {
	for _, h := range []harm{logWiped, logBack} {
		if n.has(h) {
			return h
		}
	}
	return ""
}

// ended is told when a process has ended by itself.
func (r *run) ended(n *Node, err error) {
	h := n.excused(err)
	if h == "" {
		r.violated("%s ended by itself: %v", n.Name, err)
		return
	}
	r.happened("ended: " + string(h))
	r.w.log.Info("a process ended, as it should", "node", n.Name, "since", string(h))
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lost = excuses[h].anew
}

func (n *Node) isLost() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lost
}

// stopped ends a node in good order.
func (r *run) stopped(n *Node) {
	if err := n.Stop(); err != nil && n.excused(err) == "" {
		r.violated("%s does not stop in good order: %v", n.Name, err)
	}
}

// repair does what people do when all is well again: each node runs, as one process, and
// those run no more that were removed.
func (r *run) repair() {
	r.resting.Store(true)
	r.mend()
	for _, n := range r.nodes() {
		n.feel("")
	}
	r.work.Wait()
	for _, n := range r.nodes() {
		if !n.has(twin) {
			r.start(n)
		}
	}
	r.work.Wait()
	r.single()
	if !r.settle(forgetLast) {
		r.violated("a node that is lost is not to be removed, though nothing is broken any more")
	}
	for end := time.Now().Add(5 * time.Minute); ; time.Sleep(5 * time.Second) {
		for _, n := range r.nodes() {
			r.start(n)
		}
		r.work.Wait()
		if r.gathered() || time.Now().After(end) {
			break // what is wrong is told by who waits for calm
		}
	}
	r.w.mu.Lock()
	former := r.former
	r.w.mu.Unlock()
	for _, n := range former {
		for end := time.Now().Add(calmWithin); n.running(); time.Sleep(time.Second) {
			if time.Now().After(end) {
				r.violated("%s was removed, and runs on", n.Name)
				break
			}
		}
	}
}

var errNotWhole = errors.New("not all nodes are up, or not as many vote as should")

// gather waits until all nodes are whole.
func (r *run) gather(within time.Duration) error {
	for end := time.Now().Add(within); !r.gathered(); time.Sleep(time.Second) {
		if time.Now().After(end) {
			return fmt.Errorf("after %s: %w", within, errNotWhole)
		}
	}
	return nil
}
