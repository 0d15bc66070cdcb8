package world

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gitmirror/mirror/failure"
)

// Mood is how an upstream answers.
type Mood string

// What upstreams do.
const (
	Well    Mood = ""
	Frozen  Mood = "frozen" // takes the request, and says nothing
	Trickle Mood = "trickle"
	Gone    Mood = "not_found"
	Closed  Mood = "auth"
	Limited Mood = "rate_limited"
	Broken  Mood = "network" // 5xx
	Cuts    Mood = "cuts"    // answers checks, and breaks off packs
	Lying   Mood = "lying"   // shows now one thing, now another
	Moved   Mood = "moved"   // sends to another place, where it answers
)

var moods = []Mood{Well, Frozen, Gone, Closed, Limited, Broken, Cuts, Lying, Trickle, Moved}

const (
	// patience is how long a node waits for an upstream that says nothing.
	patience = 30 * time.Second
	// trickles is how long an answer takes that is just not given up.
	trickles = 25 * time.Second
	// trip is how long a request and its answer take.
	trip = 20 * time.Millisecond
)

// answer waits as long as the network takes, and says how the upstream feels.
func (u *Upstream) answer(ctx context.Context) error {
	u.mu.Lock()
	mood := u.mood
	u.mu.Unlock()
	wait := trip
	switch mood {
	case Frozen:
		wait = patience
	case Trickle:
		wait = trickles
	case Moved:
		wait = 2 * trip
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return failure.Of(context.Cause(ctx))
	}
	switch mood {
	case Well, Cuts, Lying, Trickle, Moved:
		return nil
	case Frozen:
		return u.fails(failure.Timeout, "no answer within 30s")
	}
	return u.fails(failure.Class(mood), "the upstream is "+string(mood))
}

// turn has an upstream that lies show the other of its two answers. The lock is held.
func (u *Upstream) turn() {
	if u.mood == Lying && u.before != nil {
		u.refs, u.before = u.before, u.refs
		u.note()
	}
}

// upstreamSteps happen to upstreams.
var upstreamSteps = map[string]func(*run, Step){
	"push":   func(r *run, s Step) { r.upstream(s.Repo).Push("main") },
	"branch": func(r *run, s Step) { r.upstream(s.Repo).Push(fmt.Sprintf("topic%d", s.Other%5)) },
	"prune": edit(func(_ *Upstream, s Step, refs map[string]string) {
		if names := besideMain(refs); len(names) > 0 {
			delete(refs, names[s.Other%len(names)])
		}
	}),
	"tag": edit(func(u *Upstream, s Step, refs map[string]string) {
		if main := refs["refs/heads/main"]; main != "" {
			refs[fmt.Sprintf("refs/tags/v%d", s.Other%5)] = u.of.history.tag(main)
		}
	}),
	// It is emptied in steps, the main branch last.
	"shrink": edit(func(_ *Upstream, s Step, refs map[string]string) {
		names := append(besideMain(refs), "refs/heads/main")
		for i := range min(1+s.Other/3, len(names)) {
			delete(refs, names[i])
		}
	}),
	"empty": edit(func(_ *Upstream, _ Step, refs map[string]string) { clear(refs) }),
	// Each branch has another history, of which nothing was there before.
	"rewrite": edit(func(u *Upstream, _ Step, refs map[string]string) {
		for name := range refs {
			refs[name] = u.of.history.commit()
		}
	}),
	"rewind": edit(func(u *Upstream, _ Step, refs map[string]string) {
		if parents := u.of.history.parentsOf(refs["refs/heads/main"]); len(parents) > 0 {
			refs["refs/heads/main"] = parents[0]
		}
	}),
	"return": edit(func(u *Upstream, s Step, refs map[string]string) { u.become(s.Other*7+s.Node, refs) }),
	// Another repository is at its address.
	"reborn": edit(func(u *Upstream, _ Step, refs map[string]string) {
		clear(refs)
		refs["refs/heads/main"] = u.of.history.commit()
	}),
	"mood": func(r *run, s Step) { r.upstream(s.Repo).Feel(moods[(s.Other+3*s.Node)%len(moods)]) },
}

// become has refs be as they were once. The lock is held.
func (u *Upstream) become(luck int, refs map[string]string) {
	if u.kept {
		return
	}
	was := u.states[luck%len(u.states)]
	if !strings.Contains(was, " refs/heads/main\n") {
		return
	}
	clear(refs)
	for line := range strings.Lines(was) {
		id, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		refs[name] = id
	}
}

// besideMain are all refs but the main branch, by name.
func besideMain(refs map[string]string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(refs)), func(name string) bool { return name == "refs/heads/main" })
}

func edit(change func(*Upstream, Step, map[string]string)) func(*run, Step) {
	return func(r *run, s Step) {
		u := r.upstream(s.Repo)
		u.Edit(func(refs map[string]string) { change(u, s, refs) })
	}
}
