package world

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"gitmirror/api"
	"gitmirror/mirror/refs"
)

// claims are what nodes have said while a world went on. Whether it was true shows in the
// chronicle, when that is known.
type claims struct {
	mu    sync.Mutex
	rows  map[string]rowClaim     // by who has told what: the last time it did
	shown map[refsClaim]time.Time // since when
	last  map[lifeOf]uint64       // place in the log that a process's answer was from
}

// rowClaim is a row as a node has told it.
type rowClaim struct {
	node  string
	at    time.Time
	index uint64 // of the log, at least
	row   api.Repo
}

// refsClaim is that a node has shown those refs for a repository.
type refsClaim struct {
	node, name string
	digest     refs.Digest
}

// lifeOf is one process of a node.
type lifeOf struct {
	node string
	life int
}

func newClaims() *claims {
	return &claims{rows: map[string]rowClaim{}, shown: map[refsClaim]time.Time{}, last: map[lifeOf]uint64{}}
}

// at notes the place in the log that an answer of a process was from. It goes on only.
func (c *claims) at(of lifeOf, index uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if last := c.last[of]; index < last {
		return fmt.Errorf("%s answers from entry %d of the log, after %d", of.node, index, last)
	}
	c.last[of] = index
	return nil
}

func (c *claims) row(node string, index uint64, row api.Repo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// Where it was so from a later place on, it was so from an earlier one.
	what := fmt.Sprint(node, row.ID, row.Name, row.Generation, row.Epoch, row.Owner, row.RefsDigest, row.Paused, row.Aliases)
	for _, copy := range row.Copies {
		what += fmt.Sprint(copy.Node, copy.State, copy.Generation)
	}
	c.rows[what] = rowClaim{node, time.Now(), index, row}
}

func (c *claims) refs(claim refsClaim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.shown[claim]; !there {
		c.shown[claim] = time.Now()
	}
}

// against says which claims the chronicle does not bear out.
func (c *claims) against(log *chronicle) (flaws []string) {
	for _, said := range c.rows {
		if !log.between(said.row.ID, said.index, log.last, func(v version) bool { return v.is(said.row) }) {
			flaws = append(flaws, fmt.Sprintf("%s: %s has shown from entry %d on a row that never was from there on: %+v",
				said.at.Format(time.TimeOnly), said.node, said.index, said.row))
		}
	}
	for said, at := range c.shown {
		committed := false
		for _, v := range log.named(said.name) {
			committed = committed || v.row != nil && v.row.Generation > 0 && refs.Digest(v.row.RefsDigest) == said.digest
		}
		if !committed {
			flaws = append(flaws, fmt.Sprintf("%s: %s shows refs of %s that were never committed: %s", at.Format(time.TimeOnly), said.node, said.name, said.digest))
		}
	}
	return flaws
}

// is tells whether the version is what somebody has told of it.
func (v version) is(said api.Repo) bool {
	row := v.row
	if row == nil || row.Name != said.Name || row.Paused != said.Paused || !slices.Equal(row.Aliases, said.Aliases) || row.Generation != said.Generation || row.Epoch != said.Epoch || v.owner != said.Owner || len(row.Copies) != len(said.Copies) ||
		row.Generation > 0 && row.RefsDigest.String() != said.RefsDigest {
		return false
	}
	told := map[string]api.Copy{}
	for _, c := range said.Copies {
		told[c.Node] = c
	}
	for _, c := range row.Copies {
		if t := told[v.nodes[c.Node]]; t.State != c.State.String() || t.Generation != c.Generation {
			return false
		}
	}
	return true
}

// listen asks a node what it knows, again and again.
func (r *run) listen(ctx context.Context, n *Node) {
	for ctx.Err() == nil {
		of := n.alive()
		var page api.RepoList
		index, err := n.Get(ctx, "/api/v1/repos?limit=1000", &page)
		if err == nil && of == n.alive() {
			r.w.heard.at(n.Name, index)
			if err := r.claims.at(of, index); err != nil {
				r.violated("%v", err)
			}
			for _, row := range page.Repos {
				r.claims.row(n.Name, index, row)
			}
		}
		select {
		case <-time.After(5 * time.Second):
		case <-ctx.Done():
		}
	}
}
