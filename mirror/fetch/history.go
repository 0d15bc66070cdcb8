package fetch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/git"
	"gitmirror/mirror/graph"
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
// leaves open (an old tip behind another's) is asked for.
func (f *Fetcher) Judge(ctx context.Context, dir string, changes []refs.Change) error {
	var in strings.Builder
	var moved []int
	var pairs [][2]string
	for i, c := range changes {
		if c.Kind == refs.Updated {
			fmt.Fprintf(&in, "%s\n^%s\n", c.New, c.Old)
			moved, pairs = append(moved, i), append(pairs, [2]string{c.New, c.Old})
		}
	}
	if len(pairs) == 0 {
		return nil
	}
	forwards, err := f.leaveAtOld(ctx, dir, in.String(), pairs)
	if err != nil {
		return err
	}
	var open []int
	for i, forward := range forwards {
		if !forward {
			open = append(open, i)
		}
	}
	asked := make([][2]string, len(open))
	for k, i := range open {
		asked[k] = pairs[i]
	}
	ancestors, err := f.ancestors(ctx, dir, asked)
	if err != nil {
		return err
	}
	for k, i := range open {
		if !ancestors[k] {
			changes[moved[i]].Kind = refs.Forced
		}
	}
	return nil
}

// leaveAtOld tells of each pair of a new and an old tip whether a path from the new one
// leaves the region that revs names at the old one.
func (f *Fetcher) leaveAtOld(ctx context.Context, dir, revs string, pairs [][2]string) ([]bool, error) {
	region, err := f.walk(ctx, dir, revs)
	switch {
	case err != nil && isOurs(ctx, err):
		return nil, failedIn(ctx, err)
	case err != nil:
		return make([]bool, len(pairs)), nil // a moved ref that leads to no commit has no ancestors
	}
	defer region.release()
	forwards, err := region.Leads(ctx, pairs)
	if err != nil {
		return nil, failure.Of(err)
	}
	return forwards, nil
}

