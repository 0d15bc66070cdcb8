package api

import (
	"encoding/json"
	"maps"
)

// The states of a repo. Several may be true of one; the first in the order of States is
// shown, and a filter finds a repo by any of them.
const (
	StateRemoving = "removing"
	StateUnserved = "unserved"
	StateRetired  = "retired"
	StateHeld     = "held"
	StatePaused   = "paused"
	StateParked   = "parked"
	StateFailing  = "failing"
	StatePending  = "pending"
	StateCloning  = "cloning"
	StateCopying  = "copying"
	StateBehind   = "behind"
	StateReady    = "ready"
)

// Tone is how well a state is.
type Tone int

// The tones.
const (
	Fair Tone = iota // it may pass by itself
	Good
	Bad // somebody has to look
)

// State is what is to be known of a state. Whatever counts, filters, shows or documents
// states does it from here; when one is true of a repo the server decides.
type State struct {
	Name  string
	Means string
	Tone  Tone
	Final bool   // waiting does not end it
	Alert string // how status tells of repos in it, behind their number; empty for not at all
}

// States are all states of a repo, those that want attention most first.
var States = []State{
	{Name: StateRemoving, Means: "its copies are being deleted; not counted in the total", Final: true},
	{Name: StateUnserved, Means: "published, and no copy of it on a node that lives and serves", Tone: Bad, Alert: "published and served by no node"},
	{Name: StateRetired, Means: "no source lists it any more: it is served, upstream is asked for who waits for that alone, and after seven days it goes to the trash", Final: true},
	{Name: StateHeld, Means: "upstream shows what is not followed without a person", Tone: Bad, Final: true, Alert: "held: upstream lost refs, the last good ones are served"},
	{Name: StatePaused, Means: "upstream is asked for who waits for that alone, until it is resumed", Final: true},
	{Name: StateParked, Means: "upstream has long said that it is not there, or not for us: it is asked three times a day, and by repo sync", Tone: Bad, Final: true, Alert: "parked: upstream says that they are not there, or not for us"},
	{Name: StateFailing, Means: "upstream cannot be followed", Tone: Bad, Alert: "failing"},
	{Name: StatePending, Means: "nobody clones it yet"},
	{Name: StateCloning, Means: "the first copy is being made"},
	{Name: StateCopying, Means: "served, with fewer copies than there could be", Alert: "with fewer copies than there could be"},
	{Name: StateBehind, Means: "served, without what was published last", Alert: "served without what was published last"},
	{Name: StateReady, Means: "served, with all the copies there can be", Tone: Good},
}

// StateNames are the names of States.
var StateNames = func() (names []string) {
	for _, s := range States {
		names = append(names, s.Name)
	}
	return names
}()

// StateOf is what is to be known of the state of that name. One of a later release is
// neither good nor bad.
func StateOf(name string) State {
	for _, s := range States {
		if s.Name == name {
			return s
		}
	}
	return State{Name: name}
}

// RepoCounts counts repos by the state that is shown. In JSON the counts stand beside
// each other, one for each state.
type RepoCounts struct {
	Total   int            // all but those that are being removed
	Syncing int            // a git process works on it now
	Stale   int            // not checked for three intervals, as far as owners answer
	ByState map[string]int // none is 0
}

// Count counts n repos in a state.
func (c *RepoCounts) Count(state string, n int) {
	if c.ByState == nil {
		c.ByState = map[string]int{}
	}
	c.ByState[state] += n
	if state != StateRemoving {
		c.Total += n
	}
}

// MarshalJSON implements json.Marshaler.
func (c RepoCounts) MarshalJSON() ([]byte, error) {
	out := map[string]int{"total": c.Total, "syncing": c.Syncing, "stale": c.Stale}
	for _, s := range States {
		out[s.Name] = 0
	}
	maps.Copy(out, c.ByState)
	return json.Marshal(out)
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *RepoCounts) UnmarshalJSON(data []byte) error {
	var in map[string]int
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*c = RepoCounts{Total: in["total"], Syncing: in["syncing"], Stale: in["stale"]}
	for _, other := range []string{"total", "syncing", "stale"} {
		delete(in, other)
	}
	c.ByState = in
	return nil
}
