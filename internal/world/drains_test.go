package world

import (
	"testing"
	"time"
)

// Where nothing is broken each drain comes to its end, also of who leads, and whatever people
// do and upstreams show meanwhile.
func TestNodesAreDrained(t *testing.T) {
	steps := []Step{{"push", 0, 0, 0, time.Second}}
	for node := range 2 {
		steps = append(steps, Step{"drain", node, 0, 0, time.Second}, Step{"push", 1, 0, node, time.Second}, Step{"import", node + 1, 0, node, time.Second},
			Step{"rewrite", 0, 0, node + 1, time.Second}, Step{"rm", node, 0, node + 2, 20 * time.Second}, Step{"drain", node, 0, 0, 20 * time.Second},
			Step{"look", 0, 0, 0, drainedFor + 10*time.Second})
	}
	result, err := try(t, Setup{1, 4, 6}, steps)
	if err != nil {
		t.Error(err)
	}
	if n := result.Happened["drained"]; n != 2 {
		t.Errorf("%d of 2 nodes were drained: %v", n, result.Happened)
	}
}
