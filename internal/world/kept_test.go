package world

import "testing"

// kept are histories in which something did not hold once, as short as they could be made.
var kept = []struct {
	name  string
	wrong string // what was, in the product
	setup Setup
	steps []Step
}{
	{"a node that others know by name", "gossip looked up names at this machine's resolver, beside the network that the node was given",
		Setup{1, 3, 2}, []Step{{"flags", 0, 1, 0, 0}, {"crash", 1, 0, 0, 5000000000}, {"start", 1, 0, 0, 10000000000}}},
}

func TestKeptHistories(t *testing.T) {
	for _, k := range kept {
		t.Run(k.name, func(t *testing.T) {
			if _, err := try(t, k.setup, k.steps); err != nil {
				t.Errorf("%v\nonce: %s", err, k.wrong)
			}
		})
	}
}
