package world

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gitmirror/api"
	"gitmirror/internal/world/fabric"
)

// momentSteps have things meet that seldom meet by chance.
var momentSteps = map[string]func(*run, Step){
	"late":    (*run).late,
	"heir":    (*run).heir,
	"dismiss": (*run).dismiss,
	"away":    (*run).away,
	"deaf":    (*run).deaf,
	"twice":   (*run).twice,
	"orphan":  (*run).orphan,
	"stall":   (*run).stall,
	"again":   (*run).again,
	"mute":    (*run).mute,
}

// faraway is a link over which it takes seconds to hear of anything.
var faraway = fabric.Weather{Delay: 2 * time.Second}

// status is the cluster as the first node sees it that answers.
func (r *run) status(at []*Node) (s api.Status, ok bool) {
	for _, n := range at {
		if _, err := n.Get(context.Background(), "/api/v1/status", &s); err == nil && s.Leader != "" {
			return s, true
		}
	}
	return s, false
}

// named is the node of that name, nil where the cluster has none.
func (r *run) named(name string) *Node {
	for _, n := range r.nodes() {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// owner is who owns a repository, as the first node says that answers, nil for nobody.
func (r *run) owner(name string, at []*Node) *Node {
	for _, n := range at {
		var row api.Repo
		if _, err := n.Get(context.Background(), "/api/v1/repos/"+name, &row); err == nil {
			return r.named(row.Owner)
		}
	}
	return nil
}

// within asks again and again for a while, and tells whether it came to be so.
func within(d time.Duration, so func() bool) bool {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if so() {
			return true
		}
	}
	return false
}

// late cuts off who owns a repository, with news of its upstream, until another owns it; and
// has it come back where it is late to hear of that. It tries to publish what it has: where
// the other has published something else meanwhile, or, as upstream does not answer any more,
// nothing.
func (r *run) late(s Step) {
	u := r.upstream(s.Repo)
	r.work.Go(func() {
		was := r.owner(nameOf(u), r.nodes())
		if was == nil || !was.running() {
			r.missed(s)
			return
		}
		for _, o := range r.others(was) { // people still reach it
			r.link(was.Host, o.Host, fabric.Weather{Cut: true})
			r.link(o.Host, was.Host, fabric.Weather{Cut: true})
		}
		u.Push("main")
		r.askFor(was, nameOf(u), time.Second)
		r.happened("late: cut off")
		if s.Other%2 == 1 {
			u.Feel(Broken)
		} else { // the other publishes something else, under the same number
			u.Push("main")
		}
		var now *Node
		if within(30*time.Second, func() bool { now = r.owner(nameOf(u), r.others(was)); return now != nil && now != was }) {
			r.happened("late: another owns it")
			if s.Other%2 == 0 {
				r.askFor(now, nameOf(u), time.Second)
			}
		}
		if s.Node%4 != 0 { // it hears of all of it at once, when it has started again
			was.Crash(0)
			r.start(was)
		}
		// What was published it hears of, and cannot copy yet: it does not get through to who
		// has it, or, where that leads and it must to hear of anything, that one has died. Nor is
		// there anything newer meanwhile.
		if is, _ := r.status(r.others(was)); now != nil && is.Leader == now.Name {
			now.Crash(0)
			u.Feel(Broken)
			r.happened("late: and that one died")
		}
		for _, weather := range []fabric.Weather{faraway, {}} {
			r.alone(was, weather)
			if now != nil {
				weather.Walled = true
				r.link(was.Host, now.Host, weather)
			}
			time.Sleep(10 * time.Second)
		}
		if now != nil {
			r.start(now)
		}
		r.alone(was, fabric.Weather{})
		u.Feel(Well)
	})
}

// heir kills who leads as soon as it has acknowledged something, and asks all others for
// that, again and again, while one of them takes over.
func (r *run) heir(s Step) {
	size := (1 + r.asked.Add(1)) << 30
	name := nameOf(r.upstream(s.Repo))
	r.work.Go(func() {
		is, ok := r.status(r.nodes())
		leads := r.named(is.Leader)
		if !ok || leads == nil || !leads.claim() {
			r.missed(s)
			return
		}
		defer leads.release()
		others := r.others(leads)
		if s.Other%2 == 1 {
			for _, a := range others {
				for _, b := range others {
					r.link(a.Host, b.Host, fabric.Weather{Delay: 100 * time.Millisecond})
				}
			}
		}
		op := r.once(Operation{What: "set", Subject: name, Input: fmt.Sprint(size)}, leads, func(ctx context.Context, n *Node, key string) (string, error) {
			row, err := n.Client.Set(ctx, name, api.SetRepo{MaxSize: &size}, key)
			if err != nil {
				return "", err
			}
			return row.ID, nil
		})
		leads.Crash(0)
		if op.Outcome == Done {
			r.happened("heir: a leader died")
		}
		for _, n := range others {
			r.work.Go(func() {
				within(20*time.Second, func() bool {
					return r.once(Operation{What: "look", Subject: name, Key: "read"}, n, lookFor(name)).Outcome == Done
				})
			})
		}
	})
}

// once is ask at one node, once.
func (r *run) once(op Operation, n *Node, do request) Operation {
	running := r.ops.begin(op)
	ctx, cancel := context.WithTimeout(context.Background(), requestBound)
	defer cancel()
	output, err := do(ctx, n, op.Key)
	r.ops.asked(running, n, output, err)
	r.ops.end(running)
	return *running
}

// dismiss has a node removed that nobody reached for a while, in the moment in which it hears
// of a leader again: of its removal it may hear from the log.
func (r *run) dismiss(s Step) {
	n := r.victim(s, r.removable)
	if n == nil {
		return
	}
	n.suffer(removed)
	r.alone(n, fabric.Weather{Cut: true})
	r.work.Go(func() {
		defer n.release()
		var is api.Status
		down := within(40*time.Second, func() bool {
			is, _ = r.status(r.others(n))
			return slices.ContainsFunc(is.Nodes, func(m api.Node) bool { return m.Name == n.Name && m.State == "down" })
		})
		first := s.Node + 1
		if leads := r.named(is.Leader); leads != nil {
			first = r.indexOf(leads)
		}
		r.alone(n, fabric.Weather{})
		for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if _, led := r.status([]*Node{n}); led {
				break
			}
		}
		op := r.forgetOnce(n, first)
		if op.Outcome == Refused && !op.Doubted {
			n.recover(removed)
			r.unstake(n)
		} else if down {
			r.happened("dismissed")
		}
		if op.Outcome == Done {
			r.mustEnd(n)
		}
	})
}

