// Package commits reads when the commits of a copy were made: in this process, by go-git, since
// a child of its own for each repository of a node that starts would be too many.
package commits

import (
	"container/heap"
	"context"
	"fmt"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"gitmirror/internal/disk"
	"gitmirror/mirror/objects"
)

// What one reading may take. The indexes are of two million objects.
var bounds = objects.Bounds{Indexes: 64 << 20, Cached: 4 << 20}

const (
	maxCommits = 2000 // that are told
	maxTips    = 200
)

// Reader reads of copies that are on a disk.
type Reader struct{ Disk *disk.Disk }

// Since returns when the commits were made, by their committers' clocks, that the tips lead to,
// from that time on: the newest first, at most 2,000 of them. dir is a bare repository's. Tips
// that lead to no commit count for nothing. What is read of a tip ends at its first commit that
// is older. It blocks for the disk, for some milliseconds where there is not much to read.
func (r Reader) Since(ctx context.Context, dir string, tips []string, since time.Time) ([]time.Time, error) {
	repo, err := objects.Open(r.Disk, dir, bounds)
	if err != nil {
		return nil, err
	}
	defer repo.Close()
	var queue byTime
	seen := map[plumbing.Hash]bool{}
	add := func(c *object.Commit) {
		if !c.Committer.When.Before(since) {
			heap.Push(&queue, c)
		}
	}
	for _, tip := range tips[:min(len(tips), maxTips)] {
		c, err := objects.CommitOf(repo, plumbing.NewHash(tip))
		switch {
		case err != nil:
			return nil, fmt.Errorf("read %s: %w", tip, err)
		case c != nil && !seen[c.Hash]:
			seen[c.Hash] = true
			add(c)
		}
	}
	var times []time.Time
	for queue.Len() > 0 && len(times) < maxCommits && ctx.Err() == nil {
		c := heap.Pop(&queue).(*object.Commit)
		times = append(times, c.Committer.When)
		for _, parent := range c.ParentHashes {
			if seen[parent] {
				continue
			}
			seen[parent] = true
			p, err := object.GetCommit(repo, parent)
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", parent, err)
			}
			add(p)
		}
	}
	return times, ctx.Err()
}

// byTime has the newest first.
type byTime []*object.Commit

func (q byTime) Len() int           { return len(q) }
func (q byTime) Less(i, j int) bool { return q[i].Committer.When.After(q[j].Committer.When) }
func (q byTime) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *byTime) Push(x any)        { *q = append(*q, x.(*object.Commit)) }
func (q *byTime) Pop() any {
	old := *q
	c := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return c
}
