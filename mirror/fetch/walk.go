package fetch

import (
	"context"
	"strings"
	"time"

	"gitmirror/mirror/git"
	"gitmirror/mirror/graph"
)

// Few questions are asked of git one by one, as long as that is quick: it looks at no more
// of a history than it must. What is left is answered from one walk through all of it.
const (
	fewQuestions = 16
	quickEnough  = time.Second
)

// oneByOne asks up to n questions, and returns how many.
func oneByOne(n int, ask func(i int) error) (asked int, err error) {
	began := time.Now()
	for i := range n {
		if i >= fewQuestions || time.Since(began) > quickEnough {
			return i, nil
		}
		if err := ask(i); err != nil {
			return i, err
		}
	}
	return n, nil
}

// largeGraph is from when on a graph needs the place for a large one.
const largeGraph = 10_000

// region is a part of a history, and the place that it has.
type region struct {
	*graph.Graph
	release func() // of the place for a large one
}

// walk reads the part of a history that revs names, as rev-list takes them, one a line. It
// has to be released. A large one is read alone.
func (f *Fetcher) walk(ctx context.Context, dir, revs string) (region, error) {
	g := region{graph.New(f.most), func() {}}
	cmd := f.git.Command(ctx, dir, "rev-list", "--parents", "--stdin")
	cmd.Stdin = strings.NewReader(revs)
	large := false
	err := eachLine(cmd, func(line []byte) error {
		if !large && g.Len() > largeGraph {
			if err := f.large.Acquire(ctx, 1); err != nil {
				return err
			}
			large, g.release = true, func() { f.large.Release(1) }
		}
		return g.Add(line)
	})
	if err != nil {
		g.release()
		return region{}, err
	}
	g.Sort()
	return g, nil
}

// isOurs tells an error of a walk that says nothing of what was asked for.
func isOurs(ctx context.Context, err error) bool { return ctx.Err() != nil || git.OutOfMemory(err) }
