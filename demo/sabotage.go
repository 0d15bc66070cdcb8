package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gitmirror/api"
	"gitmirror/mirror/refs"
)

// sabotage drops one branch from one copy, on the disk of a survivor that is
// stopped meanwhile, with a digest that fits: what is served is whole, and
// wrong. Only a comparison with upstream can find that.
func (d *demo) sabotage(ctx context.Context) error {
	c := d.client()
	defer c.Close()
	row, n, err := d.victim(ctx, c)
	if err != nil {
		return err
	}
	d.chapter("Sabotage: drop a branch of %s from the copy on %s, behind the cluster's back", row.Name, n.name)
	n.stop()
	ref, err := dropBranch(n.dir, row.ID)
	if err != nil {
		return err
	}
	if err := d.restart(ctx, n); err != nil {
		return err
	}
	return await(ctx, 10*time.Second, fmt.Sprintf("%s to serve %s without %s", n.name, row.Name, ref), func(ctx context.Context) (bool, error) {
		got, err := d.lsRemote(ctx, n.HTTP+"/git/"+row.Name)
		if err != nil {
			return false, err
		}
		if _, there := got.refs[ref]; there {
			return false, errors.New("it repaired its copy")
		}
		return true, nil
	})
}

// victim is a copy that upstream's next look does not mend: not its owner's,
// of a repo with branches to lose, on a node that does not lead.
func (d *demo) victim(ctx context.Context, c *api.Client) (*api.Repo, *process, error) {
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
			n := d.node(copied.Node)
			if copied.State == "ready" && copied.Node != r.Owner && copied.Node != st.Leader && n != nil && n.running() && r.Refs > 1 {
				return &r, n, nil
			}
		}
	}
	return nil, nil, errors.New("there is no copy to sabotage")
}

// dropBranch removes the first branch that HEAD is not on from the ref table
// on disk, and returns its name.
func dropBranch(dataDir, id string) (string, error) {
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
	i := slices.IndexFunc(table.Refs, func(r refs.Ref) bool {
		return r.Public() && !strings.HasSuffix(string(table.Head), r.Name)
	})
	if i < 0 {
		return "", fmt.Errorf("%s has no branch to drop", id)
	}
	name := table.Refs[i].Name
	table.Refs = slices.Delete(table.Refs, i, i+1)
	return name, os.WriteFile(found[0], table.Encode(), 0o644)
}
