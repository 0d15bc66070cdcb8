package world

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gitmirror/api"
	"gitmirror/internal/refusal"
)

// memberSteps are nodes that come, go for good, and come back as others.
var memberSteps = map[string]func(*run, Step){
	"grow":     (*run).grow,
	"retire":   (*run).retire,
	"replace":  (*run).replace,
	"succeed":  (*run).succeed,
	"twin":     (*run).double,
	"rm-wrong": (*run).removeWrong,
	"ghost":    (*run).ghost,
	"flags":    (*run).restartWith,
	"recover":  (*run).recover,
}

// Bounds of how many nodes there are.
const (
	growBy     = 2 // more than in the beginning
	leastNodes = 3
)

const (
	startBound  = 30 * time.Second // of a start that waits to be taken in
	forgetBound = time.Minute      // of having a node removed, while there are faults
	// forgetLast is how long it may take without faults: a node may have the only copy of
	// something, until the time is over after which it is made anew elsewhere. Who makes it
	// anew counts that time for itself, and may have to begin now.
	forgetLast = patientest*replaceAfter + 2*time.Minute
	// patientest is how many times longer than others a node may expect one back.
	patientest = 3
)

// nodes are those of the cluster.
func (r *run) nodes() []*Node {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	return slices.Clone(r.w.Nodes)
}

func (r *run) indexOf(n *Node) int { return max(slices.Index(r.nodes(), n), 0) }

// grow has a node join that was not there before.
func (r *run) grow(s Step) {
	if len(r.nodes()) >= r.began+growBy {
		r.missed(s)
		return
	}
	n := r.w.Add()
	n.suffer(newcomer)
	r.follow(n)
	r.start(n)
}

// victim is the node of a step that may take its disk from it, claimed; nil, and a step that is
// missed, where that must not be.
func (r *run) victim(s Step, may func(*Node) bool) *Node {
	n := r.node(s.Node)
	if !may(n) || !n.claim() {
		r.missed(s)
		return nil
	}
	if !r.stake(n) {
		n.release()
		r.missed(s)
		return nil
	}
	return n
}

func anyNode(*Node) bool { return true }

// spare tells whether the cluster may have one node less.
func (r *run) spare(*Node) bool { return len(r.nodes()) > leastNodes }

// removable tells whether a node may be removed while it runs. Where it has been, the answer is
// that there is no such node, which is not a refusal.
func (r *run) removable(n *Node) bool { return n.running() && r.spare(n) && !n.has(removed) }

// retire ends a node for good, and has the cluster forget it.
func (r *run) retire(s Step) {
	n := r.victim(s, r.spare)
	if n == nil {
		return
	}
	n.Crash(0)
	n.suffer(removed) // it may be, from now on
	r.work.Go(func() {
		defer n.release()
		if !r.forget(n, s.Node+1, forgetBound) {
			return
		}
		r.leave(n)
		if s.Other%2 == 1 {
			r.haunt(n)
		}
	})
}

// leave notes that a node is not of the cluster any more.
func (r *run) leave(n *Node) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	r.w.Nodes = slices.DeleteFunc(r.w.Nodes, func(o *Node) bool { return o == n })
	r.former = append(r.former, n)
}

// replace takes a node's directory away, and has an empty one join under its name and
// address.
func (r *run) replace(s Step) {
	n := r.victim(s, anyNode)
	if n == nil {
		return
	}
	n.Crash(0)
	r.work.Go(func() {
		defer n.release()
		r.anew(n)
	})
}

// succeed takes a node's directory away for good, and has another node come up on its
// machine, under a name of its own. That the first will not be back people say later.
func (r *run) succeed(s Step) {
	n := r.victim(s, anyNode)
	if n == nil {
		return
	}
	n.Crash(0)
	n.wipe()
	n.unfollow()
	r.leave(n)
	r.mu.Lock()
	r.owed = append(r.owed, n)
	r.mu.Unlock()
	heir := r.w.succeed(n)
	heir.suffer(newcomer)
	r.follow(heir)
	r.start(heir)
	if s.Other%2 == 0 {
		r.work.Go(func() { r.settle(forgetBound) })
	}
}

// settle has those removed that are lost for good, and tells whether it came to that.
func (r *run) settle(within time.Duration) bool {
	r.mu.Lock()
	list := r.owed
	r.mu.Unlock()
	for _, n := range list {
		if !r.forget(n, 0, within) {
			return false
		}
		r.mu.Lock()
		r.owed = slices.DeleteFunc(slices.Clone(r.owed), func(o *Node) bool { return o == n })
		r.mu.Unlock()
	}
	return true
}

// anew makes a node anew that does not run: it joins with an empty directory when the
// cluster has forgotten it.
func (r *run) anew(n *Node) {
	n.wipe()
	within := forgetBound
	if r.resting.Load() {
		within = forgetLast
	}
	if !r.forget(n, r.indexOf(n)+1, within) {
		if r.resting.Load() {
			r.violated("%s is not to be removed, though nothing is broken any more", n.Name)
		}
		return
	}
	n.renew()
	n.suffer(newcomer)
	err := n.StartWithin(startBound, r.others(n)...)
	if err == nil {
		r.happened("made anew")
		n.recover(newcomer)
	} else if n.excused(err) == "" {
		r.violated("a node does not join anew: %v", err)
	}
}

