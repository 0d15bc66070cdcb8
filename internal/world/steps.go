package world

import (
	"fmt"
	"maps"
	"slices"
	"time"
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

var (
	// harms are what can happen to nodes and links.
	harms = joined(linkSteps, machineSteps, clockSteps, memberSteps, spoilSteps, momentSteps, sourceMoments)
	// kinds are what else can happen: to upstreams, and by people and strangers.
	kinds = joined(upstreamSteps, peopleSteps, sourceSteps, drainSteps, strangerSteps)
)

func joined(tables ...map[string]func(*run, Step)) map[string]func(*run, Step) {
	all := map[string]func(*run, Step){}
	for _, t := range tables {
		maps.Copy(all, t)
	}
	return all
}

// Kinds lists all that can happen, in alphabetical order.
func Kinds() []string { return slices.Sorted(maps.Keys(joined(harms, kinds))) }

func (r *run) node(i int) *Node {
	nodes := r.nodes()
	return nodes[i%len(nodes)]
}

func (r *run) upstream(i int) *Upstream {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.repos[i%len(r.repos)]
}
