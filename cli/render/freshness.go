package render

import (
	"fmt"
	"time"

	"gitmirror/api"
)

// interval is how often upstream is asked.
func interval(r *api.Repo) string {
	switch {
	case r.IntervalMS > 0:
		return span(time.Duration(r.IntervalMS) * time.Millisecond)
	case r.EveryMS == nil:
		return api.Auto
	}
	return api.Auto + ": " + span((time.Duration(*r.EveryMS) * time.Millisecond).Round(time.Second)) + " now"
}

// asOf is how old what is served may be.
func asOf(p Printer, r *api.Repo) string {
	if r.AsOf == nil {
		return "not known yet"
	}
	return p.ago(r.AsOf) + ": what is served was upstream's then"
}

// freshness says how new what is served is; empty where nothing is.
func freshness(f api.Freshness) string {
	if f.Repos == 0 {
		return ""
	}
	line := fmt.Sprintf("Served as upstream was %s ago (half), %s ago (95 %%), %s ago (the oldest).", rough(f.HalfMS), rough(f.MostMS), rough(f.OldestMS))
	if f.Repos == 1 {
		line = fmt.Sprintf("Served as upstream was %s ago.", rough(f.OldestMS))
	}
	if f.Unknown > 0 {
		line += fmt.Sprintf(" Not known yet: %s.", count(f.Unknown, "repository", "repositories"))
	}
	if f.Changes > 0 {
		line += fmt.Sprintf("\n%s of the last hours: published after %s (half), %s (95 %%).", count(f.Changes, "commit", "commits"), rough(f.LagHalfMS), rough(f.LagMostMS))
	}
	return line
}

// rough is a duration with what people would say of it.
func rough(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	switch {
	case d < time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < time.Hour:
		return span(d.Round(time.Minute))
	}
	return span(d.Round(10 * time.Minute))
}
