package main

import "math"

// named is what a way to poll came to.
type named struct {
	name string
	seen *seen
}

// way is one: how many seconds a repository is left alone that has these changes, of which
// those before now are known where it is not an oracle.
type way func(h history, now, scale float64) float64

// The bounds of how long one is left alone, as the product has them, in seconds.
const (
	least = 45
	most  = 8 * 3600
)

// others are ways that others poll, each with as many polls. The first is the one that the
// rest are compared with.
func others(t *trace, polls int) (out []named) {
	for _, o := range []struct {
		name string
		way  way
	}{
		{"half of the age", func(h history, now, scale float64) float64 { return within(scale * age(h, now) / 2) }},
		{"third root of the age", func(h history, now, scale float64) float64 { return within(scale * math.Cbrt(age(h, now))) }},
		{"all alike", func(_ history, _, scale float64) float64 { return scale }},
		{"square root, an oracle", func(h history, _, scale float64) float64 {
			return scale / math.Sqrt(max(float64(len(h)-h.after(0)), 0.5)/t.length())
		}},
	} {
		out = append(out, named{o.name, follow(t, o.way, calibrated(t, o.way, polls))})
	}
	return out
}

func within(seconds float64) float64 { return min(max(seconds, least), most) }

// age is how long ago the last change was, that long at most.
func age(h history, now float64) float64 {
	i := h.after(now)
	if i == 0 {
		return 365 * 24 * 3600
	}
	return now - h[i-1]
}

// calibrated is the scale with which a way makes as many polls.
func calibrated(t *trace, w way, polls int) float64 {
	low, high := math.Log(1e-4), math.Log(1e8)
	for range 22 {
		mid := (low + high) / 2
		if follow(t, w, math.Exp(mid)).polls > polls {
			low = mid
		} else {
			high = mid
		}
	}
	return math.Exp((low + high) / 2)
}

// follow polls a trace in a way.
func follow(t *trace, w way, scale float64) *seen {
	s := seen{counted: t.counted}
	end := t.length()
	const tooMany = 200 << 20 // polls: the scale is far off
	for i, h := range t.repos {
		// They do not all begin at once.
		last := 0.0
		for now := w(h, 0, scale) * (float64(i%97) + 1) / 98; now < end && s.polls < tooMany; now += max(w(h, now, scale), 1) {
			s.poll(h, last, now)
			last = now
		}
		s.notice(h[h.after(last):], end)
	}
	return &s
}
