package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"gitmirror/internal/upstream"

	"golang.org/x/sync/errgroup"
)

// compare clones every mirror from every surviving node, has git check the
// objects, and compares all refs and HEAD with upstream.
func (d *demo) compare(ctx context.Context) error {
	survivors := d.running()
	var names []string
	for _, n := range survivors {
		names = append(names, n.Name)
	}
	done := d.chapter("Clone every mirror from %s, check the objects, compare all refs and HEAD with upstream", strings.Join(names, " and "))
	var (
		mu    sync.Mutex
		found Differences
		refs  int
	)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for _, m := range d.mirrors {
		for _, n := range survivors {
			g.Go(func() error {
				list, compared, err := d.compareOne(gctx, m, n)
				mu.Lock()
				defer mu.Unlock()
				found, refs = append(found, list...), refs+compared
				return err
			})
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	slices.SortFunc(found, func(a, b Difference) int { return strings.Compare(a.String(), b.String()) })
	if len(found) > 0 {
		d.say("   found what differs: %d", len(found))
		return found
	}
	if d.sabotaged != "" {
		return fmt.Errorf("the comparison did not find what was taken away: %s", d.sabotaged)
	}
	done()
	d.say("   %d clones, %d refs compared, no difference", len(d.mirrors)*len(survivors), refs)
	d.tellRequests()
	return nil
}

// compareOne looks again where upstream changed while we looked: a real one
// does what it likes.
func (d *demo) compareOne(ctx context.Context, m *mirrored, n *process) (found Differences, refs int, err error) {
	for range 5 {
		want, err := d.truth(ctx, m)
		if err != nil {
			return nil, 0, fmt.Errorf("ask upstream of %s: %w", m.name, err)
		}
		got, err := d.cloneAndCheck(ctx, m, n)
		if ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
		if err != nil {
			return Differences{{Repo: m.name, Node: n.Name, Ref: "the clone", Got: err.Error(), Want: "a whole one"}}, 0, nil
		}
		if found = d.located(differ(want, got), m, n); len(found) == 0 || m.repo != nil {
			return found, len(want.refs), nil
		}
		if _, err := n.client.Sync(ctx, m.name, 30*time.Second); err != nil {
			return nil, 0, fmt.Errorf("sync %s: %w", m.name, err)
		}
	}
	return found, 0, nil
}

func (d *demo) cloneAndCheck(ctx context.Context, m *mirrored, n *process) (showing, error) {
	dir := filepath.Join(d.dir, "clones", n.Name, m.name)
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return showing{}, err
	}
	defer os.RemoveAll(dir)
	if _, err := d.git(ctx, d.dir, "clone", "--quiet", "--mirror", n.gitURL(m), dir); err != nil {
		return showing{}, err
	}
	if _, err := d.git(ctx, dir, "fsck", "--full", "--no-progress", "--no-dangling"); err != nil {
		return showing{}, err
	}
	return d.cloned(ctx, dir)
}

// tellRequests says what upstream saw of all this.
func (d *demo) tellRequests() {
	if len(d.Upstreams) > 0 {
		return
	}
	clones, fetches, checks := 0, 0, 0
	for _, r := range d.forge.Requests() {
		switch r.Kind {
		case upstream.KindClone:
			clones++
		case upstream.KindFetch:
			fetches++
		case upstream.KindCheck:
			checks++
		}
	}
	d.say("   upstream served %d clones (the empty one has nothing to clone), %d fetches of what changed, %d looks", clones, fetches, checks)
}
