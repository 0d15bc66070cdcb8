package coordinator

import (
	"errors"
	"testing"

	"gitmirror/fsm/command"
	"gitmirror/internal/policy"
	"gitmirror/internal/refusal"
)

// A cluster of before knows changes of one repository's limits, and is asked for no others; a
// key stands for one change whatever the cluster has come to know meanwhile.
func TestChangesInAClusterOfBefore(t *testing.T) {
	w := newWorld(t, 3)
	added, err := w.c.Add(t.Context(), []NewRepo{{URLs: []string{"https://h.example/a"}}, {URLs: []string{"https://h.example/b"}}}, "add")
	if err != nil || added[0].Err != nil {
		t.Fatal(added, err)
	}
	w.apply(&command.RaiseFormat{Format: 5})
	size, copies, name := int64(1<<30), 3, "other"
	limit := Change{ID: added[0].ID, Policy: policy.Change{MaxSize: &size}}
	got, err := w.c.Change(t.Context(), []Change{limit}, "limit")
	if err != nil || got[0].Err != nil || got[0].ID != added[0].ID || w.state.View().Repo(added[0].ID).Policy.MaxSize != size {
		t.Fatal(got, err)
	}
	for what, list := range map[string][]Change{
		"two":    {limit, {ID: added[1].ID, Policy: policy.Change{MaxSize: &size}}},
		"name":   {{ID: added[0].ID, Name: &name}},
		"copies": {{ID: added[0].ID, Policy: policy.Change{Replicas: &copies}}},
	} {
		got, err := w.c.Change(t.Context(), list, what)
		if err == nil {
			err = got[0].Err
		}
		if !errors.Is(err, refusal.FormatTooOld) {
			t.Errorf("%s: %v", what, err)
		}
	}
	w.apply(&command.RaiseFormat{Format: 6})
	if got, err := w.c.Change(t.Context(), []Change{limit, {ID: added[1].ID, Name: &name, Policy: policy.Change{Replicas: &copies}}, {ID: "none", Name: &name}}, "all"); err != nil ||
		got[0].Err != nil || got[1].Err != nil || got[1].ID != added[1].ID || !errors.Is(got[2].Err, refusal.NotFound) {
		t.Fatal(got, err)
	}
	if row := w.state.View().Repo(added[1].ID); row.Name != name || row.Policy.Replicas != copies {
		t.Errorf("changed into %+v", row)
	}
}
