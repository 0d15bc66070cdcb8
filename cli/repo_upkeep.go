package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"gitmirror/api"
	"gitmirror/cli/render"

	"github.com/dustin/go-humanize"
	urfave "github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"
)

// upkeepAtOnce is how many repositories are worked on at once: each node does one after the other.
const upkeepAtOnce = 4

func repoVerifyCommand() command {
	return upkeepCommand(api.Verify, "verify", "verified", "read and check all copies of repositories, on all nodes",
		`Each node that has a copy reads all of it, walks through all that its refs lead to, and has git
fsck look at each object. A copy that cannot be read goes out of service and is made anew from
another. Nodes do the first each day by themselves, and git fsck within thirty days.`)
}

func repoGCCommand() command {
	return upkeepCommand(api.Collect, "gc", "collected", "put the packs of repositories in order now, on all nodes",
		`Each node that has a copy makes one pack of all that its refs, and those it had within a day, lead
to, and deletes the rest when nobody reads it any more. Nodes do that by themselves when it is
worth while. What is kept for thirty days stays.`)
}

func upkeepCommand(work api.Work, verb, past, usage, about string) command {
	return command{
		path: "repo " + verb, args: "NAME...|--all", usage: usage, max: unlimited,
		about:    about,
		examples: []string{"gitmirror repo " + verb + " github.com/acme/big", "gitmirror repo " + verb + " --all --detach"},
		flags: []urfave.Flag{
			&urfave.BoolFlag{Name: "all", Usage: "every repository", DisableDefaultText: true},
			&urfave.BoolFlag{Name: "detach", Usage: "return when the nodes have been asked; repo show says how far they are", DisableDefaultText: true},
		},
		run: func(ctx context.Context, s *session, c *urfave.Context) error {
			names, all := c.Args().Slice(), c.Bool("all")
			switch {
			case all && len(names) > 0:
				return usagef("gitmirror repo "+verb+" --all", "--all and names exclude each other")
			case !all && len(names) == 0:
				return usagef("gitmirror repo "+verb+" --all", "names of repositories are needed, or --all")
			}
			return repoUpkeep(ctx, s, upkeep{work, past, c.Bool("detach"), new(stuck)}, names, all)
		},
	}
}

// upkeep is what is asked for.
type upkeep struct {
	work   api.Work
	past   string // how it is said that it is done
	detach bool
	stuck  *stuck
}

// upkeepResult is what became of one repository's copies.
type upkeepResult struct {
	Repo    string        `json:"repo"`
	Copies  []upkeptCopy  `json:"copies"`
	Problem *api.Problem  `json:"problem,omitempty"`
	Took    time.Duration `json:"-"`
	err     error
}

// upkeptCopy is one of them.
type upkeptCopy struct {
	Node   string      `json:"node"`
	Upkeep *api.Upkeep `json:"upkeep"`
	Error  string      `json:"error"` // empty where it was done, or goes on
}

func repoUpkeep(ctx context.Context, s *session, u upkeep, names []string, all bool) error {
	if all {
		list, err := s.repos(ctx, repoLsOptions{})
		if err != nil {
			return err
		}
		for _, r := range list.Repos {
			names = append(names, r.Name)
		}
	}
	if !u.detach {
		var cancel context.CancelFunc
		ctx, cancel = s.whole(ctx)
		defer cancel()
	}
	results := make([]upkeepResult, len(names))
	var g errgroup.Group
	g.SetLimit(upkeepAtOnce)
	for i, name := range names {
		g.Go(func() error {
			results[i] = upkeepOne(ctx, s, u, name)
			return nil
		})
	}
	_ = g.Wait() // every result has its own error
	if ctx.Err() != nil && interrupted(ctx.Err()) {
		return ctx.Err()
	}
	if r := results; len(r) == 1 && !all {
		if r[0].err != nil {
			return r[0].err
		}
		s.say("%s: %s", r[0].Repo, said(u, r[0]))
		return s.showJSON(r[0])
	}
	var t tally
	for _, r := range results {
		if r.err == nil {
			t.ok++
			s.say("%s: %s", r.Repo, said(u, r))
		} else {
			t.fail(s, r.Repo, r.err)
		}
	}
	if err := s.showJSON(struct {
		Results []upkeepResult `json:"results"`
	}{results}); err != nil {
		return err
	}
	return t.result("repositories", u.past)
}

// said is what was done, in a line.
func said(u upkeep, r upkeepResult) string {
	var nodes []string
	for _, c := range r.Copies {
		if c.Error != "" {
			continue
		}
		node := c.Node
		if u.work == api.Collect && !u.detach && c.Upkeep != nil {
			node += " (" + humanize.IBytes(uint64(max(c.Upkeep.Bytes, 0))) + ")"
		}
		nodes = append(nodes, node)
	}
	if u.detach {
		return "asked for on " + render.And(nodes)
	}
	return u.past + " on " + render.And(nodes) + " in " + r.Took.Round(100*time.Millisecond).String()
}

