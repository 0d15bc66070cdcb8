package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gitmirror/api"
	"gitmirror/mirror/refs"
)

// sabotage drops one ref from one copy, on the disk of a survivor that is
// dead meanwhile, with a digest that fits: what is served is whole, and wrong.
// Only a comparison with upstream can find that.
//
// A new owner would, because it looks upstream. So the node is back before the
// others take it for dead, and where ownership moves all the same, we try
// again.
func (d *demo) sabotage(ctx context.Context) error {
	c := d.client()
	defer c.Close()
	for range 5 {
		row, n, err := d.victim(ctx, c)
		if err != nil {
			return err
		}
		d.chapter("Sabotage: drop a ref of %s from the copy on %s, behind the cluster's back", row.Name, n.Name)
		n.end(n.Kill)
		ref, err := dropRef(n.Dir, row.ID)
		if err != nil {
			return err
		}
		if err := d.restart(ctx, n); err != nil {
			return err
		}
		lasting, err := d.lasts(ctx, n, row, ref)
		if err != nil {
			return err
		}
		if lasting {
			d.sabotaged = fmt.Sprintf("%s of %s on %s", ref, row.Name, n.Name)
			return nil
		}
		d.say("   it got a new owner, which mended it: once more")
	}
	return errors.New("the cluster mends faster than we can spoil")
}

// steadyFor is longer than the others need to take a node for dead.
const steadyFor = 5 * time.Second

// lasts tells whether a node goes on serving a repo without ref, with nothing
// under way that would change that.
func (d *demo) lasts(ctx context.Context, n *process, row *api.Repo, ref string) (bool, error) {
	moved := false
	began := time.Now()
	err := await(ctx, failoverTimeout, fmt.Sprintf("%s to serve %s without %s", n.Name, row.Name, ref), func(ctx context.Context) (bool, error) {
		r, err := n.client.Repo(ctx, row.Name)
		if err != nil {
			return false, err
		}
		got, err := d.lsRemote(ctx, n.HTTP+"/git/"+row.Name)
		if err != nil {
			return false, err
		}
		_, there := got.refs[ref]
		moved = there || r.Epoch != row.Epoch
		return moved || time.Since(began) > steadyFor, nil
	})
	return !moved, err
}

// victim is a copy that upstream's next look does not mend: not its owner's, of
// a repo with branches to lose; on a node that does not lead, if there is one.
func (d *demo) victim(ctx context.Context, c *api.Client) (row *api.Repo, n *process, err error) {
	st, err := c.Status(ctx)
	if err != nil {
		return nil, nil, err
	}
	list, err := c.Repos(ctx, api.Query{Limit: 500})
	if err != nil {
		return nil, nil, err
	}
	for _, r := range list.Repos {
		for _, copied := range r.Copies {
			holder := d.node(copied.Node)
			if copied.State != "ready" || copied.Generation != r.Generation || copied.Node == r.Owner || holder == nil || !holder.Running() || r.Refs == 0 {
				continue
			}
			if row == nil || copied.Node != st.Leader {
				row, n = &r, holder
			}
		}
	}
	if row == nil {
		return nil, nil, errors.New("there is no copy to sabotage")
	}
	return row, n, nil
}

// dropRef removes a ref from the ref table on disk, one that HEAD is not on if
// there is one, and returns its name.
func dropRef(dataDir, id string) (string, error) {
	found, err := filepath.Glob(filepath.Join(dataDir, "repos", "*", id+".git", "packed-refs"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("find the ref table of %s: %d files, %w", id, len(found), err)
	}
	data, err := os.ReadFile(found[0])
	if err != nil {
		return "", err
	}
	table, err := refs.Decode(data)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(table.Refs, func(r refs.Ref) bool { return r.Public() && r.Name != table.Head.Target() })
	if i < 0 {
		i = slices.IndexFunc(table.Refs, refs.Ref.Public)
	}
	if i < 0 {
		return "", fmt.Errorf("%s has no ref to drop", id)
	}
	name := table.Refs[i].Name
	table.Refs = slices.Delete(table.Refs, i, i+1)
	return name, os.WriteFile(found[0], table.Encode(), 0o644)
}
