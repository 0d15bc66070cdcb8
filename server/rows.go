package server

import (
	"fmt"
	"strings"
	"time"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/peer"
)

// The states a repo is shown in.
const (
	statePending  = "pending"  // nobody works on it yet
	stateCloning  = "cloning"  // not everything asked for is there yet
	stateReady    = "ready"    // published, with all the copies there can be
	stateFailing  = "failing"  // upstream cannot be followed
	stateHeld     = "held"     // upstream shows what is not followed without a person
	statePaused   = "paused"   // on request
	stateRemoving = "removing" // its copies are being deleted
)

// shape is what rows are judged against: the nodes as they are.
type shape struct {
	view *fsm.View
	live int // nodes that can hold copies
}

func (s *Server) shape(view *fsm.View) shape {
	sh := shape{view: view}
	for _, n := range view.Nodes() {
		if n.State == fsm.NodeUp || n.State == fsm.NodeSuspect {
			sh.live++
		}
	}
	return sh
}

// state is the one function that says which state a row is in, and why.
func (sh shape) state(r *fsm.Repo) (state, reason string) {
	ready, onDown := 0, []string(nil)
	for _, c := range r.Copies {
		if c.State != fsm.CopyReady {
			continue
		}
		ready++
		if n := sh.view.Node(c.Node); n != nil && n.State == fsm.NodeDown {
			onDown = append(onDown, n.Name)
		}
	}
	want := min(r.Policy.Replicas, max(sh.live, 1))
	switch {
	case r.Removed:
		return stateRemoving, fmt.Sprintf("%d copies to delete", len(r.Copies))
	case r.Paused:
		return statePaused, ""
	case r.Hold != nil:
		return stateHeld, r.Hold.Reason
	case r.Error != nil:
		return stateFailing, r.Error.Class
	case r.Generation == 0 && r.Owner == 0:
		return statePending, "no live node owns it"
	case r.Generation == 0:
		return stateCloning, "from upstream"
	case ready < want:
		return stateCloning, fmt.Sprintf("%d of %d copies ready", ready, want)
	case len(onDown) > 0:
		return stateReady, "copy on " + strings.Join(onDown, ", ") + " is down"
	}
	return stateReady, ""
}

// below tells whether a published row has fewer live copies than it could.
func (sh shape) below(r *fsm.Repo) bool {
	if r.Removed || r.Generation == 0 {
		return false
	}
	live := 0
	for _, c := range r.Copies {
		if n := sh.view.Node(c.Node); c.State == fsm.CopyReady && n != nil && n.State != fsm.NodeDown && n.State != fsm.NodeLeft {
			live++
		}
	}
	return live < min(r.Policy.Replicas, len(sh.view.Nodes()))
}

// render is a row as the API shows it. live is nil where the owner did not
// answer.
func (sh shape) render(r *fsm.Repo, live *peer.Live) api.Repo {
	out := api.Repo{
		ID: r.ID, Name: r.Name, URLs: r.URLs, Epoch: r.Epoch, Generation: r.Generation, Durable: r.Durable(),
		Refs: r.Refs, Head: strings.TrimPrefix(r.Head, "ref: "), Labels: r.Labels, Copies: []api.Copy{},
		Replicas: r.Policy.Replicas, IntervalMS: r.Policy.Interval.Milliseconds(),
	}
	if out.Labels == nil {
		out.Labels = map[string]string{}
	}
	out.State, out.Reason = sh.state(r)
	if r.Generation > 0 {
		out.RefsDigest = r.RefsDigest.String()
		out.LastChange = timeOf(r.ChangedAt)
	}
	if n := sh.view.Node(r.Owner); n != nil {
		out.Owner = n.Name
	}
	for _, c := range r.Copies {
		name := fmt.Sprintf("node %d", c.Node)
		if n := sh.view.Node(c.Node); n != nil {
			name = n.Name
		}
		out.Copies = append(out.Copies, api.Copy{Node: name, State: string(c.State), Generation: c.Generation})
	}
	if r.Error != nil {
		out.Error = &api.RepoError{Class: r.Error.Class, Message: r.Error.Message, Since: r.Error.Since}
	}
	if live != nil {
		out.LastCheck, out.NextCheck = timeOf(live.LastCheck), timeOf(live.NextCheck)
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
