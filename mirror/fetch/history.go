package fetch

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/git"
	"gitmirror/mirror/refs"
)

// Peel fills in what annotated tags lead to, as the objects in dir say; what
// an upstream says of it is not asked.
func (f *Fetcher) Peel(ctx context.Context, dir string, list []refs.Ref) error {
	if len(list) == 0 {
		return nil
	}
	var in strings.Builder
	for _, r := range list {
		fmt.Fprintf(&in, "%s^{}\n", r.OID)
	}
	cmd := f.git.Command(ctx, dir, "cat-file", "--batch-check=%(objectname)", "--buffer")
	cmd.Stdin = strings.NewReader(in.String())
	out, err := cmd.Output()
	if err != nil {
		return failed(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(list) {
		return failure.New(failure.Disk, fmt.Sprintf("git cat-file answered %d of %d ids", len(lines), len(list)), nil)
	}
	for i, line := range lines {
		if strings.HasSuffix(line, " missing") {
			return failure.New(failure.Corrupt, fmt.Sprintf("object %s of %s is missing", list[i].OID, list[i].Name), nil)
		}
		if line != list[i].OID {
			list[i].Peeled = line
		}
	}
	return nil
}

// Judge tells forced moves from fast-forwards: each Updated change whose old
// tip is not an ancestor of the new one becomes Forced. dir must hold both
// histories.
//
// One walk decides nearly all of them: the commits the new tips have and no
// old tip has, with their parents. Where a path from a new tip leaves that
// region exactly at its own old tip, it is a fast-forward; what the walk
// leaves open (an old tip behind another's) is asked one by one.
func (f *Fetcher) Judge(ctx context.Context, dir string, changes []refs.Change) error {
	var in strings.Builder
	n := 0
	for _, c := range changes {
		if c.Kind == refs.Updated {
			fmt.Fprintf(&in, "%s\n^%s\n", c.New, c.Old)
			n++
		}
	}
	if n == 0 {
		return nil
	}
	cmd := f.git.Command(ctx, dir, "rev-list", "--parents", "--stdin")
	cmd.Stdin = strings.NewReader(in.String())
	out, err := cmd.Output()
	if git.OutOfMemory(err) {
		return failed(err)
	}
	if err != nil {
		// A moved ref that leads to no commit has no ancestors: it is forced.
		out = nil
	}
	parents := map[string][]string{}
	for line := range bytes.Lines(out) {
		ids := strings.Fields(string(line))
		if len(ids) > 0 {
			parents[ids[0]] = ids[1:]
		}
	}
	for i := range changes {
		c := &changes[i]
		if c.Kind != refs.Updated || reaches(parents, c.New, c.Old) {
			continue
		}
		ancestor, err := f.isAncestor(ctx, dir, c.Old, c.New)
		if err != nil {
			return err
		}
		if !ancestor {
			c.Kind = refs.Forced
		}
	}
	return nil
}

func reaches(parents map[string][]string, from, to string) bool {
	seen := map[string]bool{from: true}
	for queue := []string{from}; len(queue) > 0; {
		id := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, p := range parents[id] {
			if p == to {
				return true
			}
			if !seen[p] {
				seen[p] = true
				queue = append(queue, p)
			}
		}
	}
	return false
}

func (f *Fetcher) isAncestor(ctx context.Context, dir, old, new string) (bool, error) {
	err := f.git.Command(ctx, dir, "merge-base", "--is-ancestor", old, new).RunCaptured()
	if err != nil && ctx.Err() != nil {
		return false, failure.Of(ctx.Err())
	}
	return err == nil, nil
}

// Unreachable returns those of the tips that no ref in keep leads to.
func (f *Fetcher) Unreachable(ctx context.Context, dir string, tips []string, keep []refs.Ref) (map[string]bool, error) {
	lost := map[string]bool{}
	if len(tips) == 0 {
		return lost, nil
	}
	var in strings.Builder
	for _, t := range tips {
		fmt.Fprintf(&in, "%s\n", t)
	}
	for _, r := range keep {
		fmt.Fprintf(&in, "^%s\n", r.OID)
	}
	cmd := f.git.Command(ctx, dir, "rev-list", "--objects", "--no-object-names", "--stdin")
	cmd.Stdin = strings.NewReader(in.String())
	out, err := cmd.Output()
	if err != nil {
		return nil, failed(err)
	}
	wanted := map[string]bool{}
	for _, t := range tips {
		wanted[t] = true
	}
	for line := range bytes.Lines(out) {
		if id := strings.TrimSpace(string(line)); wanted[id] {
			lost[id] = true
		}
	}
	return lost, nil
}
