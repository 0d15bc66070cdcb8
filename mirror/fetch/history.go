package fetch

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
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

// IsAncestor tells whether new's history has old in it; what is not here is in none.
func (f *Fetcher) IsAncestor(ctx context.Context, dir, old, new string) bool {
	is, err := f.isAncestor(ctx, dir, old, new)
	return is && err == nil
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

// Reached returns those of the tips, commits or tags of them, that a ref of list leads
// to. Where it is known that no public ref of without does, only what is new since
// without is walked: what was lost may be most of a history. What is not here is not
// reached.
func (f *Fetcher) Reached(ctx context.Context, dir string, tips []string, list, without []refs.Ref) (map[string]bool, error) {
	reached := map[string]bool{}
	if len(tips) == 0 {
		return reached, nil
	}
	ids := slices.Clone(tips)
	for _, r := range slices.Concat(list, without) {
		if r.Public() {
			ids = append(ids, r.OID)
		}
	}
	commits, err := f.commits(ctx, dir, ids)
	if err != nil {
		return nil, err
	}
	var in strings.Builder
	put := func(sign string, list []refs.Ref) {
		for _, r := range list {
			if c := commits[r.OID]; c != "" && r.Public() {
				fmt.Fprintf(&in, "%s%s\n", sign, c)
			}
		}
	}
	if without == nil {
		put("^", list)
		for _, t := range tips {
			if c := commits[t]; c != "" {
				fmt.Fprintf(&in, "%s\n", c)
			}
		}
	} else {
		put("", list)
		put("^", without)
	}
	cmd := f.git.Command(ctx, dir, "rev-list", "--stdin")
	cmd.Stdin = strings.NewReader(in.String())
	out, err := cmd.Output()
	if err != nil {
		return nil, failed(err)
	}
	walked := map[string]bool{}
	for line := range bytes.Lines(out) {
		walked[strings.TrimSpace(string(line))] = true
	}
	for _, t := range tips {
		c := commits[t]
		reached[t] = c != "" && walked[c] == (without != nil)
	}
	return reached, nil
}

// Unrelated tells of each pair of objects whether their histories have nothing in
// common. What is no commit, or is not here, is related to nothing.
//
// One walk decides what is told apart most easily and would take longest to prove one
// by one: the commits that the new ones have and no old one has. Where no path from a
// new one leaves that region, it leads to nothing old.
func (f *Fetcher) Unrelated(ctx context.Context, dir string, pairs [][2]string) ([]bool, error) {
	out := make([]bool, len(pairs))
	if len(pairs) == 0 {
		return out, nil
	}
	var ids []string
	for _, p := range pairs {
		ids = append(ids, p[0], p[1])
	}
	commits, err := f.commits(ctx, dir, ids)
	if err != nil {
		return nil, err
	}
	var in strings.Builder
	for _, p := range pairs {
		if commits[p[0]] != "" && commits[p[1]] != "" {
			fmt.Fprintf(&in, "%s\n^%s\n", commits[p[1]], commits[p[0]])
		}
	}
	region, err := f.region(ctx, dir, in.String())
	if err != nil {
		return nil, err
	}
	for i, p := range pairs {
		old, new := commits[p[0]], commits[p[1]]
		switch {
		case old == "" || new == "" || !leaves(region, new):
			out[i] = true
			continue
		}
		err := f.git.Command(ctx, dir, "merge-base", old, new).RunCaptured()
		if err != nil && ctx.Err() != nil {
			return nil, failure.Of(ctx.Err())
		}
		out[i] = err != nil
	}
	return out, nil
}

// leaves tells whether a path of parents from a commit ends outside of the region.
func leaves(region map[string][]string, from string) bool {
	seen := map[string]bool{from: true}
	for queue := []string{from}; len(queue) > 0; {
		id := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		parents, inside := region[id]
		if !inside {
			return true
		}
		for _, p := range parents {
			if !seen[p] {
				seen[p] = true
				queue = append(queue, p)
			}
		}
	}
	return false
}

// commits tells which commit each object is, or leads to as a tag; what is none, or
// is not here, is left out.
func (f *Fetcher) commits(ctx context.Context, dir string, ids []string) (map[string]string, error) {
	var in strings.Builder
	for _, id := range ids {
		fmt.Fprintf(&in, "%s^{commit}\n", id)
	}
	cmd := f.git.Command(ctx, dir, "cat-file", "--batch-check=%(objectname)", "--buffer")
	cmd.Stdin = strings.NewReader(in.String())
	out, err := cmd.Output()
	if err != nil {
		return nil, failed(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(ids) {
		return nil, failure.New(failure.Disk, fmt.Sprintf("git cat-file answered %d of %d ids", len(lines), len(ids)), nil)
	}
	commits := map[string]string{}
	for i, line := range lines {
		if !strings.Contains(line, " ") {
			commits[ids[i]] = line
		}
	}
	return commits, nil
}

// Left counts for each of old the commits that it leads to and none of keep does, of
// what is here. One walk finds them all.
func (f *Fetcher) Left(ctx context.Context, dir string, old, keep []string) ([]int, error) {
	commits, err := f.commits(ctx, dir, append(slices.Clone(old), keep...))
	if err != nil {
		return nil, err
	}
	var in strings.Builder
	for i, id := range append(slices.Clone(old), keep...) {
		switch c := commits[id]; {
		case c == "":
		case i < len(old):
			fmt.Fprintf(&in, "%s\n", c)
		default:
			fmt.Fprintf(&in, "^%s\n", c)
		}
	}
	counts := make([]int, len(old))
	if len(old) == 1 { // no need to know which
		cmd := f.git.Command(ctx, dir, "rev-list", "--count", "--stdin")
		cmd.Stdin = strings.NewReader(in.String())
		out, err := cmd.Output()
		if err != nil {
			return nil, failed(err)
		}
		if counts[0], err = strconv.Atoi(strings.TrimSpace(string(out))); err != nil {
			return nil, failure.New(failure.Disk, fmt.Sprintf("git rev-list counted %.40q", out), err)
		}
		return counts, nil
	}
	region, err := f.region(ctx, dir, in.String())
	if err != nil {
		return nil, err
	}
	for i, id := range old {
		seen := map[string]bool{}
		for queue := []string{commits[id]}; len(queue) > 0; {
			c := queue[len(queue)-1]
			queue = queue[:len(queue)-1]
			if parents, inside := region[c]; inside && !seen[c] {
				seen[c] = true
				queue = append(queue, parents...)
			}
		}
		counts[i] = len(seen)
	}
	return counts, nil
}

// region is the commits of a walk, with their parents.
func (f *Fetcher) region(ctx context.Context, dir, revs string) (map[string][]string, error) {
	cmd := f.git.Command(ctx, dir, "rev-list", "--parents", "--stdin")
	cmd.Stdin = strings.NewReader(revs)
	out, err := cmd.Output()
	if err != nil {
		return nil, failed(err)
	}
	region := map[string][]string{}
	for line := range bytes.Lines(out) {
		if c := strings.Fields(string(line)); len(c) > 0 {
			region[c[0]] = c[1:]
		}
	}
	return region, nil
}
