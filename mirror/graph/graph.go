// Package graph answers questions about what leads to what in a history, or a part of one, that
// is in memory: those of many tips at once. It reads nothing, and knows no repository.
package graph

import (
	"context"
	"encoding/hex"
	"errors"
	"math/bits"
)

// Graph is a part of a history in some forty bytes a commit. Questions of many tips are
// answered for 64 of them in one pass from children to parents: a commit has a bit for
// each that leads to it.
type Graph struct {
	nodes   map[[20]byte]int32
	first   []int32 // where the parents of a node begin; outside for what is none of the part
	last    []int32
	parents []int32
	order   []int32 // of the nodes inside, children before their parents
	most    int     // commits
}

const (
	outside = -1

	// Most is how many commits a graph may have, and twice as many parents: the largest
	// histories that are known have less.
	Most = 4_000_000
)

// New returns a Graph of at most so many commits.
func New(most int) *Graph {
	return &Graph{nodes: map[[20]byte]int32{}, most: most}
}

// ErrLarge says that a history has more commits than a Graph may have.
var ErrLarge = errors.New("too large to be held in memory")

// errNoCommit says that a line names none.
var errNoCommit = errors.New("git rev-list printed no commit")

// Add takes a line of rev-list --parents.
func (g *Graph) Add(line []byte) error {
	node, from := int32(outside), int32(len(g.parents))
	for len(line) > 0 {
		var id [20]byte
		if len(line) < 40 {
			return errNoCommit
		}
		if _, err := hex.Decode(id[:], line[:40]); err != nil {
			return errNoCommit
		}
		if line = line[40:]; len(line) > 0 {
			line = line[1:]
		}
		n, known := g.nodes[id]
		if !known {
			n = int32(len(g.first))
			g.nodes[id] = n
			g.first, g.last = append(g.first, outside), append(g.last, outside)
		}
		if node == outside {
			node = n
		} else {
			g.parents = append(g.parents, n)
		}
	}
	if node == outside {
		return nil
	}
	g.first[node], g.last[node] = from, int32(len(g.parents))
	if len(g.first) > g.most || len(g.parents) > 2*g.most {
		return ErrLarge
	}
	return nil
}

// Sort puts the nodes in order, once all were added: git's own is that of dates, which lie.
func (g *Graph) Sort() {
	children, inside := make([]int32, len(g.first)), 0
	for n := range g.first {
		if g.first[n] != outside {
			inside++
		}
	}
	for _, p := range g.parents {
		children[p]++
	}
	g.order = make([]int32, 0, inside)
	for n := range g.first {
		if g.first[n] != outside && children[n] == 0 {
			g.order = append(g.order, int32(n))
		}
	}
	for i := 0; i < len(g.order); i++ {
		for _, p := range g.of(g.order[i]) {
			if children[p]--; children[p] == 0 && g.first[p] != outside {
				g.order = append(g.order, p)
			}
		}
	}
}

// of are the parents of a node.
func (g *Graph) of(n int32) []int32 {
	if g.first[n] == outside {
		return nil
	}
	return g.parents[g.first[n]:g.last[n]]
}

// node finds a commit; outside where it is not even a parent of one.
func (g *Graph) node(oid string) int32 {
	var id [20]byte
	if len(oid) != 40 {
		return outside
	}
	if _, err := hex.Decode(id[:], []byte(oid)); err != nil {
		return outside
	}
	if n, ok := g.nodes[id]; ok {
		return n
	}
	return outside
}

// passes goes through the graph once for each size of n: begin sets the bits of those from
// i on, and each has the bits of a node, all of them.
func (g *Graph) passes(ctx context.Context, n, size int, begin func(i, k int, marks []uint64), each func(node int32, bits uint64), end func(i, k int, marks []uint64)) error {
	marks := make([]uint64, len(g.first))
	for i := 0; i < n; i += size {
		if err := ctx.Err(); err != nil {
			return err
		}
		clear(marks)
		k := min(size, n-i)
		begin(i, k, marks)
		for _, node := range g.order {
			m := marks[node]
			if m == 0 {
				continue
			}
			each(node, m)
			for _, p := range g.parents[g.first[node]:g.last[node]] {
				marks[p] |= m
			}
		}
		end(i, k, marks)
	}
	return nil
}

// Len is how many commits it has, with those that are only parents of some.
func (g *Graph) Len() int { return len(g.first) }

// Has tells whether a commit was added.
func (g *Graph) Has(oid string) bool {
	n := g.node(oid)
	return n != outside && g.first[n] != outside
}

// Leads tells of each pair whether its second commit is its first, or in its history.
func (g *Graph) Leads(ctx context.Context, pairs [][2]string) ([]bool, error) {
	out := make([]bool, len(pairs))
	return out, g.passes(ctx, len(pairs), 64, func(i, k int, marks []uint64) {
		for b := range k {
			if n := g.node(pairs[i+b][0]); n != outside {
				marks[n] |= 1 << b
			}
		}
	}, func(int32, uint64) {}, func(i, k int, marks []uint64) {
		for b := range k {
			n := g.node(pairs[i+b][1])
			out[i+b] = n != outside && marks[n]&(1<<b) != 0
		}
	})
}

// Leave tells of each commit whether a path from it leads out of the graph; one that is
// not in it is out.
func (g *Graph) Leave(ctx context.Context, tips []string) ([]bool, error) {
	out := make([]bool, len(tips))
	return out, g.passes(ctx, len(tips), 64, func(i, k int, marks []uint64) {
		for b := range k {
			if n := g.node(tips[i+b]); n != outside {
				marks[n] |= 1 << b
			} else {
				out[i+b] = true
			}
		}
	}, func(int32, uint64) {}, func(i, k int, marks []uint64) {
		left := uint64(0)
		for n, m := range marks {
			if g.first[n] == outside {
				left |= m
			}
		}
		for b := range k {
			out[i+b] = out[i+b] || left&(1<<b) != 0
		}
	})
}

// Related tells of each pair of commits whether something is in both histories.
func (g *Graph) Related(ctx context.Context, pairs [][2]string) ([]bool, error) {
	out := make([]bool, len(pairs))
	both := uint64(0)
	return out, g.passes(ctx, len(pairs), 32, func(i, k int, marks []uint64) {
		both = 0
		for b := range k {
			for side, oid := range pairs[i+b] {
				if n := g.node(oid); n != outside {
					marks[n] |= 1 << (b + 32*side)
				}
			}
		}
	}, func(_ int32, m uint64) { both |= m & (m >> 32) }, func(i, k int, _ []uint64) {
		for b := range k {
			out[i+b] = both&(1<<b) != 0
		}
	})
}

// Sizes counts for each commit those inside that it leads to, itself included.
func (g *Graph) Sizes(ctx context.Context, tips []string) ([]int, error) {
	out := make([]int, len(tips))
	var planes [32]uint64 // the digits of 64 sums
	return out, g.passes(ctx, len(tips), 64, func(i, k int, marks []uint64) {
		planes = [32]uint64{}
		for b := range k {
			if n := g.node(tips[i+b]); n != outside {
				marks[n] |= 1 << b
			}
		}
	}, func(_ int32, m uint64) {
		for digit := 0; m != 0; digit++ {
			planes[digit], m = planes[digit]^m, planes[digit]&m
		}
	}, func(i, k int, _ []uint64) {
		for digit, plane := range planes {
			for ; plane != 0; plane &= plane - 1 {
				out[i+bits.TrailingZeros64(plane)] += 1 << digit
			}
		}
	})
}