// ancestors tells of each pair of objects whether the first has the second in its history;
// what is no commit, and leads to none as a tag, has none and is in none.
func (f *Fetcher) ancestors(ctx context.Context, dir string, pairs [][2]string) ([]bool, error) {
	out := make([]bool, len(pairs))
	ask := func(i int) (err error) {
		out[i], err = f.isAncestor(ctx, dir, pairs[i][1], pairs[i][0])
		return err
	}
	n, err := oneByOne(len(pairs), ask)
	if err != nil || n == len(pairs) {
		return out, err
	}
	var ids []string
	for _, p := range pairs[n:] {
		ids = append(ids, p[0], p[1])
	}
	commits, err := f.commits(ctx, dir, ids)
	if err != nil {
		return nil, err
	}
	var in strings.Builder
	rest := make([][2]string, len(pairs)-n)
	for i, p := range pairs[n:] {
		if rest[i] = [2]string{commits[p[0]], commits[p[1]]}; rest[i][0] != "" {
			fmt.Fprintln(&in, rest[i][0])
		}
	}
	g, err := f.walk(ctx, dir, in.String())
	switch {
	case err != nil && isOurs(ctx, err):
		return nil, failedIn(ctx, err)
	case err != nil:
		for i := n; i < len(pairs); i++ {
			if err := ask(i); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	defer g.release()
	leads, err := g.Leads(ctx, rest)
	if err != nil {
		return nil, failure.Of(err)
	}
	copy(out[n:], leads)
	return out, nil
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
	var err error
	if lost, err = printed(cmd, tips); err != nil {
		return nil, failedIn(ctx, err)
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
	walked, err := printed(cmd, slices.Collect(maps.Values(commits)))
	if err != nil {
		return nil, failedIn(ctx, err)
	}
	for _, t := range tips {
		c := commits[t]
		reached[t] = c != "" && walked[c] == (without != nil)
	}
	return reached, nil
}

// printed tells which of some ids a git child prints, one on each line.
func printed(cmd *git.Cmd, ids []string) (map[string]bool, error) {
	wanted, found := map[string]bool{}, map[string]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	return found, eachLine(cmd, func(line []byte) error {
		if wanted[string(line)] {
			found[string(line)] = true
		}
		return nil
	})
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
	var region strings.Builder
	var which []int
	var old, all [][2]string
	var fresh []string
	for i, p := range pairs {
		a, b := commits[p[0]], commits[p[1]]
		if out[i] = a == "" || b == ""; !out[i] {
			fmt.Fprintf(&region, "%s\n^%s\n", b, a)
			which, all, fresh = append(which, i), append(all, [2]string{a, b}), append(fresh, b)
		}
	}
	leave, err := f.leave(ctx, dir, region.String(), fresh)
	if err != nil {
		return nil, err
	}
	var open []int
	for k, i := range which {
		if out[i] = !leave[k]; leave[k] {
			open, old = append(open, i), append(old, all[k])
		}
	}
	related, err := f.related(ctx, dir, old)
	if err != nil {
		return nil, err
	}
	for k, i := range open {
		out[i] = !related[k]
	}
	return out, nil
}

// leave tells of each tip whether a path from it leaves the region that revs names. Where
// that is too large, all may.
func (f *Fetcher) leave(ctx context.Context, dir, revs string, tips []string) ([]bool, error) {
	if len(tips) == 0 {
		return nil, nil
	}
	region, err := f.walk(ctx, dir, revs)
	if errors.Is(err, graph.ErrLarge) {
		return slices.Repeat([]bool{true}, len(tips)), nil
	}
	if err != nil {
		return nil, failedIn(ctx, err)
	}
	defer region.release()
	out, err := region.Leave(ctx, tips)
	if err != nil {
		return nil, failure.Of(err)
	}
	return out, nil
}

// related tells of each pair of commits whether their histories have something in common.
func (f *Fetcher) related(ctx context.Context, dir string, pairs [][2]string) ([]bool, error) {
	out := make([]bool, len(pairs))
	ask := func(i int) error {
		err := f.git.Command(ctx, dir, "merge-base", pairs[i][0], pairs[i][1]).RunCaptured()
		if err != nil && ctx.Err() != nil {
			return failure.Of(ctx.Err())
		}
		out[i] = err == nil
		return nil
	}
	n, err := oneByOne(len(pairs), ask)
	if err != nil || n == len(pairs) {
		return out, err
	}
	var in strings.Builder
	for _, p := range pairs[n:] {
		fmt.Fprintf(&in, "%s\n%s\n", p[0], p[1])
	}
	g, err := f.walk(ctx, dir, in.String())
	if errors.Is(err, graph.ErrLarge) {
		for i := n; i < len(pairs); i++ {
			if err := ask(i); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	if err != nil {
		return nil, failedIn(ctx, err)
	}
	defer g.release()
	rest, err := g.Related(ctx, pairs[n:])
	if err != nil {
		return nil, failure.Of(err)
	}
	copy(out[n:], rest)
	return out, nil
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
	var kept, in strings.Builder
	for _, id := range keep {
		if c := commits[id]; c != "" {
			fmt.Fprintf(&kept, "^%s\n", c)
		}
	}
	tips := make([]string, len(old))
	for i, id := range old {
		if tips[i] = commits[id]; tips[i] != "" {
			fmt.Fprintln(&in, tips[i])
		}
	}
	if len(old) == 1 { // no need to know which
		n, err := f.count(ctx, dir, in.String()+kept.String())
		return []int{n}, err
	}
	region, err := f.walk(ctx, dir, in.String()+kept.String())
	if errors.Is(err, graph.ErrLarge) {
		counts := make([]int, len(old))
		for i, tip := range tips {
			if tip == "" {
				continue
			}
			if counts[i], err = f.count(ctx, dir, tip+"\n"+kept.String()); err != nil {
				return nil, err
			}
		}
		return counts, nil
	}
	if err != nil {
		return nil, failedIn(ctx, err)
	}
	defer region.release()
	counts, err := region.Sizes(ctx, tips)
	if err != nil {
		return nil, failure.Of(err)
	}
	return counts, nil
}

// count counts the commits that revs names.
func (f *Fetcher) count(ctx context.Context, dir, revs string) (int, error) {
	cmd := f.git.Command(ctx, dir, "rev-list", "--count", "--stdin")
	cmd.Stdin = strings.NewReader(revs)
	out, err := cmd.Output()
	if err != nil {
		return 0, failedIn(ctx, err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		return 0, failure.New(failure.Disk, fmt.Sprintf("git rev-list counted %.40q", out), err)
	}
	return n, nil
}

// failedIn is failed, but where ctx has ended.
func failedIn(ctx context.Context, err error) *failure.Error {
	if ctx.Err() != nil {
		return failure.Of(ctx.Err())
	}
	return failed(err)
}
