package graph

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// history is commits whose parents come before them.
type history [][]int

func drawHistory(t *rapid.T) history {
	h := make(history, rapid.IntRange(1, 40).Draw(t, "commits"))
	for i := range h {
		if i > 0 && rapid.IntRange(0, 5).Draw(t, "root") > 0 {
			h[i] = rapid.SliceOfN(rapid.IntRange(0, i-1), 1, 3).Draw(t, "parents")
		}
	}
	return h
}

// below is what a commit leads to, itself included.
func (h history) below(i int) map[int]bool {
	set := map[int]bool{}
	for queue := []int{i}; len(queue) > 0; {
		c := queue[len(queue)-1]
		if queue = queue[:len(queue)-1]; !set[c] {
			set[c] = true
			queue = append(queue, h[c]...)
		}
	}
	return set
}

func oidOf(i int) string { return fmt.Sprintf("%040x", i+1) }

// graph is that of the commits inside, in any order.
func (h history) graph(t *rapid.T, inside func(int) bool) *Graph {
	g := New(Most)
	order := make([]int, len(h))
	for i := range order {
		order[i] = i
	}
	for _, i := range rapid.Permutation(order).Draw(t, "order") {
		if !inside(i) {
			continue
		}
		line := oidOf(i)
		for _, p := range h[i] {
			line += " " + oidOf(p)
		}
		if err := g.Add([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	g.Sort()
	return g
}

// What is told of many tips in one pass is what is told of each by walking from it.
func TestGraph(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, ctx := drawHistory(t), context.Background()
		tip := rapid.IntRange(0, len(h)-1)
		hidden := map[int]bool{}
		for _, i := range rapid.SliceOfN(tip, 0, 2).Draw(t, "keep") {
			for c := range h.below(i) {
				hidden[c] = true
			}
		}
		whole := h.graph(t, func(int) bool { return true })
		region := h.graph(t, func(i int) bool { return !hidden[i] })
		var a, b []int
		var pairs [][2]string
		var tips []string
		for range rapid.IntRange(0, 150).Draw(t, "pairs") {
			x, y := tip.Draw(t, "a"), tip.Draw(t, "b")
			a, b, pairs, tips = append(a, x), append(b, y), append(pairs, [2]string{oidOf(x), oidOf(y)}), append(tips, oidOf(x))
		}
		leads, err1 := whole.Leads(ctx, pairs)
		related, err2 := whole.Related(ctx, pairs)
		totals, err3 := whole.Sizes(ctx, tips)
		left, err4 := region.Sizes(ctx, tips)
		leave, err5 := region.Leave(ctx, tips)
		for _, err := range []error{err1, err2, err3, err4, err5} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for i := range pairs {
			mine, other := h.below(a[i]), h.below(b[i])
			common, n, out := false, 0, false
			for c := range mine {
				common = common || other[c]
				if hidden[c] {
					out = true
				} else {
					n++
				}
			}
			if leads[i] != mine[b[i]] || related[i] != common || totals[i] != len(mine) || left[i] != n || leave[i] != out {
				t.Fatalf("%d and %d: leads %v, related %v, total %d, left %d, leaves %v; want %v, %v, %d, %d, %v", a[i], b[i],
					leads[i], related[i], totals[i], left[i], leave[i], mine[b[i]], common, len(mine), n, out)
			}
		}
	})
}

func TestGraphOfWhatIsNotThere(t *testing.T) {
	g, ctx, strange := New(Most), context.Background(), strings.Repeat("e", 40)
	for _, line := range []string{oidOf(1) + " " + oidOf(0), oidOf(0), ""} {
		if err := g.Add([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	g.Sort()
	for _, other := range []string{strange, "", "zz"} {
		leads, _ := g.Leads(ctx, [][2]string{{oidOf(1), other}, {other, oidOf(1)}, {other, other}})
		related, _ := g.Related(ctx, [][2]string{{oidOf(1), other}, {other, other}})
		sizes, _ := g.Sizes(ctx, []string{other, oidOf(1)})
		leave, _ := g.Leave(ctx, []string{other, oidOf(1)})
		if slices.Contains(leads, true) || slices.Contains(related, true) || !slices.Equal(sizes, []int{0, 2}) || !slices.Equal(leave, []bool{true, false}) {
			t.Errorf("%q: %v %v %v %v", other, leads, related, sizes, leave)
		}
	}
	for _, line := range []string{"fatal: no", oidOf(1) + " " + oidOf(0)[:39], strings.Repeat("g", 40)} {
		if err := New(Most).Add([]byte(line)); err == nil {
			t.Errorf("%q was taken", line)
		}
	}
	if !g.Has(oidOf(1)) || g.Has(strange) || New(Most).Has(oidOf(0)) {
		t.Error("what it has is not what was added")
	}
	ended, end := context.WithCancel(ctx)
	end()
	if _, err := g.Sizes(ended, []string{oidOf(1)}); err == nil {
		t.Error("it went on when nobody waited any more")
	}
}
