package world

import (
	"slices"
	"time"
)

// lags are how long a disk takes for what is written: well, worn, shared with others, and dying.
var lags = []time.Duration{0, 20 * time.Millisecond, 200 * time.Millisecond, time.Second}

// machineSteps happen to machines, and to the processes on them.
var machineSteps = map[string]func(*run, Step){
	"crash": func(r *run, s Step) {
		n := r.node(s.Node)
		n.Crash(0)
		if n.claim() { // nobody else has to do with its directory
			n.rememberLog()
			n.release()
		}
	},
	"crash-mid": func(r *run, s Step) { r.node(s.Node).Crash(1 + s.Other*s.Other*(1+s.Repo)) },
	"disk": func(r *run, s Step) {
		n := r.node(s.Node)
		switch s.Other % 3 {
		case 0:
			n.feel("")
		case 1:
			n.suffer(fullDisk)
			n.feel("full")
		case 2:
			n.suffer(failingDisk)
			n.feel("failing")
		}
	},
	"hang":  func(r *run, s Step) { r.hang(s) },
	"drag":  func(r *run, s Step) { r.node(s.Node).drag(lags[s.Other%len(lags)]) },
	"stop":  func(r *run, s Step) { n := r.node(s.Node); r.work.Go(func() { r.stopped(n) }) },
	"start": func(r *run, s Step) { r.start(r.node(s.Node)) },
}

// hang has nothing end for a while that a node writes, which all hear of as before.
func (r *run) hang(s Step) {
	n := r.node(s.Node)
	n.freeze()
	time.AfterFunc(holds[s.Repo%len(holds)], n.thaw)
}

// start starts a node that does not run, in the background, but not one that people have removed for good
// meanwhile: see haunt.
func (r *run) start(n *Node) {
	if n.running() || !slices.Contains(r.nodes(), n) || !n.claim() {
		return
	}
	r.work.Go(func() {
		defer n.release()
		r.up(n)
	})
}

func (r *run) others(n *Node) (list []*Node) {
	for _, o := range r.nodes() {
		if o != n {
			list = append(list, o)
		}
	}
	return list
}
