package server

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gitmirror/api"
	"gitmirror/fsm"
)

// shape is what rows are judged against: the nodes as they are.
type shape struct {
	view       *fsm.View
	now        time.Time            // the log's
	live       int                  // nodes that can hold copies
	places     int                  // nodes that could, if all were up
	silent     map[fsm.NodeNum]bool // nodes that are not heard, where nobody leads who has written that down
	leaderless bool                 // nothing is decided now
	latest     *latest              // events that date states; nil: none is dated by one
}

func (s *Server) shape(view *fsm.View) shape {
	sh := shape{view: view, now: s.cfg.Now(), latest: &latest{view: view}, leaderless: !s.cfg.Consensus.Led()}
	for _, n := range view.Nodes() {
		if n.Draining() {
			continue
		}
		if sh.places++; n.State.Live() {
			sh.live++
		}
	}
	if !s.cfg.Consensus.Settled() {
		sh.silent = map[fsm.NodeNum]bool{}
		for id, dead := range s.cfg.Consensus.Dead() {
			if n := view.NodeByID(id); dead && n != nil {
				sh.silent[n.Num] = true
			}
		}
	}
	return sh
}

// verdict is one state that is true of a row, and why.
type verdict struct{ state, reason string }

// state is the state that a row is shown in, and why.
func (sh shape) state(r *fsm.Repo) (state, reason string) {
	first := sh.states(r)[0]
	return first.state, first.reason
}

// in tells whether a state is among those that are true of a row.
func (sh shape) in(r *fsm.Repo, state string) bool {
	return slices.ContainsFunc(sh.states(r), func(v verdict) bool { return v.state == state })
}

// states is the one function that says which states are true of a row, those
// that want attention most first. There is always one.
func (sh shape) states(r *fsm.Repo) []verdict {
	if r.Removed {
		return []verdict{{api.StateRemoving, toDelete(len(r.Copies))}}
	}
	var list []verdict
	add := func(state, reason string) { list = append(list, verdict{state, reason}) }
	served, newest, away := sh.copies(r)
	want := sh.want(r)
	if r.Generation > 0 && served == 0 {
		add(api.StateUnserved, strings.TrimPrefix(away+"; no other node has a copy", "; "))
	}
	if at := r.Sourced.RetiredAt(); !at.IsZero() {
		add(api.StateRetired, "goes to the trash on "+at.Add(fsm.RetiredFor).Format(time.DateOnly))
	}
	if r.Hold != nil {
		add(api.StateHeld, r.Hold.Reason)
	}
	if r.Paused {
		add(api.StatePaused, "")
	}
	switch f := r.Error; {
	case f != nil && f.Parked:
		add(api.StateParked, f.Class)
	case f != nil:
		add(api.StateFailing, f.Class)
	}
	switch owner := sh.view.Node(r.Owner); {
	case r.LeftAlone():
	case r.Generation == 0 && (owner == nil || !owner.State.Live()):
		why := "no live node owns it" + sh.whoCannot()
		if len(r.Copies) == 0 && owner == nil && sh.whoCannot() == "" {
			why = "it waits for its turn: the nodes have others' copies to make"
		}
		add(api.StatePending, why)
	case r.Generation == 0:
		add(api.StateCloning, "from upstream")
	}
	if served > 0 && served < want {
		add(api.StateCopying, strings.TrimSuffix(fmt.Sprintf("%d of %d copies; %s", served, want, away), "; "))
	}
	if sh.late(r) {
		add(api.StateCopying, fmt.Sprintf("%d of %d copies have generation %d; %s", sh.current(r), want, r.Generation, sh.whoTrails(r)))
	}
	if served > 0 && newest < r.Generation {
		add(api.StateBehind, strings.TrimSuffix(fmt.Sprintf("serves generation %d of %d; %s", newest, r.Generation, sh.whoHas(r)), "; "))
	}
	if len(list) == 0 {
		add(api.StateReady, away)
	}
	return list
}