// away has nobody reach a node for so long that what it has is elsewhere when it is back: its
// process has run all the time.
func (r *run) away(s Step) {
	n := r.node(s.Node)
	if !n.running() {
		r.missed(s)
		return
	}
	r.alone(n, fabric.Weather{Cut: true})
	r.work.Go(func() {
		time.Sleep(3*replaceAfter + time.Minute)
		r.alone(n, fabric.Weather{})
	})
}

// deaf has who leads and another node not hear of each other but from others, for a while in
// which there is news of every upstream.
func (r *run) deaf(s Step) {
	n := r.node(s.Node)
	r.work.Go(func() {
		is, _ := r.status(r.nodes())
		leads := r.named(is.Leader)
		if leads == nil || leads == n || !n.running() {
			r.missed(s)
			return
		}
		r.link(leads.Host, n.Host, fabric.Weather{Cut: true})
		r.link(n.Host, leads.Host, fabric.Weather{Cut: true})
		for range 6 {
			for _, u := range r.all() {
				u.Push("main")
			}
			time.Sleep(10 * time.Second)
		}
		r.link(leads.Host, n.Host, fabric.Weather{})
		r.link(n.Host, leads.Host, fabric.Weather{})
	})
}

// twice has who leads hear for a second time, late, of what an owner has published: what it was
// told first was held up on its way, and was told again by another. Meanwhile the owner has
// published something more.
func (r *run) twice(s Step) {
	u := r.upstream(s.Repo)
	r.work.Go(func() {
		is, _ := r.status(r.nodes())
		leads, owns := r.named(is.Leader), r.owner(nameOf(u), r.nodes())
		if leads == nil || owns == nil || owns == leads {
			r.missed(s)
			return
		}
		r.w.Fabric.Hold(owns.Host, leads.Host)
		for range 2 {
			before := r.generation(nameOf(u), []*Node{leads})
			u.Push("main")
			r.askFor(owns, nameOf(u), time.Second)
			if within(15*time.Second, func() bool { return r.generation(nameOf(u), []*Node{leads}) > before }) {
				r.happened("twice: published")
			}
		}
		r.w.Fabric.Release(owns.Host, leads.Host)
	})
}

