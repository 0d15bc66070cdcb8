package ration

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// In no span of time do more pass than may, and who waits for a span is let through; keys
// have nothing to do with each other.
func TestNoSpanHasMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most, per := rapid.IntRange(1, 5).Draw(t, "most"), time.Second
		r, now := New(most, per), start
		passed := map[string][]time.Time{}
		for range rapid.IntRange(1, 200).Draw(t, "n") {
			now = now.Add(time.Duration(rapid.IntRange(0, 400).Draw(t, "ms")) * time.Millisecond)
			key := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key")
			within := 0
			for _, at := range passed[key] {
				if now.Sub(at) < per {
					within++
				}
			}
			ok := r.Take(key, now)
			if ok != (within < most) {
				t.Fatalf("%s at %s: %t after %d of %d", key, now, ok, within, most)
			}
			if ok {
				passed[key] = append(passed[key], now)
			}
		}
	})
}

// What passed long ago is not remembered.
func TestKeysAreForgotten(t *testing.T) {
	r := New(2, time.Minute)
	for i := range 1000 {
		r.Take(fmt.Sprint(i), start.Add(time.Duration(i)*time.Second))
	}
	if n := len(r.taken); n > 120 {
		t.Errorf("%d keys are remembered, more than passed in two spans", n)
	}
}
