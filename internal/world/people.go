package world

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gitmirror/api"
	"gitmirror/internal/refusal"
)

// peopleSteps are what people do, at any node. Where it says so, an odd number has them do it
// without a key.
var peopleSteps = map[string]func(*run, Step){
	"add":     (*run).add,
	"import":  (*run).addMany,
	"rm":      (*run).remove,
	"set":     (*run).set,
	"batch":   (*run).batch,
	"pause":   (*run).pause,
	"rename":  (*run).rename,
	"url":     (*run).move,
	"undo":    (*run).undo,
	"look":    (*run).inspect,
	"sync":    (*run).sync,
	"approve": (*run).approve,
	"restore": (*run).restore,
	"reuse":   (*run).reuse,
}

// most is how many repositories a world has at the most.
const most = 12

// key is a new one, or none.
func (r *run) key(s Step) string {
	if s.Other%2 == 1 {
		return ""
	}
	return fmt.Sprintf("key %d", r.asked.Add(1))
}

// another is an upstream that nobody has asked for yet, while there may be more.
func (r *run) another() *Upstream {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.repos) >= most {
		return r.repos[len(r.repos)-1]
	}
	u := r.w.Upstream(fmt.Sprintf("later%d", len(r.repos)))
	r.repos = append(r.repos, u)
	return u
}

func wish(u *Upstream) api.AddRepo {
	return api.AddRepo{URL: u.URL, Replicas: u.replicas, Interval: checkedEvery.String()}
}

func (r *run) add(s Step) {
	u := r.upstream(s.Repo)
	if s.Repo%2 == 0 {
		u = r.another()
	}
	op := Operation{What: "add", Subject: nameOf(u), Input: u.URL, Key: r.key(s)}
	r.touch(op.Subject)
	r.work.Go(func() {
		out := r.ask(op, s.Node, func(ctx context.Context, n *Node, key string) (string, error) {
			row, err := n.Client.Add(ctx, wish(u), key)
			if err != nil {
				return "", err
			}
			return row.ID, nil
		})
		r.added(u, out)
	})
}

// addMany asks for some that are new and one that is there, in one request. Each is an
// operation of its own.
func (r *run) addMany(s Step) {
	list := []*Upstream{r.another(), r.upstream(s.Repo), r.another()}
	if list[0] == list[2] || list[1] == list[0] || list[1] == list[2] {
		list = list[:1]
	}
	var wishes api.AddRepos
	var ops []Operation
	key := r.key(s)
	for _, u := range list {
		r.touch(nameOf(u))
		wishes.Repos = append(wishes.Repos, wish(u))
	}
	for _, u := range list {
		ops = append(ops, Operation{What: "add", Subject: nameOf(u), Input: u.URL, Key: key})
	}
	r.work.Go(func() {
		r.askMany(ops, s.Node, func(ctx context.Context, n *Node, key string) ([]string, []error, error) {
			results, err := n.Client.AddMany(ctx, wishes, key)
			if err != nil {
				return nil, nil, err
			}
			ids, errs := make([]string, len(list)), make([]error, len(list))
			for i, res := range results.Results {
				if res.Problem != nil {
					errs[i] = res.Problem
				} else {
					ids[i] = res.Repo.ID
				}
			}
			return ids, errs, nil
		}, func(i int, op Operation) {
			r.happened("import " + string(op.Outcome) + " " + op.Code)
			r.added(list[i], op)
		})
	})
}

// askMany has a person ask for several things in one request, each an operation of its own, and
// tells what each came to.
func (r *run) askMany(list []Operation, first int, do func(ctx context.Context, n *Node, key string) (outputs []string, errs []error, err error), came func(int, Operation)) {
	var ops []*Operation
	for _, op := range list {
		ops = append(ops, r.ops.begin(op))
	}
	nodes, key := r.nodes(), list[0].Key
	for i := range requests {
		n := nodes[(first+i)%len(nodes)]
		ctx, cancel := context.WithTimeout(context.Background(), requestBound)
		outputs, errs, err := do(ctx, n, key)
		cancel()
		again := false
		for i, op := range ops {
			output, opErr := "", err
			if err == nil {
				output, opErr = outputs[i], errs[i]
			}
			outcome := r.ops.asked(op, n, output, opErr)
			again = again || outcome == Not || outcome == Unknown && key != ""
		}
		if !again {
			break
		}
		time.Sleep(time.Second)
	}
	for i, op := range ops {
		r.ops.end(op)
		came(i, *op)
	}
}

