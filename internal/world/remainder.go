package world

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"time"

	"gitmirror/api"
)

// remainder is the largest set of nodes that serve, and that nothing is broken between, nor
// between them and people, who are to see what they show. One that was removed ends.
func (r *run) remainder() (best []*Node) {
	all := r.w.Nodes
	for set := uint(1); set < 1<<len(all); set++ {
		if bits.OnesCount(set) <= len(best) {
			continue
		}
		var list []*Node
		for i, n := range all {
			if set&(1<<i) != 0 {
				list = append(list, n)
			}
		}
		if r.whole(list) {
			best = list
		}
	}
	return best
}

func (r *run) whole(list []*Node) bool {
	for _, n := range list {
		if !n.serves() || n.frozen() || n.has(removed) || !r.fair(n.Host, r.w.desk) {
			return false
		}
		for _, o := range list {
			if n != o && !r.fair(n.Host, o.Host) {
				return false
			}
		}
	}
	return true
}

// lost tells whether nothing is heard of all other nodes: where they are heard of now and
// then, or by some, there is no telling who should go on without whom.
func (r *run) lost(but []*Node) bool {
	for _, o := range r.w.every() { // twins too
		if slices.Contains(but, o) || !o.running() {
			continue
		}
		for _, n := range but {
			if !r.w.Fabric.Weather(n.Host, o.Host).Cut || !r.w.Fabric.Weather(o.Host, n.Host).Cut {
				return false
			}
		}
	}
	return true
}

// carryOn checks, while some nodes are still lost, that the others go on where they are a
// majority: they agree on who leads, and what one of them has a copy of is soon, and at each
// of them, what upstream has. So it is with all of them while only connections are held that
// they need not wait for.
func (r *run) carryOn() {
	list := r.remainder()
	if len(list) == len(r.w.Nodes) && !r.held(list) || !r.lost(list) || !r.decides(list) {
		return
	}
	var err error
	for end := time.Now().Add(calmWithin); ; time.Sleep(time.Second) {
		// One may end yet, for what was done to its disk before.
		if err = r.behind(list); err == nil || !r.whole(list) {
			return
		}
		if time.Now().After(end) {
			break
		}
		r.retry(list)
	}
	r.violated("%s do not go on without the others: %v", names(list), err)
}

func names(list []*Node) (names []string) {
	for _, n := range list {
		names = append(names, n.Name)
	}
	return names
}

// decides tells whether the nodes are a majority of those that vote, as the one of them says
// that has heard most: others may have been cut off since before votes went elsewhere. Who has not
// caught up may know others by who they were before they were made anew: each of them may vote.
func (r *run) decides(list []*Node) bool {
	var s api.Status
	newest := uint64(0)
	for _, n := range list {
		var said api.Status
		index, err := n.Get(context.Background(), "/api/v1/status", &said)
		if err != nil {
			return false
		}
		if index >= newest {
			newest, s = index, said
		}
	}
	voters, here := 0, 0
	for _, n := range s.Nodes {
		votes := n.Role == "leader" || n.Role == "voter"
		if votes || s.CatchingUp {
			voters++
		}
		if votes && slices.Contains(names(list), n.Name) {
			here++
		}
	}
	return here > voters/2
}

// behind says what is not as it should be at nodes that are left.
func (r *run) behind(list []*Node) error {
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	leaders := map[string]bool{}
	for _, n := range list {
		var s api.Status
		if _, err := n.Get(ctx, "/api/v1/status", &s); err != nil {
			return fmt.Errorf("%s has no status: %w", n.Name, err)
		}
		if leaders[s.Leader] = true; len(leaders) > 1 || !slices.Contains(names(list), s.Leader) {
			return fmt.Errorf("who leads? %v", slices.Collect(maps.Keys(leaders)))
		}
	}
	var page api.RepoList
	if _, err := list[0].Get(ctx, "/api/v1/repos?limit=1000", &page); err != nil {
		return fmt.Errorf("%s does not list repositories: %w", list[0].Name, err)
	}
	known := r.all()
	for _, row := range page.Repos {
		u := known[row.Name]
		for _, name := range row.Aliases {
			u = cmp.Or(u, known[name])
		}
		// What is published, and none of them has, is waited for: whoever has it may come back.
		if u == nil || !slices.ContainsFunc(row.Copies, func(c api.Copy) bool {
			return c.State == "ready" && c.Generation == row.Generation && slices.Contains(names(list), c.Node)
		}) {
			continue
		}
		for _, c := range row.Copies {
			if c.State == "ready" && c.Generation != row.Generation && slices.Contains(names(list), c.Node) {
				return fmt.Errorf("%s has generation %d of %d of %s", c.Node, c.Generation, row.Generation, row.Name)
			}
		}
		for _, n := range list {
			shown, err := n.Read(ctx, row.Name)
			if err != nil {
				return fmt.Errorf("%s does not serve %s: %w", n.Name, row.Name, err)
			}
			if !maps.Equal(shown.Refs, u.Refs()) && !u.paused() && !n.holdsBack(ctx, row.Name) {
				return errors.New(n.Name + " does not show what the upstream of " + row.Name + " has")
			}
		}
	}
	return nil
}
