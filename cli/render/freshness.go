package render

import (
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