func (r *run) added(u *Upstream, op Operation) {
	switch op.Outcome {
	case Done:
		r.touched(u, there)
	case Unknown:
		r.touched(u, unclear)
	default:
		r.touched(u, asBefore)
	}
}

func (r *run) remove(s Step) {
	u := r.upstream(s.Repo)
	op := Operation{What: "rm", Subject: nameOf(u), Key: r.key(s)}
	r.touch(op.Subject)
	was := r.forgotten(op.Subject)
	r.work.Go(func() {
		out := r.ask(op, s.Node, func(ctx context.Context, n *Node, key string) (string, error) {
			return "", n.Client.Remove(ctx, op.Subject, key)
		})
		r.removed(u, was, out)
	})
}

func (r *run) removed(u *Upstream, was bool, out Operation) {
	switch {
	case out.Outcome == Done, out.Code == string(refusal.NotFound):
		r.touched(u, gone)
	case out.Outcome == Unknown:
		r.touched(u, unclear)
	case was:
		r.touched(u, there)
	default:
		r.touched(u, asBefore)
	}
}

// some are up to three repositories, each once.
func (r *run) some(s Step) (list []*Upstream) {
	for i := range 3 {
		if u := r.upstream(s.Repo + i); !slices.Contains(list, u) {
			list = append(list, u)
		}
	}
	return list
}

// batch sets some repositories in one request, or, by an odd number, has them removed.
func (r *run) batch(s Step) {
	list, key := r.some(s), r.key(s)
	if s.Repo%2 == 1 {
		r.removeSome(s, list, key)
		return
	}
	size := (1 + r.asked.Add(1)) << 30
	var ops []Operation
	var set api.SetRepos
	for _, u := range list {
		ops = append(ops, Operation{What: "set", Subject: nameOf(u), Input: fmt.Sprint(size), Key: key})
		set.Repos = append(set.Repos, api.SetOne{Repo: nameOf(u), SetRepo: api.SetRepo{MaxSize: &size}})
	}
	r.work.Go(func() {
		r.askMany(ops, s.Node, func(ctx context.Context, n *Node, key string) ([]string, []error, error) {
			return eachOf(n.Client.SetMany(ctx, set, key))
		}, func(_ int, op Operation) { r.happened("batch set " + string(op.Outcome) + " " + op.Code) })
	})
}

func (r *run) removeSome(s Step, list []*Upstream, key string) {
	var ops []Operation
	var names api.RepoNames
	var was []bool
	for _, u := range list {
		r.touch(nameOf(u))
		was = append(was, r.forgotten(nameOf(u)))
		ops = append(ops, Operation{What: "rm", Subject: nameOf(u), Key: key})
		names.Repos = append(names.Repos, nameOf(u))
	}
	r.work.Go(func() {
		r.askMany(ops, s.Node, func(ctx context.Context, n *Node, key string) ([]string, []error, error) {
			return eachOf(n.Client.RemoveMany(ctx, names, key))
		}, func(i int, op Operation) {
			r.happened("batch rm " + string(op.Outcome) + " " + op.Code)
			r.removed(list[i], was[i], op)
		})
	})
}

// eachOf is what a request about several repositories came to, for each of them.
func eachOf(results *api.RepoResults, err error) (ids []string, errs []error, _ error) {
	if err != nil {
		return nil, nil, err
	}
	for _, res := range results.Results {
		id, err := "", error(nil)
		if res.Problem != nil {
			err = res.Problem
		} else if res.Repo != nil {
			id = res.Repo.ID
		}
		ids, errs = append(ids, id), append(errs, err)
	}
	return ids, errs, nil
}

// pausedFor is for how long people pause a repository.
const pausedFor = 40 * time.Second

// pause has an upstream left alone for a while.
func (r *run) pause(s Step) {
	u, key := r.upstream(s.Repo), r.key(s)
	u.pauses(1)
	r.work.Go(func() {
		out := r.setPaused(u, s.Node, key, true)
		time.Sleep(pausedFor)
		r.resume(u, s.Node+1, key)
		if out.Outcome == Unknown { // it may still be on its way, and come after that
			u.pauses(1)
		}
	})
}