// whoCannot says why no node takes a new repo, where that is so.
func (sh shape) whoCannot() string {
	var why []string
	for _, n := range sh.view.Nodes() {
		switch {
		case !n.State.Live():
		case n.Draining():
			why = append(why, n.Name+" is draining")
		case n.Sick != nil:
			why = append(why, "the copies on "+n.Name+" are out of service")
		case n.Disk != nil:
			why = append(why, "the disk of "+n.Name+" is "+n.Disk.Class)
		default:
			return ""
		}
	}
	if len(why) == 0 {
		return ""
	}
	return ": " + strings.Join(why, ", ")
}

// copies counts the complete copies that clients get, with the newest generation
// among them, and says of the others where they are. One on a node without git counts where
// there is another on a node that has it, which clients are led to.
func (sh shape) copies(r *fsm.Repo) (served int, newest uint64, away string) {
	var list, without []string
	for _, c := range r.Copies {
		if c.State != fsm.CopyReady && (c.State != fsm.CopyLeaving || c.Generation == 0) {
			continue
		}
		n := sh.view.Node(c.Node)
		switch {
		case n == nil:
		case sh.away(n) != "":
			list = append(list, "copy on "+n.Name+" is "+sh.away(n))
		default:
			if n.HasGit() {
				newest = max(newest, c.Generation)
			} else {
				without = append(without, "copy on "+n.Name+", which has no git to make packs with")
			}
			if c.State == fsm.CopyReady {
				served++
			}
		}
	}
	if newest == 0 { // peers can copy them, and clients get none
		served, list = 0, append(list, without...)
	}
	return served, newest, strings.Join(list, ", ")
}

// away is why clients do not get the copies of a node, empty when they do.
func (sh shape) away(n *fsm.Node) string {
	switch {
	case !n.State.Live():
		return "down"
	case sh.silent[n.Num]:
		return "not heard"
	case n.Sick != nil:
		return "out of service"
	}
	return ""
}

// followBound is how long copies may take to follow a generation before that is
// shown: large ones take their time.
const followBound = time.Minute

// want is how many copies there can be.
func (sh shape) want(r *fsm.Repo) int { return min(r.Policy.Replicas, max(sh.live, 1)) }

// trails tells whether there are all copies that there can be, and not all have followed
// what was published last.
func (sh shape) trails(r *fsm.Repo) bool {
	if r.Removed {
		return false
	}
	served, newest, _ := sh.copies(r)
	return served >= sh.want(r) && newest == r.Generation && sh.current(r) < sh.want(r)
}

// late tells whether a row trails for longer than copies should take.
func (sh shape) late(r *fsm.Repo) bool {
	return sh.trails(r) && sh.now.Sub(r.ChangedAt()) > followBound
}

// current counts the copies that clients get with the row's generation.
func (sh shape) current(r *fsm.Repo) (n int) {
	for _, c := range r.Copies {
		if node := sh.view.Node(c.Node); c.State == fsm.CopyReady && c.Generation == r.Generation && node != nil && sh.away(node) == "" {
			n++
		}
	}
	return n
}

// behind is why the copy of a node lacks what is published of its row, empty where it does not.
func (sh shape) behind(r *fsm.Repo, c fsm.Copy) string {
	n := sh.view.Node(c.Node)
	switch {
	case n == nil || c.State != fsm.CopyReady || c.Generation >= r.Generation:
		return ""
	case n.Disk != nil && n.Disk.Class != fsm.DiskLow:
		return "its disk is " + n.Disk.Class
	}
	return "it follows"
}

// whoTrails says which copies that clients get lack what is published, and why.
func (sh shape) whoTrails(r *fsm.Repo) string {
	var list []string
	for _, c := range r.Copies {
		if why := sh.behind(r, c); why != "" && sh.away(sh.view.Node(c.Node)) == "" {
			list = append(list, fmt.Sprintf("%s has %d: %s", sh.view.Node(c.Node).Name, c.Generation, why))
		}
	}
	return strings.Join(list, ", ")
}

// whoHas names the nodes whose copies have the row's generation.
func (sh shape) whoHas(r *fsm.Repo) string {
	var list []string
	for _, c := range r.Copies {
		if n := sh.view.Node(c.Node); n != nil && c.State == fsm.CopyReady && c.Generation == r.Generation {
			list = append(list, fmt.Sprintf("%s (%s)", n.Name, n.State))
		}
	}
	if len(list) == 0 {
		return "no node has the newest"
	}
	return "the newest is on " + strings.Join(list, ", ")
}