// orphan kills who owns a repository as soon as it has published something, which few or none
// could copy yet, while upstream does not answer.
func (r *run) orphan(s Step) {
	r.work.Go(func() {
		u, owns := r.bereave(s, r.upstream(s.Repo))
		if owns == nil {
			return
		}
		owns.Crash(0)
		u.Feel(Broken)
		r.alone(owns, fabric.Weather{})
		time.Sleep(replaceAfter / 2)
		u.Feel(Well)
	})
}

// stall has who owns a repository freeze as soon as it has published something, while others
// are asking for that, and upstream goes on.
func (r *run) stall(s Step) {
	r.work.Go(func() {
		// One that does not lead, so that what it has published is known.
		is, _ := r.status(r.nodes())
		u := r.upstream(s.Repo)
		for i := range 4 {
			if o := r.owner(nameOf(r.upstream(s.Repo+i)), r.nodes()); o != nil && o.Name != is.Leader {
				u = r.upstream(s.Repo + i)
				break
			}
		}
		if _, owns := r.bereave(s, u); owns != nil {
			r.freeze(owns)
			u.Push("main")
		}
	})
}

// bereave has who owns a repository, and does not lead, publish something that the others hear
// of at once, and can copy only later; nil where there is none such.
func (r *run) bereave(s Step, u *Upstream) (*Upstream, *Node) {
	is, _ := r.status(r.nodes())
	owns := r.owner(nameOf(u), r.nodes())
	if owns == nil || owns.Name == is.Leader {
		r.missed(s)
		return nil, nil
	}
	others := r.others(owns)
	before := r.generation(nameOf(u), others)
	for _, o := range others {
		if o.Name != is.Leader {
			r.link(owns.Host, o.Host, faraway)
			r.link(o.Host, owns.Host, faraway)
		}
	}
	u.Push("main")
	r.askFor(owns, nameOf(u), time.Second)
	if within(2*time.Second, func() bool { return r.generation(nameOf(u), others) > before }) {
		r.happened(s.What + ": published")
	}
	return u, owns
}

// again has a repository owned by one that was not heard of for a while, and whose upstream
// shows what it did when that one last asked, while another has published something since.
func (r *run) again(s Step) {
	u := r.upstream(s.Repo)
	r.work.Go(func() {
		was := r.owner(nameOf(u), r.nodes())
		if was == nil || !was.running() {
			r.missed(s)
			return
		}
		r.askFor(was, nameOf(u), time.Second)
		r.alone(was, fabric.Weather{Cut: true})
		var now *Node
		if !within(30*time.Second, func() bool { now = r.owner(nameOf(u), r.others(was)); return now != nil && now != was }) {
			r.alone(was, fabric.Weather{})
			r.missed(s)
			return
		}
		passing := fmt.Sprintf("passing%d", s.Other)
		u.Push(passing)
		r.askFor(now, nameOf(u), 5*time.Second)
		r.alone(was, fabric.Weather{})
		u.Edit(func(refs map[string]string) { delete(refs, "refs/heads/"+passing) })
		if within(20*time.Second, func() bool { // its copy is what was published
			shown, err := was.Read(context.Background(), nameOf(u))
			return err == nil && shown.Refs["refs/heads/"+passing] != ""
		}) {
			r.happened("again: follows")
		}
		now.Crash(0)
		if within(30*time.Second, func() bool { return r.owner(nameOf(u), []*Node{was}) == was }) {
			r.happened("again: owns")
		}
		time.Sleep(10 * time.Second)
		r.start(now)
	})
}

// generation is what has been published of a repository, as the first node says that answers.
func (r *run) generation(name string, at []*Node) uint64 {
	for _, n := range at {
		var row api.Repo
		if _, err := n.Get(context.Background(), "/api/v1/repos/"+name, &row); err == nil {
			return row.Generation
		}
	}
	return 0
}