func (r *run) setPaused(u *Upstream, first int, key string, paused bool) Operation {
	op := Operation{What: "pause", Subject: nameOf(u), Input: fmt.Sprint(paused), Key: key}
	return r.ask(op, first, func(ctx context.Context, n *Node, key string) (string, error) {
		row, err := n.Client.Set(ctx, op.Subject, api.SetRepo{SetRow: api.SetRow{Paused: &paused}}, key)
		if err != nil {
			return "", err
		}
		return row.ID, nil
	})
}

// resume has an upstream followed again; where it is not known whether that is so, it still
// counts as paused.
func (r *run) resume(u *Upstream, first int, key string) {
	if key != "" {
		key += " resumed"
	}
	if out := r.setPaused(u, first, key, false); out.Outcome == Done || out.Code == string(refusal.NotFound) {
		u.pauses(-1)
	}
}

// rename gives a repository another name, or its first one back: both lead to it.
func (r *run) rename(s Step) {
	op := Operation{What: "rename", Subject: nameOf(r.upstream(s.Repo)), Key: r.key(s)}
	if op.Input = op.Subject; r.asked.Add(1)%2 == 0 {
		op.Input += "-too"
	}
	r.work.Go(func() {
		r.ask(op, s.Node, func(ctx context.Context, n *Node, key string) (string, error) {
			row, err := n.Client.Set(ctx, op.Subject, api.SetRepo{SetRow: api.SetRow{Name: &op.Input}}, key)
			if err != nil {
				return "", err
			}
			return row.ID, nil
		})
	})
}

// move has a repository followed at the other address of its upstream, or at the first again.
func (r *run) move(s Step) {
	u := r.upstream(s.Repo)
	op := Operation{What: "url", Subject: nameOf(u), Key: r.key(s), Input: u.URL}
	if r.asked.Add(1)%2 == 0 {
		op.Input = u.elsewhere()
	}
	r.work.Go(func() {
		r.ask(op, s.Node, func(ctx context.Context, n *Node, key string) (string, error) {
			row, err := n.Client.Set(ctx, op.Subject, api.SetRepo{SetRow: api.SetRow{URLs: &[]string{op.Input}}}, key)
			if err != nil {
				return "", err
			}
			return row.ID, nil
		})
	})
}

func (r *run) set(s Step) {
	size := (1 + r.asked.Add(1)) << 30
	op := Operation{What: "set", Subject: nameOf(r.upstream(s.Repo)), Input: fmt.Sprint(size), Key: r.key(s)}
	r.work.Go(func() {
		r.ask(op, s.Node, func(ctx context.Context, n *Node, key string) (string, error) {
			row, err := n.Client.Set(ctx, op.Subject, api.SetRepo{MaxSize: &size}, key)
			if err != nil {
				return "", err
			}
			return row.ID, nil
		})
	})
}

// reuse has a key stand for another request than the one that it was made for.
func (r *run) reuse(s Step) {
	name, key := nameOf(r.upstream(s.Repo)), fmt.Sprintf("key %d", r.asked.Add(1))
	size := func(gib int64) request {
		return func(ctx context.Context, n *Node, key string) (string, error) {
			bytes := gib << 30
			row, err := n.Client.Set(ctx, name, api.SetRepo{MaxSize: &bytes}, key)
			if err != nil {
				return "", err
			}
			return row.ID, nil
		}
	}
	first := 1 + r.asked.Add(1)
	r.work.Go(func() {
		began := time.Now()
		if r.ask(Operation{What: "set", Subject: name, Input: fmt.Sprint(first << 30), Key: key}, s.Node, size(first)).Outcome != Done {
			return
		}
		second := r.ask(Operation{What: "reuse", Subject: name, Key: key}, s.Node+s.Other, size(first+1))
		if second.Outcome == Done || second.Outcome == Refused && second.Code != string(refusal.KeyReused) && second.Code != string(refusal.NotFound) && time.Since(began) < time.Minute {
			r.violated("%s: key %q was used for two requests: %s %s", name, key, second.Outcome, second.Code)
		}
	})
}

// inspect reads what everything has that was acknowledged before.
func (r *run) inspect(s Step) {
	op := Operation{What: "look", Subject: nameOf(r.upstream(s.Repo)), Key: "read"}
	r.work.Go(func() { r.ask(op, s.Node, lookFor(op.Subject)) })
}

