package membership

import (
	"fmt"
	"slices"
	"testing"
)

// However often a start fails, because a port is taken or git is missing, the
// directory knows the run that its row has, and is not taken for a copy of itself.
func TestFailedStartsDoNotForgetTheRunOfTheRow(t *testing.T) {
	dir := t.TempDir()
	id, err := LoadIdentity(nil, dir, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := id.Begin("in the row"); err != nil {
		t.Fatal(err)
	}
	if err := id.Confirm("in the row"); err != nil {
		t.Fatal(err)
	}
	for i := range maxRuns + 7 { // without the fsyncs
		id.Runs = append(id.Runs, fmt.Sprint("failed ", i))
	}
	for i := range 10 {
		if err := id.Begin(fmt.Sprint("start ", i)); err != nil {
			t.Fatal(err)
		}
		if id, err = LoadIdentity(nil, dir, 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(id.Runs) > maxRuns || !slices.Contains(id.Runs, "in the row") || !slices.Contains(id.Runs, "start 9") {
		t.Errorf("%d runs, the first %q and the last %q", len(id.Runs), id.Runs[0], id.Runs[len(id.Runs)-1])
	}
}
