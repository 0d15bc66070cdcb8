package api_test

import (
	"encoding/json"
	"maps"
	"testing"

	"gitmirror/api"
)

// The counts are in JSON as clients know them: one key a state, zeros too, and what a
// later release adds is not lost.
func TestCountsAreSpelledOut(t *testing.T) {
	var c api.RepoCounts
	for i, s := range api.StateNames {
		c.Count(s, i+1)
	}
	if want := len(api.States)*(len(api.States)+1)/2 - 1; c.Total != want { // the first is removing
		t.Errorf("total %d, want %d: all but removing", c.Total, want)
	}
	c.Stale = 3
	data, err := json.Marshal(api.Status{Repos: c})
	if err != nil {
		t.Fatal(err)
	}
	var back api.Status
	if err := json.Unmarshal(data, &back); err != nil || back.Repos.Total != c.Total || back.Repos.Stale != 3 || !maps.Equal(back.Repos.ByState, c.ByState) {
		t.Errorf("%s is read as %+v, %v", data, back.Repos, err)
	}
	var none struct{ Repos map[string]int }
	if data, err = json.Marshal(api.Status{}); err != nil || json.Unmarshal(data, &none) != nil || len(none.Repos) != len(api.States)+3 {
		t.Errorf("nothing is counted as %s, %v", data, err)
	}
	var later api.RepoCounts
	if err := json.Unmarshal([]byte(`{"total": 2, "resting": 2}`), &later); err != nil || later.ByState["resting"] != 2 {
		t.Errorf("a state of a later release: %+v, %v", later, err)
	}
}
