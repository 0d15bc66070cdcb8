package api

// The states of a repo. Several may be true of one; the first in the order of
// States is shown, and a filter finds a repo by any of them.
const (
	StateRemoving = "removing" // its copies are being deleted
	StateUnserved = "unserved" // published, and no copy of it on a node that lives and serves
	StateHeld     = "held"     // upstream shows what is not followed without a person
	StateRetired  = "retired"  // kept, and not followed any more
	StatePaused   = "paused"   // not followed, on request
	StateParked   = "parked"   // upstream is asked seldom: it has long said no
	StateFailing  = "failing"  // upstream cannot be followed
	StatePending  = "pending"  // nobody clones it yet
	StateCloning  = "cloning"  // the first copy is being made
	StateCopying  = "copying"  // served, with fewer copies than there could be
	StateBehind   = "behind"   // served, without what was published last
	StateReady    = "ready"    // served, with all the copies there can be
)

// States are all states of a repo, those that want attention most first.
var States = []string{StateRemoving, StateUnserved, StateHeld, StateRetired, StatePaused, StateParked, StateFailing,
	StatePending, StateCloning, StateCopying, StateBehind, StateReady}

// Of is the counter of a state, nil for what is none.
func (c *RepoCounts) Of(state string) *int {
	switch state {
	case StateRemoving:
		return &c.Removing
	case StateUnserved:
		return &c.Unserved
	case StateHeld:
		return &c.Held
	case StateRetired:
		return &c.Retired
	case StatePaused:
		return &c.Paused
	case StateParked:
		return &c.Parked
	case StateFailing:
		return &c.Failing
	case StatePending:
		return &c.Pending
	case StateCloning:
		return &c.Cloning
	case StateCopying:
		return &c.Copying
	case StateBehind:
		return &c.Behind
	case StateReady:
		return &c.Ready
	}
	return nil
}
