package fetch

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What is said of a fetch goes forward, whatever is seen of it: phases, and within one what is
// done.
func TestProgressNeverGoesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(1_700_000_000, 0)
		o := NewObserver(at)
		last := o.now
		lines := rapid.SampledFrom([]string{"", "remote: Enumerating objects: 9", "remote: Counting objects: 50% (1/2)", "Receiving objects:  10% (1/10)", "Receiving objects:  50% (5/10), 1 MiB", "Receiving objects: 100% (10/10)",
			"remote: Total 10 (delta 3)", "Resolving deltas:   0% (0/3)", "Resolving deltas: 100% (3/3), done.", "From http://x"})
		for range rapid.IntRange(1, 30).Draw(t, "looks") {
			at = at.Add(time.Duration(rapid.IntRange(0, 4).Draw(t, "seconds")) * time.Second)
			p := o.see(at, said(lines.Draw(t, "line"), rapid.Int64Range(0, 1000).Draw(t, "bytes"), rapid.IntRange(0, 20).Draw(t, "whole") == 0))
			was, is := slices.Index(phases, last.Phase), slices.Index(phases, p.Phase)
			if is < was || is == was && (p.Done < last.Done || p.Bytes < last.Bytes) || p.Done > p.All || p.Rate < 0 {
				t.Fatalf("%+v after %+v", p, last)
			}
			last = p
		}
	})
}

func TestProgressOfAFetch(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	o := NewObserver(at)
	for i, c := range []struct {
		line  string
		bytes int64
		whole bool
		want  Progress
	}{
		{"", 0, false, Progress{Phase: Preparing}},
		{"remote: Counting objects:  50% (5/10)", 0, false, Progress{Phase: Preparing}},
		{"Receiving objects:  10% (1/10)", 3000, false, Progress{Receiving, 1, 10, 3000, 1000}},
		{"Receiving objects:  20% (2/10), 1 KiB", 7000, false, Progress{Receiving, 2, 10, 7000, 1750}},
		{"Receiving objects:  20% (2/10), 1 KiB", 7000, false, Progress{Receiving, 2, 10, 7000, 1400}},
		{"Receiving objects:  20% (2/10), 1 KiB", 7000, false, Progress{Receiving, 2, 10, 7000, 1333}},
		{"Receiving objects:  20% (2/10), 1 KiB", 7000, false, Progress{Receiving, 2, 10, 7000, 1000}},
		{"Receiving objects:  20% (2/10), 1 KiB", 7000, false, Progress{Receiving, 2, 10, 7000, 800}},
		{"Receiving objects:  20% (2/10), 1 KiB", 7000, false, Progress{Receiving, 2, 10, 7000, 0}},
		{"Resolving deltas:  33% (1/3)", 9000, false, Progress{Resolving, 1, 3, 7000, 0}},
		{"Resolving deltas: 100% (3/3), done.", 9000, true, Progress{Checking, 0, 0, 7000, 0}},
	} {
		if got := o.see(at.Add(time.Duration(i+1)*time.Second), said(c.line, c.bytes, c.whole)); got != c.want {
			t.Errorf("%d: %+v, want %+v", i, got, c.want)
		}
	}
}
