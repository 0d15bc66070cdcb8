package world

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gitmirror/fsm"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
)

// kept checks what is on the disks of a world that has ended: what the log says of each
// copy is there, with all that its refs lead to, and nothing is left lying about.
func (r *run) kept(log *chronicle) (flaws []string) {
	for _, n := range r.w.Nodes {
		if n.running() || n.has(bitInCopy) {
			continue // it may find out at the very end that it has to copy anew
		}
		for _, path := range litter(n.dir()) {
			flaws = append(flaws, fmt.Sprintf("%s leaves %s behind", n.Name, path))
		}
		st, err := store.Open(store.Config{Dir: n.dir(), StartID: "after", Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			flaws = append(flaws, fmt.Sprintf("%s: its copies cannot be looked at: %v", n.Name, err))
			continue
		}
		for _, versions := range log.rows {
			if versions = since(versions, log.last); !slices.ContainsFunc(versions, func(v version) bool { return !v.readyOn(n.Name) }) {
				if err := r.holds(log, n, st, versions[0]); err != nil {
					flaws = append(flaws, fmt.Sprintf("%s has lost what it held of %s: %v", n.Name, versions[0].row.Name, err))
				}
			}
		}
	}
	return flaws
}

// readyOn tells whether the log says that a node has a copy.
func (v version) readyOn(node string) bool {
	_, ready := v.copyOn(node)
	return ready
}

// holders are the nodes that have copies, by name.
func (v version) holders() (nodes []string) {
	for _, c := range v.row.Copies {
		if c.State == fsm.CopyReady {
			nodes = append(nodes, v.nodes[c.Node])
		}
	}
	return nodes
}

func (v version) copyOn(node string) (c fsm.Copy, ready bool) {
	if v.row == nil {
		return c, false
	}
	for _, c := range v.row.Copies {
		if v.nodes[c.Node] == node {
			return c, c.State == fsm.CopyReady
		}
	}
	return c, false
}

// holds checks the copy of a row on a node's disk.
func (r *run) holds(log *chronicle, n *Node, st *store.Store, v version) error {
	repo := st.Repo(v.row.ID)
	if repo == nil {
		return errors.New("there is no directory")
	}
	c, _ := v.copyOn(n.Name)
	table, err := repo.OnDisk()
	switch {
	case err != nil:
		return err
	case table.Generation < c.Generation:
		return fmt.Errorf("it has generation %d of %d", table.Generation, c.Generation)
	case table.Generation == v.row.Generation && table.Digest() != refs.Digest(v.row.Digest):
		return fmt.Errorf("generation %d is another", table.Generation)
	}
	if err := r.unkept(log, v, table); err != nil {
		return err
	}
	return (&objects{of: r.w}).Verify(context.Background(), repo.Dir(), oids(table))
}

// litter is what should not be in a directory on which nothing runs.
func litter(dir string) (found []string) {
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		within, _ := filepath.Rel(dir, path)
		switch {
		case err != nil:
		case strings.HasPrefix(within, "staging/") && strings.Count(within, "/") == 2, strings.HasSuffix(within, ".tmp"), strings.HasSuffix(within, ".lock") && !e.IsDir():
			found = append(found, within)
		}
		return nil
	})
	return found
}

// open are the files below dir of which this process has a descriptor, but for those that
// are gone: a process that was killed has them in a world as long as this one runs.
func open(dir string) (paths []string) {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(to, dir+"/") && !strings.HasSuffix(to, " (deleted)") {
			paths = append(paths, to)
		}
	}
	return paths
}
