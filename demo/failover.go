package demo

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	"gitmirror/api"
	"gitmirror/internal/upstream"

	"github.com/google/uuid"
)

// failoverTimeout is how long the cluster may take over a death.
const failoverTimeout = time.Minute

func (d *demo) killLeader(ctx context.Context) error {
	c := d.client()
	st, err := c.Status(ctx)
	c.Close()
	if err != nil {
		return err
	}
	leader := d.node(st.Leader)
	if leader == nil {
		return fmt.Errorf("the cluster names %q as its leader", st.Leader)
	}
	owned, err := d.ownedBy(ctx, leader.Name)
	if err != nil {
		return err
	}
	d.chapter("Kill the leader, %s, with SIGKILL; it polls upstream for %d of the mirrors", leader.Name, len(owned))
	killed := time.Now()
	leader.end(leader.Kill)

	c = d.client() // of the survivors
	defer c.Close()
	key, tries := uuid.NewString(), 0
	err = await(ctx, failoverTimeout, "a write to be accepted", func(ctx context.Context) (bool, error) {
		tries++
		_, err := c.Add(ctx, d.request(d.late), key)
		return err == nil, err
	})
	if err != nil {
		return err
	}
	accepted := time.Since(killed)
	if st, err = c.Status(ctx); err != nil {
		return err
	}
	d.say("   %-5s next write accepted, the new leader is %s (asked %s)", seconds(accepted), st.Leader, times(tries))
	d.mirrors = append(d.mirrors, d.late)

	owners := map[string]int{}
	err = await(ctx, failoverTimeout, "new owners of what "+leader.Name+" owned", func(ctx context.Context) (bool, error) {
		list, err := c.Repos(ctx, api.Query{Limit: 500})
		if err != nil {
			return false, err
		}
		clear(owners)
		for _, r := range list.Repos {
			if r.Owner == leader.Name || r.Owner == "" {
				return false, fmt.Errorf("%s is still owned by %q", r.Name, r.Owner)
			}
			if owned[r.Name] {
				owners[r.Owner]++
			}
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	d.say("   %-5s all those have new owners: %s", seconds(time.Since(killed)), countsOf(owners))
	if _, err := d.arrival(ctx, d.late); err != nil {
		return err
	}
	d.say("   %-5s the repository added meanwhile is mirrored too", seconds(time.Since(killed)))
	d.orphans = owned
	return nil
}

func (d *demo) ownedBy(ctx context.Context, node string) (map[string]bool, error) {
	c := d.client()
	defer c.Close()
	list, err := c.Repos(ctx, api.Query{Limit: 500})
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, r := range list.Repos {
		if r.Owner == node {
			names[r.Name] = true
		}
	}
	return names, nil
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func countsOf(owners map[string]int) string {
	var parts []string
	for name, n := range owners {
		parts = append(parts, fmt.Sprintf("%d on %s", n, name))
	}
	if len(parts) == 0 {
		return "it had none"
	}
	sort.Strings(parts)
	return strings.Join(parts, ", ")
}

// changeAgain pushes to what the dead leader owned: only its new owners' own
// polling can bring that in.
func (d *demo) changeAgain(ctx context.Context) error {
	if len(d.Upstreams) > 0 {
		return nil
	}
	d.chapter("Push again, to what the dead leader owned")
	pushed := 0
	for _, m := range d.mirrors {
		if !d.orphans[m.name] {
			continue
		}
		head, list, err := m.repo.Refs()
		if err != nil {
			return err
		}
		if len(list) == 0 {
			continue // the empty one stays so
		}
		branch := strings.TrimPrefix(head, "ref: refs/heads/")
		err = m.repo.Edit(func(e *upstream.Edit) {
			e.Commit(branch, "life goes on", files("after", pushed))
			e.Tag("after-the-failover", branch, "made while a node was dead")
		})
		if err != nil {
			return err
		}
		took, err := d.arrival(ctx, m)
		if err != nil {
			return err
		}
		pushed++
		d.say("   a commit and a tag in %-12s shown by both survivors after %s", strings.TrimPrefix(m.name, "demo/"), seconds(took))
	}
	return nil
}
