package world

import (
	"time"

	"gitmirror/internal/world/fabric"
)

// linkSteps happen to what is between nodes.
var linkSteps = map[string]func(*run, Step){
	"cut": func(r *run, s Step) { r.both(s, fabric.Weather{Cut: true}) },
	"cut-one": func(r *run, s Step) {
		r.link(r.node(s.Node).Host, r.node(s.Other).Host, fabric.Weather{Cut: true})
	},
	"wall": func(r *run, s Step) {
		r.link(r.node(s.Node).Host, r.node(s.Other).Host, fabric.Weather{Walled: true})
	},
	"slow": func(r *run, s Step) {
		r.both(s, fabric.Weather{Delay: 150 * time.Millisecond, Jitter: 300 * time.Millisecond})
	},
	"lossy":  func(r *run, s Step) { r.both(s, fabric.Weather{Loss: 0.4, Jitter: 20 * time.Millisecond}) },
	"reset":  func(r *run, s Step) { r.w.Fabric.Reset(r.node(s.Node).Host, r.node(s.Other).Host) },
	"hold":   func(r *run, s Step) { r.hold(s) },
	"freeze": func(r *run, s Step) { r.freeze(r.node(s.Node)) },
	"thaw":   func(r *run, s Step) { r.thaw(r.node(s.Node)) },
	"mend":   func(r *run, _ Step) { r.mend() },
}

func (r *run) both(s Step, weather fabric.Weather) {
	a, b := r.node(s.Node).Host, r.node(s.Other).Host
	r.link(a, b, weather)
	r.link(b, a, weather)
}

// link sets the weather between two machines. Within one there is none.
func (r *run) link(from, to *fabric.Host, weather fabric.Weather) {
	if from != to {
		r.w.Fabric.Set(from, to, weather)
	}
}

// fair tells whether there is nothing between two machines, in neither direction. Where
// connections are held others are made.
func (r *run) fair(a, b *fabric.Host) bool {
	none := fabric.Weather{}
	return r.w.Fabric.Weather(a, b) == none && r.w.Fabric.Weather(b, a) == none
}

// holds are for how long connections are held.
var holds = []time.Duration{time.Second, 5 * time.Second, 20 * time.Second, 2 * time.Minute, 5 * time.Minute}

// hold has nothing arrive for a while of what connects two nodes now, while they make other
// connections. What happens next may be the last thing that does, while it lasts.
func (r *run) hold(s Step) {
	a, b := r.node(s.Node).Host, r.node(s.Other).Host
	r.w.Fabric.Hold(a, b)
	time.AfterFunc(holds[s.Repo%len(holds)], func() { r.w.Fabric.Release(a, b) })
}

// held tells whether connections between any two of them are held.
func (r *run) held(list []*Node) bool {
	for i, a := range list {
		for _, b := range list[:i] {
			if r.w.Fabric.Held(a.Host, b.Host) {
				return true
			}
		}
	}
	return false
}

func (r *run) alone(n *Node, weather fabric.Weather) {
	for _, other := range r.w.every() {
		r.link(n.Host, other.Host, weather)
		r.link(other.Host, n.Host, weather)
	}
	for _, beside := range []*fabric.Host{r.w.desk, r.w.forges} {
		r.w.Fabric.Set(beside, n.Host, weather)
		r.w.Fabric.Set(n.Host, beside, weather)
	}
}

// freeze has nobody hear of a node, and nothing end that it writes.
func (r *run) freeze(n *Node) {
	r.alone(n, fabric.Weather{Cut: true})
	n.freeze()
}

func (r *run) thaw(n *Node) {
	n.thaw()
	r.alone(n, fabric.Weather{})
}

func (r *run) mend() {
	all := r.w.every()
	for i, n := range all {
		r.thaw(n)
		for _, o := range all[:i] {
			r.w.Fabric.Release(n.Host, o.Host)
		}
	}
}