// lookFor reads a repository as it is when everything acknowledged is counted.
func lookFor(name string) request {
	return func(ctx context.Context, n *Node, _ string) (string, error) {
		row, err := n.Newest(ctx, name)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s %d %v %s %s", row.ID, row.MaxSize, row.Paused, row.Name, row.URLs[0]), nil
	}
}

func (r *run) sync(s Step) {
	n, name := r.node(s.Node), nameOf(r.upstream(s.Repo))
	r.work.Go(func() { r.askFor(n, name, 5*time.Second) })
}

// askFor asks a node to have an upstream checked, and waits for so long to hear what came of it.
func (r *run) askFor(n *Node, name string, wait time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r.w.heard.asked(n.Name, name)
	_, _ = n.Client.Sync(ctx, name, wait)
}

// approve lets in what is held as a node shows it, and, by an even number, what was set back.
func (r *run) approve(s Step) {
	n, name, key := r.node(s.Node), nameOf(r.upstream(s.Repo)), r.key(s)
	r.work.Go(func() { r.letIn(n, name, key, s.Repo%2 == 0) })
}

// letIn returns whether there was anything to let in.
func (r *run) letIn(n *Node, name, key string, pins bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), requestBound)
	defer cancel()
	row, err := n.Client.Repo(ctx, name)
	if err != nil {
		return false
	}
	var a api.Approve
	if h := row.Hold; h != nil && h.Approved == nil {
		a.Losses, a.Observed = h.Losses, h.Observed
	}
	for _, p := range row.Pins {
		if pins {
			a.Release = append(a.Release, api.Release{Ref: p.Ref, Upstream: p.Upstream})
		}
	}
	if a.Observed == "" && len(a.Release) == 0 { // losses have a name only where there is a table to compare with
		return false
	}
	op := Operation{What: "approve", Subject: name, Input: fmt.Sprintf("%+v", a), Key: key}
	r.ask(op, r.indexOf(n), func(ctx context.Context, n *Node, key string) (string, error) {
		_, err := n.Client.Approve(ctx, name, a, key)
		return "", err
	})
	return true
}

// restore sets a ref back that was otherwise once: there it stays.
func (r *run) restore(s Step) {
	n, key, list := r.node(s.Node), r.key(s), r.upstreams()
	r.work.Go(func() {
		u, ref := list[s.Repo%len(list)], "refs/heads/main"
		for i := range list {
			other := list[(s.Repo+i)%len(list)]
			if kept := n.kept(nameOf(other), s.Other); kept != "" {
				u, ref = other, kept
				break
			}
		}
		op := Operation{What: "restore", Subject: nameOf(u), Input: ref, Key: key}
		u.touch(ref)
		r.ask(op, r.indexOf(n), func(ctx context.Context, n *Node, key string) (string, error) {
			pin, err := n.Client.Restore(ctx, op.Subject, api.Restore{Ref: op.Input}, key)
			if err != nil {
				return "", err
			}
			return pin.OID, nil
		})
	})
}

// kept is a ref of which a node shows an earlier tip, empty where it shows none.
func (n *Node) kept(name string, luck int) string {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	list, err := n.Client.Refs(ctx, name, api.RefQuery{Kept: true, Limit: 100})
	if err != nil || len(list.Refs) == 0 {
		return ""
	}
	return list.Refs[luck%len(list.Refs)].Ref
}

// holdsBack tells whether a repository does not follow its upstream in all because of what
// people have to say, or have said.
func (n *Node) holdsBack(ctx context.Context, name string) bool {
	row, err := n.Client.Repo(ctx, name)
	return err == nil && (row.Hold != nil || len(row.Pins) > 0 || len(row.Released) > 0)
}

// attend lets in, until ctx ends, all that is held or was set back, has followed what is
// paused, and nodes keep what they have that were draining: what is to be seen in the end is what upstream has.
func (r *run) attend(ctx context.Context) {
	for round := 0; ctx.Err() == nil; round++ {
		nodes := r.nodes()
		for i, u := range r.upstreams() {
			r.letIn(nodes[(round+i)%len(nodes)], nameOf(u), fmt.Sprintf("key %d", r.asked.Add(1)), true)
			if u.paused() && ctx.Err() == nil {
				r.resume(u, round+i, fmt.Sprintf("key %d", r.asked.Add(1)))
			}
		}
		for i, name := range r.drained() {
			r.undrain(name, round+i)
		}
		select {
		case <-time.After(2 * time.Second):
		case <-ctx.Done():
		}
	}
}
