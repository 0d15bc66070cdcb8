package render

import (
	"strings"
	"testing"
	"unicode/utf8"

	"gitmirror/api"
)

func TestUnderway(t *testing.T) {
	list := underway()
	for i, want := range []string{
		"Cloning  62% ██████▏     1.3 GiB  38 MiB/s  objects 120,000/190,000",
		"Replicate n1 62% 38 MiB/s, n3 done",
		"Fetching github.com prepares a pack",
		"Cloning waits for its turn",
	} {
		if got := Underway(&list[i], 10); got != want {
			t.Errorf("%s: %q, want %q", list[i].Name, got, want)
		}
	}
	if got := Underway(&list[0], 0); got != "Cloning 62%  1.3 GiB  38 MiB/s  objects 120,000/190,000" {
		t.Errorf("without a bar: %q", got)
	}
	list[0].Copies[1].Progress.Phase = api.PhaseResolving
	if got := Underway(&list[0], 0); got != "Cloning resolving  62%  1.3 GiB  objects 120,000/190,000" {
		t.Errorf("resolving: %q", got)
	}
	if got := Underway(&repos()[0], 10); got != "" {
		t.Errorf("nothing is under way: %q", got)
	}
}

// A bar never shrinks as more is done, and is as wide as it shall be.
func TestBar(t *testing.T) {
	last := 0
	for percent := -1; percent <= 101; percent++ {
		b := bar(percent, 7)
		filled := strings.Count(b, "█")
		if utf8.RuneCountInString(b) != 7 || filled < last {
			t.Errorf("%d%%: %q", percent, b)
		}
		last = filled
	}
	if bar(100, 3) != "███" || bar(0, 2) != "  " || bar(50, 1) != "▌" || bar(50, 0) != "" {
		t.Error("a bar does not show its percentage")
	}
}
