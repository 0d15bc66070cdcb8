package mirror

import (
	"gitmirror/mirror/failure"
	"gitmirror/mirror/space"
)

// Condition is what keeps this node from its work.
type Condition struct {
	Disk space.Condition
	Sick string // why none of its copies is served; empty when they are
}

// Condition tells how this node is.
func (e *Engine) Condition() Condition {
	return Condition{Disk: e.space.Now(), Sick: e.prover.sickness()}
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
	if c.State != space.Failing {
		e.schedule.Retry(failure.Disk)
	}
	if e.cfg.ConditionChanged != nil {
		e.cfg.ConditionChanged()
	}
}
