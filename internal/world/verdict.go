package world

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"gitmirror/api"
)

const (
	// noticed is how long a node may call a cluster healthy that is not.
	noticed = 15 * time.Second
	// checkedEvery is the interval of repositories: what upstream has is news for that long.
	checkedEvery = 10 * time.Second
	// followed is how long copies may take besides to get what the owner has: with real
	// ones, which are large, that is no reason to call a cluster anything.
	followed = time.Minute
)

// verdicts compare what nodes say of the cluster with what is wrong with it.
type verdicts struct {
	mu      sync.Mutex
	wrong   map[string]trouble
	healthy map[string]time.Time  // who calls all of it healthy, since when
	without map[absence]time.Time // until when who has said so of whom
	told    map[string]bool
}

// absence is that a node knows of another that the cluster goes on without it, having replaced
// what that had.
type absence struct{ by, of string }

// trouble is something that is wrong, as it was seen last.
type trouble struct {
	of    string        // the node that has it, empty for none
	after time.Duration // how long such a node may have it after it has come back, or in a cluster that was not healthy
	since time.Time     // zero for when it is seen first
	still func() bool   // looks again
	lasts time.Duration // how long it is one; zero for ever
}

func newVerdicts() *verdicts {
	return &verdicts{wrong: map[string]trouble{}, healthy: map[string]time.Time{}, without: map[absence]time.Time{}, told: map[string]bool{}}
}

// first tells whether that is said for the first time.
func (v *verdicts) first(what string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	first := !v.told[what]
	v.told[what] = true
	return first
}

// young tells whether what is wrong was seen, by looking again, to be so for a short time
// only: upstream may have got something else a moment ago.
func (v *verdicts) young(what string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	t, there := v.wrong[what]
	return there && time.Since(t.since) <= noticed
}

// is notes that something is wrong since then, as far as it was not known, or has ended.
func (v *verdicts) is(what string, wrong bool, t trouble) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !wrong {
		delete(v.wrong, what)
		return
	}
	old, there := v.wrong[what]
	switch {
	case t.since.IsZero() && there:
		return
	case t.since.IsZero():
		t.since = time.Now()
	}
	if !there || old.since.Before(t.since) {
		v.wrong[what] = t
	}
}

// said notes the verdict of a node, and returns what it should have seen by now.
func (v *verdicts) said(node string, s api.Status, rows func() []api.Repo) map[string]trouble {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	for _, of := range replaced(s, rows) {
		v.without[absence{node, of}] = now
	}
	if s.Verdict != api.Healthy {
		delete(v.healthy, node)
		return nil
	}
	since, there := v.healthy[node]
	if !there {
		since = now
		v.healthy[node] = now
	}
	missed := map[string]trouble{}
	for what, t := range v.wrong {
		if back := v.without[absence{node, t.of}].Add(t.after); back.After(t.since) {
			t.since = back
		}
		// Before it was healthy nothing may have been published that could be followed.
		if now.Sub(since) > noticed+t.after && now.Sub(t.since) > noticed && (t.lasts == 0 || now.Sub(t.since) < t.lasts) {
			missed[what] = t
			delete(v.wrong, what) // until it is seen again
		}
	}
	return missed
}

// replaced are the nodes without which a cluster is healthy, as a status says, and the rows that
// go with it: they are down, another votes instead, and of what they have there is as much
// elsewhere as there shall be.
func replaced(s api.Status, rows func() []api.Repo) (names []string) {
	for _, n := range s.Nodes {
		if n.State != api.NodeDown || n.Role != "nonvoter" {
			continue
		}
		if n.Copies == 0 || len(rows()) > 0 && !slices.ContainsFunc(rows(), func(row api.Repo) bool { return lacks(row, n.Name, len(s.Nodes)) }) {
			names = append(names, n.Name)
		}
	}
	return names
}

// rows are those that a node shows now, none where it does not answer.
func (n *Node) rows(ctx context.Context) []api.Repo {
	ctx, cancel := context.WithTimeout(ctx, requestBound)
	defer cancel()
	list, err := n.Client.Repos(ctx, api.Query{Limit: 1000})
	if err != nil {
		return nil
	}
	return list.Repos
}

// lacks tells whether a row has a copy on a node that it cannot do without.
func lacks(row api.Repo, node string, nodes int) bool {
	has, others := false, 0
	for _, c := range row.Copies {
		has = has || c.Node == node && c.State == "ready"
		if c.Node != node && c.State == "ready" && c.Away == "" && c.Generation == row.Generation {
			others++
		}
	}
	return has && others < min(row.Replicas, nodes)
}

// watch asks a node for its verdict, again and again.
func (r *run) watch(ctx context.Context, n *Node) {
	for ctx.Err() == nil {
		down := func() bool { return r.member(n) && (!n.running() || r.cutOff(n)) }
		// What it had is elsewhere then, and another has its vote.
		r.verdicts.is(n.Name+" is down", down(), trouble{of: n.Name, still: down, lasts: replaceAfter})
		var s api.Status
		of, heard := n.alive(), n.serves() && r.fair(r.w.desk, n.Host)
		index, err := n.Get(ctx, "/api/v1/status", &s)
		if errors.Is(err, context.DeadlineExceeded) && heard && of == n.alive() && r.fair(r.w.desk, n.Host) {
			r.violated("%s has said nothing of its status for %s", n.Name, patient)
		}
		if err != nil {
			s = api.Status{}
		}
		var rows []api.Repo // asked for before what is noted is locked
		if slices.ContainsFunc(s.Nodes, func(n api.Node) bool { return n.State == api.NodeDown && n.Copies > 0 }) {
			rows = n.rows(ctx)
		}
		for what, t := range r.verdicts.said(n.Name, s, func() []api.Repo { return rows }) {
			if t.still() && !r.verdicts.young(what) && r.verdicts.first(what) {
				r.violated("%s calls the cluster healthy at entry %d, and since %s %s", n.Name, index, t.since.Format(time.TimeOnly), what)
			}
		}
		select {
		case <-time.After(2 * time.Second):
		case <-ctx.Done():
		}
	}
}

// member tells whether a cluster has a node, as far as it has not lost it for good, and is not
// being told of that.
func (r *run) member(n *Node) bool {
	if !slices.Contains(r.nodes(), n) || n.spoiled() || n.has(newcomer) {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.busy
}

// out tells whether a node was removed, or may be: a cluster is healthy without it, whatever it
// shows until it ends.
func (r *run) out(n *Node) bool { return n.has(removed) || !slices.Contains(r.nodes(), n) }

// cutOff tells whether no other node hears from it, nor a process that another has on a second
// machine. Who is the only member is not cut off from anybody.
func (r *run) cutOff(n *Node) bool {
	nodes := r.nodes()
	for _, o := range r.w.every() {
		if o != n && (o.running() || slices.Contains(nodes, o)) && !r.w.Fabric.Weather(n.Host, o.Host).Cut {
			return false
		}
	}
	return slices.ContainsFunc(nodes, func(o *Node) bool { return o != n && r.member(o) })
}
