package world

import (
	"context"
	"time"

	"gitmirror/api"
	"gitmirror/internal/world/fabric"
)

// sourceMoments are what happens to who lists a source, while it does.
var sourceMoments = map[string]func(*run, Step){
	"lister": (*run).lister,
}

// atIt is when who lists is at it: an account that is slow, or says nothing, takes longer.
const atIt = 2 * time.Second

// lister has a source listed, of an account that takes its time, and meanwhile who lists it cut off from the others,
// killed, or drained, until another does.
func (r *run) lister(s Step) {
	a := r.wantedAccount(s)
	mood := []accountMood{stalled, slow, fine}[s.Node%3]
	r.work.Go(func() {
		was := r.listedBy(a)
		if was == nil || !was.running() {
			r.missed(s)
			return
		}
		a.Feel(mood)
		r.happened("account " + string(mood))
		a.grow(1, nil)
		a.publish()
		r.syncSource(a, s.Node, r.key(s))
		time.Sleep(atIt)
		switch s.Other % 3 {
		case 0:
			was.Crash(0)
		case 1:
			for _, o := range r.others(was) { // the forge still answers it
				r.link(was.Host, o.Host, fabric.Weather{Cut: true})
				r.link(o.Host, was.Host, fabric.Weather{Cut: true})
			}
		case 2:
			if r.drains(was.Name, true) {
				r.setDrain(was.Name, s.Node, r.key(s), true)
			}
		}
		if within(30*time.Second, func() bool { n := r.listedBy(a); return n != nil && n != was }) {
			r.happened("lister: another lists")
			time.Sleep(2 * failover)
		}
		a.Feel(fine)
		switch s.Other % 3 {
		case 0:
			r.start(was)
		case 1:
			r.alone(was, fabric.Weather{})
		case 2:
			r.undrain(was.Name, s.Node+1)
		}
	})
}

// listedBy is who lists a source, nil for nobody.
func (r *run) listedBy(a *account) *Node {
	if src := r.shown(a); src != nil {
		return r.named(src.Owner)
	}
	return nil
}

// shown is a source as the first node has it that answers and is not cut off from most others, nil where there is none.
func (r *run) shown(a *account) *api.Source {
	nodes := r.nodes()
	for _, n := range nodes {
		heard := 1
		for _, o := range nodes {
			if o != n && r.fair(n.Host, o.Host) {
				heard++
			}
		}
		if 2*heard <= len(nodes) || !n.serves() || n.frozen() || !r.fair(r.w.desk, n.Host) {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), patient)
		src, err := n.Client.Source(ctx, a.name)
		cancel()
		if err == nil {
			return src
		}
	}
	return nil
}
