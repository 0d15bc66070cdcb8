package maintain

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gitmirror/internal/crashpoint"
	"gitmirror/internal/disk"
	"gitmirror/mirror/git"
	"gitmirror/mirror/store"
)

// Git is Objects by children of git, which give way to whoever wants the machine.
type Git struct {
	git  *git.Runner
	disk *disk.Disk
}

// NewGit returns Objects of git.
func NewGit(runner *git.Runner, d *disk.Disk) *Git { return &Git{runner, d} }

var _ Objects = (*Git)(nil)

// unaided has git look at the objects themselves: the commit-graph names commits whether
// they are there or not.
var unaided = []git.Setting{{Key: "core.commitGraph", Value: "false"}}

// frugal has one thread compress, so that a node keeps its other processors, and git the
// memory of the others.
var frugal = []git.Setting{{Key: "pack.threads", Value: "1"}}

// run runs a child with lines on its standard input, and returns what it printed.
func (g *Git) run(ctx context.Context, dir string, settings []git.Setting, lines []string, args ...string) (string, error) {
	cmd := g.git.CommandWith(ctx, dir, settings, args...).Gently()
	in := strings.Join(lines, "\n")
	if in != "" {
		in += "\n"
	}
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.Output()
	return string(out), err
}

// Count is how many objects a pack has.
func (g *Git) Count(dir, pack string) (int, error) {
	f, n, err := openIndex(g.disk, dir, pack)
	if err != nil {
		return 0, err
	}
	return n, f.Close()
}

// Mapped are the packs that the multi-pack-index names.
func (g *Git) Mapped(dir string) ([]string, error) { return mapped(g.disk, dir) }

// Used adds up what the tips lead to as it lies in the packs, by the bitmap where there is one:
// nothing goes because of it that is not proved to be of no use.
func (g *Git) Used(ctx context.Context, dir string, tips []string) (int64, error) {
	out, err := g.run(ctx, dir, unaided, tips, "rev-list", "--objects", "--use-bitmap-index", "--disk-usage", "--stdin")
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(out), 10, 64)
}

// Join makes one pack of several, and one of loose objects. git is told the packs, and what is
// made is compared with them, id by id: nothing but this says that they can go.
func (g *Git) Join(ctx context.Context, st *store.Staging, dir string, packs, loose []string) error {
	if len(packs) > 0 {
		names := make([]string, len(packs))
		for i, p := range packs {
			names[i] = p + ".pack"
		}
		if _, err := g.run(ctx, st.Dir(), frugal, names, "pack-objects", "--stdin-packs", "--delta-base-offset", "--quiet", "objects/pack/pack"); err != nil {
			return err
		}
	}
	if len(loose) > 0 {
		if _, err := g.run(ctx, st.Dir(), frugal, loose, "pack-objects", "--delta-base-offset", "--quiet", "objects/pack/pack"); err != nil {
			return err
		}
	}
	return joined(g.disk, st, dir, packs, loose)
}

// joined returns an error when the packs in staging have not all that others have.
func joined(d *disk.Disk, st *store.Staging, dir string, packs, loose []string) error {
	made, err := st.Packs()
	if err != nil {
		return err
	}
	var have [][]byte
	for _, p := range made {
		table, err := ids(d, st.Dir(), p)
		if err != nil {
			return err
		}
		have = append(have, table)
	}
	for _, p := range packs {
		table, err := ids(d, dir, p)
		if err != nil {
			return err
		}
		if !within(table, have) {
			return fmt.Errorf("a pack was made that has not all of %s", p)
		}
	}
	table, err := tableOf(loose)
	if err == nil && !within(table, have) {
		err = fmt.Errorf("a pack was made that has not all of %d loose objects", len(loose))
	}
	return err
}

// Gather makes one pack.
func (g *Git) Gather(ctx context.Context, st *store.Staging, tips []string) error {
	_, err := g.run(ctx, st.Dir(), append(slices.Clone(frugal), unaided...), tips, "pack-objects", "--revs", "--delta-base-offset", "--quiet", "objects/pack/pack")
	return err
}

// Connected walks from the tips to what is whole. That git stumbles proves nothing: what it
// names as it does must be in no index.
func (g *Git) Connected(ctx context.Context, dir string, tips, whole []string) error {
	lines := slices.Clone(tips)
	for _, oid := range whole {
		lines = append(lines, "^"+oid)
	}
	_, err := g.run(ctx, dir, unaided, lines, "rev-list", "--objects", "--quiet", "--stdin")
	var failed *git.Error
	if ctx.Err() != nil || !git.Judged(err) || !errors.As(err, &failed) {
		return err
	}
	for _, oid := range oidIn.FindAllString(failed.Stderr, -1) {
		if slices.Contains(whole, oid) {
			continue // then where the walk ends says nothing of where it began
		}
		here, herr := has(g.disk, dir, oid)
		if herr != nil {
			return errors.Join(err, herr)
		}
		if !here {
			return fmt.Errorf("%w: %w", ErrAbsent, err)
		}
	}
	return err
}

var oidIn = regexp.MustCompile(`\b[0-9a-f]{40}\b`)

// Map writes the commit-graph and the multi-pack-index, each in one step. Of tips that clients
// are not shown the bitmap has nothing: nobody clones them.
func (g *Git) Map(ctx context.Context, dir, scratch string, m Map) error {
	commits, err := g.commits(ctx, dir, m.Tips)
	if err != nil {
		return err
	}
	if _, err := g.run(ctx, dir, frugal, commits, "commit-graph", "write", "--stdin-commits", "--no-progress"); err != nil {
		return err
	}
	crashpoint.Hit(crashpoint.GraphWritten)
	public, err := g.commits(ctx, dir, m.Public)
	if err != nil {
		return err
	}
	args := []string{"multi-pack-index", "write", "--stdin-packs", "--no-progress", "--preferred-pack=" + m.Preferred + ".idx"}
	if len(public) > 0 {
		snapshot := filepath.Join(scratch, "tips")
		if err := g.disk.WriteFile(snapshot, []byte(strings.Join(public, "\n")+"\n"), 0o600); err != nil {
			return err
		}
		if snapshot, err = filepath.Abs(snapshot); err != nil {
			return err
		}
		args = append(args, "--bitmap", "--refs-snapshot="+snapshot)
	}
	names := make([]string, len(m.Packs))
	for i, p := range m.Packs {
		names[i] = p + ".idx"
	}
	_, err = g.run(ctx, dir, frugal, names, args...)
	return err
}

// commits are the commits that objects are, or lead to as tags.
func (g *Git) commits(ctx context.Context, dir string, oids []string) ([]string, error) {
	if len(oids) == 0 {
		return nil, nil
	}
	lines := make([]string, len(oids))
	for i, oid := range oids {
		lines[i] = oid + "^{commit}"
	}
	out, err := g.run(ctx, dir, nil, lines, "cat-file", "--batch-check=%(objectname)", "--buffer")
	if err != nil {
		return nil, err
	}
	var commits []string
	for line := range strings.Lines(out) {
		if line = strings.TrimSpace(line); len(line) == 40 {
			commits = append(commits, line)
		}
	}
	slices.Sort(commits)
	return slices.Compact(commits), nil
}
