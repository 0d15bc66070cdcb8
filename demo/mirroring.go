package demo

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gitmirror/api"
	"gitmirror/internal/upstream"

	"github.com/google/uuid"
)

func (d *demo) makeUpstreams(ctx context.Context) error {
	root := filepath.Join(d.dir, "upstream")
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	var err error
	if d.forge, err = upstream.Serve(root, "127.0.0.1:0"); err != nil {
		return fmt.Errorf("serve sample upstreams: %w", err)
	}
	late := sample{name: "late", make: func(e *upstream.Edit) { commits(e, "main", 3) }}
	if d.late, err = d.sampleMirror(late); err != nil {
		return err
	}
	if len(d.Upstreams) > 0 {
		d.chapter("Take the upstreams you named")()
		return d.takeUpstreams()
	}
	list := samples()
	done := d.chapter("Make %d sample upstreams, and serve them over HTTP as a forge does", len(list))
	for _, s := range list {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		m, err := d.sampleMirror(s)
		if err != nil {
			return err
		}
		d.mirrors = append(d.mirrors, m)
		d.say("   %-14s %s", s.name, s.what)
	}
	done()
	return nil
}

func (d *demo) sampleMirror(s sample) (*mirrored, error) {
	r, err := s.build(d.forge)
	return &mirrored{name: "demo/" + s.name, url: d.forge.URL(s.name), repo: r}, err
}

func (d *demo) takeUpstreams() error {
	for i, u := range d.Upstreams {
		name := ""
		if parsed, err := url.Parse(u); err == nil {
			name = strings.TrimSuffix(strings.Trim(parsed.Path, "/"), ".git")
		}
		if name == "" || parsedBefore(d.mirrors, "demo/"+name) {
			name = fmt.Sprintf("upstream-%d", i+1)
		}
		d.mirrors = append(d.mirrors, &mirrored{name: "demo/" + name, url: u})
		d.say("   %s", name)
	}
	return nil
}

func parsedBefore(list []*mirrored, name string) bool {
	for _, m := range list {
		if strings.EqualFold(m.name, name) {
			return true
		}
	}
	return false
}

const (
	replicas = 2
	interval = time.Second
)

// readyTimeout is how long all first clones may take together.
const readyTimeout = 15 * time.Minute

// toleratedFailures is how often in a row a first clone may fail before there
// is no point in waiting on.
const toleratedFailures = 3

func (d *demo) mirrorThem(ctx context.Context) error {
	done := d.chapter("Mirror them: %d copies each, upstream looked at every %s", replicas, interval)
	var ask api.AddRepos
	for _, m := range d.mirrors {
		ask.Repos = append(ask.Repos, d.request(m))
	}
	c := d.client()
	defer c.Close()
	results, err := c.AddMany(ctx, ask, uuid.NewString())
	if err != nil {
		return fmt.Errorf("add the repositories: %w", err)
	}
	for i, r := range results.Results {
		if r.Problem != nil {
			return fmt.Errorf("add %s: %w", d.mirrors[i].name, r.Problem)
		}
	}
	shown, last := -1, time.Now()
	var hopeless error
	err = await(ctx, readyTimeout, "all mirrors to be ready", func(ctx context.Context) (bool, error) {
		list, err := c.Repos(ctx, api.Query{Limit: 500})
		if err != nil {
			return false, err
		}
		ready := 0
		for _, r := range list.Repos {
			if r.State == "ready" {
				ready++
			}
			if r.State == "failing" && r.Error != nil {
				err = fmt.Errorf("mirror %s: %s: %s", r.Name, r.Error.Class, r.Error.Message)
				if n := r.Error.Count; n != nil && *n >= toleratedFailures {
					hopeless = err
				}
			}
		}
		if ready != shown && time.Since(last) > time.Second || ready == len(d.mirrors) {
			d.say("   %2d of %d ready", ready, len(d.mirrors))
			shown, last = ready, time.Now()
		}
		return ready == len(d.mirrors) || hopeless != nil, err
	})
	if err = errors.Join(err, hopeless); err != nil {
		return err
	}
	done()
	return nil
}

func (d *demo) request(m *mirrored) api.AddRepo {
	return api.AddRepo{URL: m.url, Name: m.name, Replicas: replicas, Interval: interval.String()}
}

// change is something a person does upstream.
type change struct {
	repo string
	what string
	do   func(r *upstream.Repo) error
}

func changes() []change {
	return []change{
		{"linear", "3 new commits", func(r *upstream.Repo) error {
			return r.Edit(func(e *upstream.Edit) { commits(e, "main", 3) })
		}},
		{"branches", "a new branch", func(r *upstream.Repo) error {
			return r.Edit(func(e *upstream.Edit) {
				e.Branch("feature/brand-new", "main")
				e.Commit("feature/brand-new", "something new", files("new", 1))
			})
		}},
		{"rewritten", "a force-push", func(r *upstream.Repo) error {
			return r.Edit(func(e *upstream.Edit) {
				e.Rewrite("draft")
				e.Commit("draft", "second try", files("draft", 1))
			})
		}},
		{"pruned", "a deleted branch", func(r *upstream.Repo) error {
			_, err := r.Git("update-ref", "-d", "refs/heads/old-idea")
			return err
		}},
	}
}

func (d *demo) changeUpstream(ctx context.Context) error {
	if len(d.Upstreams) > 0 {
		return nil
	}
	d.chapter("Change upstream, and see polling bring it to every node")
	for _, c := range changes() {
		m := d.mirror("demo/" + c.repo)
		if err := c.do(m.repo); err != nil {
			return fmt.Errorf("change %s: %w", c.repo, err)
		}
		took, err := d.arrival(ctx, m)
		if err != nil {
			return err
		}
		d.say("   %-16s in %-10s shown by all %d nodes after %s", c.what, c.repo, len(d.running()), seconds(took))
	}
	return nil
}

// arriveTimeout is how long a change upstream may take to be shown everywhere.
const arriveTimeout = time.Minute

// arrival waits until every running node shows what upstream has now.
func (d *demo) arrival(ctx context.Context, m *mirrored) (time.Duration, error) {
	began := time.Now()
	want, err := d.truth(ctx, m)
	if err != nil {
		return 0, err
	}
	for _, n := range d.running() {
		err := await(ctx, arriveTimeout, fmt.Sprintf("%s to show on %s what upstream has", m.name, n.Name), func(ctx context.Context) (bool, error) {
			got, err := d.lsRemote(ctx, n.gitURL(m))
			if err != nil {
				return false, err
			}
			found := d.located(differ(want, got), m, n)
			if len(found) > 0 {
				return false, found
			}
			return true, nil
		})
		if err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}

func (n *process) gitURL(m *mirrored) string { return n.HTTP + "/git/" + m.name }

func (d *demo) located(list []Difference, m *mirrored, n *process) Differences {
	for i := range list {
		list[i].Repo, list[i].Node = m.name, n.Name
	}
	return list
}

func (d *demo) mirror(name string) *mirrored {
	for _, m := range d.mirrors {
		if m.name == name {
			return m
		}
	}
	return nil
}
