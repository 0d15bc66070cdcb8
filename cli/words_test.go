package cli

import (
	"testing"

	"gitmirror/api"
)

// One thing is told of as one.
func TestOneIsNotMany(t *testing.T) {
	for got, want := range map[string]string{
		countable(1, "repositories"): "repository", countable(2, "repositories"): "repositories", countable(1, "URLs"): "URL", countable(1, "lines"): "line",
		refs(1): "1 ref", refs(0): "0 refs", changed(1): "1 ref changed",
		removal(&api.Repo{Name: "r", Copies: []api.Copy{{Node: "n1"}}}): "Remove r and its copy, on n1.",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	var one tally
	one.failures = []*Failure{{What: "no"}}
	if f := one.result("repositories", "synced").(*Failure); f.What != "1 of 1 repository was not synced" {
		t.Errorf("%q", f.What)
	}
}

// What has no other names is not called none.
func TestNoOtherNames(t *testing.T) {
	set := api.SetRepo{SetRow: api.SetRow{Aliases: &[]string{}}}
	for want, r := range map[string]api.Repo{"no other names": {}, "also called a, b": {Aliases: []string{"a", "b"}}} {
		if got := isNow(&r, set); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