// below tells whether a published row has fewer live copies than it would have with
// all nodes up, or not all of them, when they had the time, have what was published last.
func (sh shape) below(r *fsm.Repo) bool {
	if r.Removed || r.Generation == 0 {
		return false
	}
	served, newest, _ := sh.copies(r)
	return served < min(r.Policy.Replicas, sh.places) || newest < r.Generation || sh.late(r)
}

// render is a row as the API shows it.
func (sh shape) render(r *fsm.Repo, said firsthand) api.Repo {
	out := api.Repo{
		ID: r.ID, Name: r.Name, Aliases: append([]string{}, r.Aliases...), URLs: r.URLs(), Paused: r.Paused, RetiredAt: timeOf(r.Sourced.RetiredAt()), ServesOf: r.Estranged(), Claims: claimsOf(sh.view, r), Origins: originsOf(sh.view, r), Epoch: r.Epoch, Generation: r.Generation, Durable: r.Durable(),
		Refs: r.Refs, Head: strings.TrimPrefix(r.Head(), "ref: "), Labels: r.Labels, Copies: []api.Copy{},
		Policy: api.PolicyOf(r.Policy.Policy), RefPrefixes: append([]string{}, r.Policy.RefPrefixes...),
	}
	if out.Labels == nil {
		out.Labels = map[string]string{}
	}
	states := sh.states(r)
	out.State, out.Reason, out.Also = states[0].state, states[0].reason, []string{}
	out.Since = timeOf(sh.since(r, out.State))
	for _, v := range states[1:] {
		out.Also = append(out.Also, strings.TrimSuffix(v.state+": "+v.reason, ": "))
	}
	if r.Generation > 0 {
		out.RefsDigest = r.RefsDigest.String()
		out.LastChange = timeOf(r.ChangedAt())
	}
	if n := sh.view.Node(r.Owner); n != nil {
		out.Owner = n.Name
	}
	for _, c := range r.Copies {
		shown := api.Copy{Node: fmt.Sprintf("node %d", c.Node), State: c.State.String(), Generation: c.Generation, Progress: said.progress[c.Node], Live: said.has[c.Node], Upkeep: said.upkeep[c.Node], Since: timeOf(sh.brokeAt(r, c))}
		if n := sh.view.Node(c.Node); n != nil {
			shown.Node = n.Name
			if c.State == fsm.CopyReady {
				shown.Away, shown.Behind = sh.away(n), sh.behind(r, c)
			}
		}
		out.Copies = append(out.Copies, shown)
	}
	if r.Error != nil {
		out.Error = &api.RepoError{Class: r.Error.Class, Message: r.Error.Message, Since: r.Error.Since, Parked: r.Error.Parked}
	}
	if m := r.Moved; m != nil {
		out.Moved = &api.Moved{From: m.From, To: m.To, Since: m.Since}
	}
	if f := r.Fallback; f != nil {
		out.Fallback = &api.Fallback{URL: f.URL, Since: f.Since}
	}
	out.Hold = holdOf(r)
	out.Pins, out.Released = pinsOf(r, nil), releasedOf(r)
	if live := said.owner; live != nil {
		out.Lost, out.Pins = live.Lost, pinsOf(r, live.Pins)
		out.LastCheck, out.NextCheck, out.Skipped = timeOf(live.LastCheck), timeOf(live.NextCheck), live.Skipped
		if out.Fallback != nil {
			out.Fallback.NextProbe = timeOf(live.Probe)
		}
		if live.RestsMS > 0 {
			out.RestsMS = &live.RestsMS
		}
		if _, newest, _ := sh.copies(r); newest == r.Generation { // else what is served is older than what the owner knows
			out.AsOf = timeOf(live.AsOf)
		}
		if live.EveryMS > 0 {
			out.EveryMS = &live.EveryMS
		}
		if out.Error != nil {
			out.Error.Count = &live.Failures
		}
	}
	return out
}

func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}

func toDelete(copies int) string {
	if copies == 1 {
		return "1 copy to delete"
	}
	return fmt.Sprintf("%d copies to delete", copies)
}