// forget has a node removed that is down, and tells whether it is out.
func (r *run) forget(n *Node, first int, within time.Duration) bool {
	for end := time.Now().Add(within); ; time.Sleep(2 * time.Second) {
		op := r.forgetOnce(n, first)
		if op.Outcome == Done || op.Code == string(refusal.NotFound) {
			return true
		}
		if time.Now().After(end) {
			return false
		}
		if r.resting.Load() { // whoever ends meanwhile, for what was done to it before, is needed
			for _, o := range r.others(n) {
				r.start(o)
			}
		}
	}
}

// forgetOnce asks for the removal of a node, at others.
func (r *run) forgetOnce(n *Node, first int) Operation {
	op := Operation{What: "node rm", Subject: n.Name, Key: fmt.Sprintf("key %d", r.asked.Add(1))}
	n.mu.Lock()
	acceptLoss := n.forsaken
	n.mu.Unlock()
	return r.ask(op, first, func(ctx context.Context, at *Node, key string) (string, error) {
		return "", at.Client.RemoveNode(ctx, op.Subject, acceptLoss, key)
	})
}

// removeWrong has a node removed that runs. That is refused, unless nobody reaches it: then
// it ends, and has to be made anew.
func (r *run) removeWrong(s Step) {
	n := r.victim(s, r.removable)
	if n == nil {
		return
	}
	calm := !r.harmed.Load()
	n.suffer(removed)
	r.work.Go(func() {
		defer n.release()
		op := r.forgetOnce(n, s.Node+s.Other)
		if calm && op.Outcome == Done && !r.harmed.Load() {
			r.violated("%s was removed while it was up", n.Name)
		}
		if op.Outcome == Refused && !op.Doubted {
			n.recover(removed)
			r.unstake(n)
		}
		if op.Outcome == Done {
			r.mustEnd(n)
		}
	})
}

// mustEnd wants a process whose node was removed to end, where nothing is between it and the
// others for a minute, and one of them leads.
func (r *run) mustEnd(n *Node) {
	of := n.alive()
	for end := time.Now().Add(calmWithin); n.running() && time.Now().Before(end); time.Sleep(time.Second) {
		if _, led := r.status(r.others(n)); n.alive() != of || !led || !r.reached(n) {
			return
		}
	}
	if n.running() {
		r.violated("%s was removed, and runs on", n.Name)
	}
}

// ghost starts a node again that was removed for good.
func (r *run) ghost(s Step) {
	r.w.mu.Lock()
	former := slices.Clone(r.former)
	r.w.mu.Unlock()
	if len(former) == 0 {
		s.Other = 1
		r.retire(s)
		return
	}
	n := former[s.Node%len(former)]
	if n.running() || !n.claim() {
		r.missed(s)
		return
	}
	r.work.Go(func() {
		defer n.release()
		r.haunt(n)
	})
}

// haunt starts a node that was removed. It may serve until it hears of that.
func (r *run) haunt(n *Node) {
	if n.has(wiped) { // with an empty directory it is somebody else, and may join
		return
	}
	r.happened("haunted")
	if err := n.StartWithin(startBound, r.nodes()...); err != nil && n.excused(err) == "" {
		r.violated("a node that was removed does not say so: %v", err)
	}
}

// restartWith starts a node again with other flags.
func (r *run) restartWith(s Step) {
	n := r.node(s.Node)
	if !n.claim() {
		r.missed(s)
		return
	}
	n.mu.Lock()
	n.flags = flags{
		timing:       []string{"normal", "slow", "fast"}[s.Other%3],
		replaceAfter: time.Duration(1+s.Repo%patientest) * replaceAfter,
		minFree:      []float64{-1, 0.001}[s.Repo%2],
		byName:       s.Other%2 == 1 && !raced,
	}
	n.mu.Unlock()
	r.work.Go(func() {
		defer n.release()
		r.stopped(n)
		r.up(n)
	})
}

// stake takes the one place of who may be without what is on its disk: what was acknowledged
// is on a majority's. The place is free again when all nodes are whole.
func (r *run) stake(n *Node) bool {
	r.mu.Lock()
	at := r.staked
	r.mu.Unlock()
	if n.has(twin) || at != nil && at != n && !r.gathered() {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.staked = n
	return true
}

// unstake gives the place back, where nothing came of what it was taken for, nor of anything
// before.
func (r *run) unstake(n *Node) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.staked == n && !n.spoiled() && !n.has(newcomer) { // one that was made anew has nothing before it is let in
		r.staked = nil
	}
}

// gathered tells whether all nodes are in the cluster and up, and as many vote as should.
func (r *run) gathered() bool {
	nodes := r.nodes()
	for _, n := range nodes {
		n.mu.Lock()
		idle := !n.busy && n.run != nil
		n.mu.Unlock()
		if !idle {
			return false
		}
	}
	for _, n := range nodes {
		var s api.Status
		if _, err := n.Get(context.Background(), "/api/v1/status?consistent=true", &s); err == nil {
			return complete(s, nodes)
		}
	}
	return false
}

func complete(s api.Status, nodes []*Node) bool {
	voters := 0
	for _, m := range s.Nodes {
		if m.State != "up" || !slices.ContainsFunc(nodes, func(n *Node) bool { return n.Name == m.Name }) {
			return false
		}
		if m.Role != "nonvoter" {
			voters++
		}
	}
	want := 5
	if len(nodes) < want {
		want = 3
	}
	return len(s.Nodes) == len(nodes) && voters == want
}