// upkeepOne has one repository worked on, and waits for all its copies.
func upkeepOne(ctx context.Context, s *session, u upkeep, name string) (r upkeepResult) {
	began := time.Now()
	r = upkeepResult{Repo: name, Copies: []upkeptCopy{}}
	defer func() {
		if r.Took = time.Since(began); r.err != nil {
			r.Problem = asProblem(r.err)
		}
	}()
	var asked *api.Asked
	err := s.write(ctx, func(ctx context.Context, _ string) (err error) {
		asked, err = s.client.Maintain(ctx, name, u.work)
		return err
	})
	if r.err = notFound(err, s.command("repo ls")); r.err != nil {
		return r
	}
	for _, c := range asked.Copies {
		r.Copies = append(r.Copies, upkeptCopy(c))
	}
	if !u.detach {
		if r.err = awaitUpkeep(ctx, s, u, name, asked, r.Copies); r.err != nil {
			return r
		}
	}
	var failed []string
	for _, c := range r.Copies {
		if c.Error != "" {
			failed = append(failed, c.Node+": "+c.Error)
		}
	}
	if len(failed) > 0 {
		f := &Failure{What: fmt.Sprintf("%s is not %s on all nodes", name, u.past), Cause: strings.Join(failed, "; "), Code: "upkeep_failed", Exit: exitFailed, Try: s.command("repo show %s", name)}
		if len(failed) < len(r.Copies) {
			f.Exit = exitPartFailed
		}
		r.err = f
	}
	return r
}

// awaitUpkeep returns when no copy has anything of it left to do, or ever will as its node is, and
// notes in copies what came of it.
func awaitUpkeep(ctx context.Context, s *session, u upkeep, name string, asked *api.Asked, copies []upkeptCopy) error {
	said := map[string]string{} // of what is waited for, by node
	var waits []string          // the same, when it was looked at last
	for {
		var row *api.Repo
		err := s.read(ctx, func(ctx context.Context) (err error) {
			row, err = s.client.Repo(ctx, name)
			return err
		})
		if err != nil && ctx.Err() == nil {
			return err
		}
		open, now := 0, []string(nil)
		for i := range copies {
			c := &copies[i]
			if err != nil || asked.Copies[i].Error != "" || c.Error != "" {
				continue
			}
			at := slices.IndexFunc(row.Copies, func(o api.Copy) bool { return o.Node == c.Node })
			if at < 0 {
				c.Error = "it has left the node"
				continue
			}
			kept := row.Copies[at].Upkeep
			if kept != nil && len(kept.Waiting) == 0 && !kept.Leaving {
				u.stuck.ends(c.Node)
				c.Upkeep, c.Error = kept, outcome(u.work, asked.Copies[i].Upkeep, kept)
				continue
			}
			is, hopeless := u.stuck.look(row.Copies[at])
			if hopeless {
				c.Error = is
				continue
			}
			if open++; is == "" {
				continue
			}
			now = append(now, c.Node+": "+is)
			if is != said[c.Node] {
				said[c.Node] = is
				s.remark("%s: %s: %s", name, c.Node, is)
			}
		}
		if err == nil {
			if waits = now; open == 0 {
				return nil
			}
		}
		if !sleep(ctx, pollEvery) {
			if interrupted(ctx.Err()) {
				return ctx.Err()
			}
			return &Failure{What: fmt.Sprintf("%s is not %s yet: --timeout ran out", name, u.past), Cause: strings.Join(append([]string{"the work goes on"}, waits...), "; "), Code: codeTimeout, Exit: exitTimeout, Try: s.command("repo show %s", name)}
		}
	}
}

// stuck are nodes that do not get on with what they are asked for, of whatever repository: of many,
// only the first is waited for.
type stuck struct {
	mu    sync.Mutex
	nodes map[string]time.Time // since when, by name
}

const (
	// silentSoon is how long a node does not answer until that is said.
	silentSoon = 3 * time.Second
	// silentLong is how long it is waited for: it is called down, or answers, much sooner.
	silentLong = time.Minute
	// fullLong is how long room is waited for on a node's disk.
	fullLong = 10 * time.Second
)

// look says what a copy's node does for it, empty for nothing yet, and whether it is waited for in vain.
func (k *stuck) look(c api.Copy) (is string, hopeless bool) {
	switch {
	case c.Upkeep == nil && c.Away == api.NodeDown:
		return "the node is down", true
	case c.Upkeep == nil:
		d := k.since(c.Node)
		if d < silentSoon {
			return "", false
		}
		return "the node does not answer", d >= silentLong
	case c.Upkeep.WaitsFor == api.ForRoom:
		return "waits for room on the node's disk", k.since(c.Node) >= fullLong
	}
	k.ends(c.Node)
	if c.Upkeep.WaitsFor != "" {
		return "waits for " + c.Upkeep.WaitsFor, false
	}
	return c.Upkeep.Doing, false
}

// since is how long a node has been stuck.
func (k *stuck) since(node string) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.nodes == nil {
		k.nodes = map[string]time.Time{}
	}
	if _, known := k.nodes[node]; !known {
		k.nodes[node] = time.Now()
	}
	return time.Since(k.nodes[node])
}

// ends notes that a node gets on.
func (k *stuck) ends(node string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.nodes, node)
}

// failedAt is what of the jobs that failed the last time belongs to a work, empty for nothing.
func failedAt(work api.Work, failures string) string {
	var list []string
	for _, why := range strings.Split(failures, "; ") {
		job, _, _ := strings.Cut(why, ":")
		if of := job == "read" || job == "check"; why != "" && of == (work == api.Verify) {
			list = append(list, why)
		}
	}
	return strings.Join(list, "; ")
}

// outcome is why a copy was not kept as it was asked for, empty where it was.
func outcome(work api.Work, before, now *api.Upkeep) string {
	if before == nil {
		before = &api.Upkeep{}
	}
	later := func(was, is *time.Time) bool { return is != nil && (was == nil || is.After(*was)) }
	done := later(before.Collected, now.Collected) || later(before.Tidied, now.Tidied)
	if work == api.Verify {
		done = later(before.Read, now.Read) && later(before.Checked, now.Checked)
	}
	switch {
	case done:
		return ""
	case failedAt(work, now.Error) != "":
		return failedAt(work, now.Error)
	case work == api.Verify:
		return "the copy cannot be read"
	}
	return "" // there was nothing to collect
}
