package mirror

import (
	"cmp"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/fetch"
	"gitmirror/mirror/space"
	"gitmirror/mirror/store"
)

// Condition is what keeps this node from its work.
type Condition struct {
	Disk space.Condition
	Sick string // why none of its copies is served; empty when they are
}

// Condition tells how this node is.
func (e *Engine) Condition() Condition { return Condition{Disk: e.space.Now(), Sick: e.sickness()} }

// roomFor refuses to fetch what the disk does not take.
func (e *Engine) roomFor(repo *store.Repo) error {
	generation, _ := repo.Generation()
	if c := e.space.Now(); !c.Takes(generation == 0) {
		return failure.New(failure.Disk, "this node's disk: "+c.Message, nil)
	}
	return nil
}

// limits bound what a fetch from upstream may bring.
func (e *Engine) limits(a Assignment, repo *store.Repo) fetch.Limits {
	l := e.reserve(repo)
	l.Have, l.Size, l.Object = repo.Size(), cmp.Or(a.Policy.MaxSize, e.cfg.MaxSize), cmp.Or(a.Policy.MaxObject, e.cfg.MaxObject)
	l.Accept, l.Set = a.Policy.Accept, "gitmirror repo set "+a.Name
	return l
}

// reserve is what bounds a fetch from peers: the owner has judged what there is.
func (e *Engine) reserve(repo *store.Repo) fetch.Limits {
	generation, _ := repo.Generation()
	return fetch.Limits{Room: func() error {
		if err := e.space.Room(generation == 0); err != nil {
			e.space.Suspect()
			return failure.New(failure.Disk, "this node's disk: "+err.Error(), err)
		}
		return nil
	}}
}

// spaceChanged is called when the disk has got worse or better. What failed for
// its sake is tried again as soon as it is better, whatever the backoff says.
func (e *Engine) spaceChanged() {
	c := e.space.Now()
	if c.State == space.Well {
		e.log.Info("the disk is well again")
	} else {
		e.log.Warn("the disk is not well", "state", string(c.State), "reason", c.Message)
	}
	e.mu.Lock()
	now := e.now()
	for _, j := range e.jobs {
		if j.assigned && !j.want.Paused && j.failure != nil && j.failure.Class == failure.Disk && c.State != space.Failing {
			j.nextCheck = now
			e.kick(j, now)
		}
	}
	e.signal()
	e.mu.Unlock()
	if e.cfg.ConditionChanged != nil {
		e.cfg.ConditionChanged()
	}
}
