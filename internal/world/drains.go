package world

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"gitmirror/api"
	"gitmirror/internal/refusal"
)

// drainSteps are what people do with nodes that they mean to take away. No harm is done by it:
// where nothing else is broken, a drain comes to its end.
var drainSteps = map[string]func(*run, Step){
	"drain": (*run).drain,
}

// drainedFor is for how long people let a node drain, and then have it keep what it has.
const drainedFor = 90 * time.Second

// drain has a node give away what it has, for a while.
func (r *run) drain(s Step) {
	n, key := r.node(s.Node), r.key(s)
	if !r.drains(n.Name, true) {
		r.missed(s) // it is draining
		return
	}
	calm := !r.harmed.Load()
	r.work.Go(func() {
		op := r.setDrain(n.Name, s.Node+1, key, true)
		if op.Outcome != Refused {
			time.Sleep(drainedFor)
		}
		if calm && op.Outcome == Done && !r.harmed.Load() {
			r.isDrained(n, s.Node+2)
		}
		r.undrain(n.Name, s.Node+3)
	})
}

// drains notes whether somebody has a node drained, or may have, and tells whether that is
// another than it was.
func (r *run) drains(name string, is bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.draining[name]
	if r.draining == nil {
		r.draining = map[string]bool{}
	}
	if r.draining[name] = is; !is {
		delete(r.draining, name)
	}
	return was != is
}

// drained are the nodes that somebody has drained.
func (r *run) drained() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.draining))
}

func (r *run) setDrain(name string, first int, key string, draining bool) Operation {
	op := Operation{What: "drain", Subject: name, Input: fmt.Sprint(draining), Key: key}
	return r.ask(op, first, func(ctx context.Context, at *Node, key string) (string, error) {
		do := at.Client.Drain
		if !draining {
			do = at.Client.Undrain
		}
		_, err := do(ctx, name, key)
		return "", err
	})
}

// undrain has a node keep what it has; where it is not known whether it does, it counts as
// draining still, and is asked again in the end.
func (r *run) undrain(name string, first int) {
	op := r.setDrain(name, first, fmt.Sprintf("key %d", r.asked.Add(1)), false)
	if op.Outcome == Done || op.Code == string(refusal.NotFound) {
		r.drains(name, false)
	}
}

// isDrained wants a node to have nothing any more, and not to lead.
func (r *run) isDrained(n *Node, first int) {
	nodes := r.nodes()
	at := nodes[first%len(nodes)]
	ctx, cancel := context.WithTimeout(context.Background(), requestBound)
	defer cancel()
	shown, err := at.Client.Node(ctx, n.Name)
	if err != nil || r.harmed.Load() {
		return
	}
	r.happened("drained")
	if shown.Drain == nil || !shown.Drain.Done || shown.Copies > 0 || shown.Owned > 0 || shown.State != api.NodeDraining {
		r.violated("%s is not drained after %s, though nothing is broken: %+v, %+v", n.Name, drainedFor, *shown, shown.Drain)
	}
}
