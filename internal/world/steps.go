package world

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gitmirror/api"
	"gitmirror/internal/world/fabric"
)

// Step is one thing that happens to a world. Numbers that there are not so many of count
// around, so that any step is possible in any world.
type Step struct {
	What  string        // one of Kinds()
	Node  int           // to which node
	Other int           // and which other one
	Repo  int           // or to which repository
	After time.Duration // since the step before
}

func (s Step) String() string {
	return fmt.Sprintf("{%q, %d, %d, %d, %d}", s.What, s.Node, s.Other, s.Repo, s.After)
}

// harms are what can happen to nodes and links.
var harms = map[string]func(*run, Step){
	"cut": func(r *run, s Step) { r.both(s, fabric.Weather{Cut: true}) },
	"cut-one": func(r *run, s Step) {
		r.link(r.node(s.Node).Host, r.node(s.Other).Host, fabric.Weather{Cut: true})
	},
	"slow": func(r *run, s Step) {
		r.both(s, fabric.Weather{Delay: 150 * time.Millisecond, Jitter: 300 * time.Millisecond})
	},
	"lossy":  func(r *run, s Step) { r.both(s, fabric.Weather{Loss: 0.4, Jitter: 20 * time.Millisecond}) },
	"reset":  func(r *run, s Step) { r.w.Fabric.Reset(r.node(s.Node).Host, r.node(s.Other).Host) },
	"freeze": func(r *run, s Step) { r.alone(r.node(s.Node), fabric.Weather{Cut: true}) },
	"thaw":   func(r *run, s Step) { r.alone(r.node(s.Node), fabric.Weather{}) },
	"mend":   func(r *run, _ Step) { r.mend() },

	"crash":     func(r *run, s Step) { r.node(s.Node).Crash(0) },
	"crash-mid": func(r *run, s Step) { r.node(s.Node).Crash(1 + s.Other*s.Other*(1+s.Repo)) },
	"disk":      func(r *run, s Step) { r.node(s.Node).feel([]string{"", "full", "failing"}[s.Other%3]) },
	"stop":      func(r *run, s Step) { r.stop(r.node(s.Node)) },
	"start":     func(r *run, s Step) { r.start(r.node(s.Node)) },
}

// kinds are what else can happen: to upstreams, and by people.
var kinds = map[string]func(*run, Step){
	"push":   func(r *run, s Step) { r.upstream(s.Repo).Push("main") },
	"branch": func(r *run, s Step) { r.upstream(s.Repo).Push(fmt.Sprintf("topic%d", s.Other%5)) },
	"prune": func(r *run, s Step) {
		r.upstream(s.Repo).Edit(func(refs map[string]string) { delete(refs, fmt.Sprintf("refs/heads/topic%d", s.Other%5)) })
	},
	"tag": func(r *run, s Step) {
		r.upstream(s.Repo).Edit(func(refs map[string]string) {
			refs[fmt.Sprintf("refs/tags/v%d", s.Other%5)] = r.w.history.tag(refs["refs/heads/main"])
		})
	},
	"mood": func(r *run, s Step) {
		r.upstream(s.Repo).Feel([]Mood{Well, Frozen, Gone, Closed, Limited, Broken, Cuts}[s.Other%7])
	},

	"add":  (*run).add,
	"sync": (*run).ask,
}

// Kinds lists all that can happen, in alphabetical order.
func Kinds() []string {
	return slices.Sorted(func(yield func(string) bool) {
		for _, m := range []map[string]func(*run, Step){harms, kinds} {
			for name := range m {
				if !yield(name) {
					return
				}
			}
		}
	})
}

func (r *run) node(i int) *Node { return r.w.Nodes[i%len(r.w.Nodes)] }

func (r *run) upstream(i int) *Upstream { return r.repos[i%len(r.repos)] }

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

func (r *run) alone(n *Node, weather fabric.Weather) {
	for _, other := range r.w.Nodes {
		if other != n {
			r.w.Fabric.Set(n.Host, other.Host, weather)
			r.w.Fabric.Set(other.Host, n.Host, weather)
		}
	}
	r.w.Fabric.Set(r.w.desk, n.Host, weather)
	r.w.Fabric.Set(n.Host, r.w.desk, weather)
}

func (r *run) mend() {
	for _, n := range r.w.Nodes {
		r.alone(n, fabric.Weather{})
	}
}

func (r *run) start(n *Node) {
	if n.running() {
		return
	}
	r.work.Go(func() {
		if err := n.Start(r.others(n)...); err != nil {
			r.violated("a node does not start: %v", err)
		}
	})
}

func (r *run) others(n *Node) (list []*Node) {
	for _, o := range r.w.Nodes {
		if o != n {
			list = append(list, o)
		}
	}
	return list
}

func (r *run) stop(n *Node) {
	r.work.Go(func() {
		if err := n.Stop(); err != nil {
			r.violated("%s does not stop in good order: %v", n.Name, err)
		}
	})
}

func (r *run) add(s Step) {
	r.made++
	u := r.w.Upstream(fmt.Sprintf("later%d", r.made))
	n, key := r.node(s.Node), fmt.Sprintf("add %d", r.made)
	r.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if row, err := n.Client.Add(ctx, api.AddRepo{URL: u.URL, Replicas: 2, Interval: "10s"}, key); err == nil {
			r.acknowledged(row.Name, u)
		}
	})
}

func (r *run) ask(s Step) {
	n, name := r.node(s.Node), nameOf(r.upstream(s.Repo))
	r.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_, _ = n.Client.Sync(ctx, name, 5*time.Second)
	})
}
