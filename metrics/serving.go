package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"gitmirror/server"
)

// Serving counts what clients are answered. It is a server.Meter.
type Serving struct {
	answers *prometheus.HistogramVec
	clones  *prometheus.CounterVec
	sent    *prometheus.CounterVec
	took    prometheus.Histogram
}

// What clones come to.
const (
	cloneServed  = "served"
	cloneRefused = "refused"
	cloneCut     = "cut"
)

func newServing(with promauto.Factory) *Serving {
	sources := label{"source", words(server.Sources)}
	return &Serving{
		// One that is refused before its route is known is there from the start, so that
		// the metric is.
		answers: histograms(with, "http_request_duration_seconds", "Answers to clients, by route, method and status; a clone lasts as long as its client takes.",
			moments, []label{{"route", []string{server.RouteOther}}, {"method", []string{"GET"}}, {"code", []string{"404"}}}),
		clones: counters(with, "clone_requests_total", "Requests for packs, which clones and fetches make, by whose copy answered and how that went: refused with a status, or cut before its end.",
			[]label{sources, {"result", []string{cloneServed, cloneRefused, cloneCut}}}),
		sent: counters(with, "clone_sent_bytes_total", "Bytes of answers to requests for packs.", []label{sources}),
		took: histogram(with, "clone_duration_seconds", "How long requests for packs took that were served.", minutes),
	}
}

// Answered implements server.Meter.
func (s *Serving) Answered(a server.Answer) {
	s.answers.WithLabelValues(a.Route, a.Method, strconv.Itoa(a.Code)).Observe(a.Took.Seconds())
}

// Cloned implements server.Meter.
func (s *Serving) Cloned(source server.Source, a server.Answer) {
	result := cloneServed
	switch {
	case a.Code >= 400:
		result = cloneRefused
	case a.Cut:
		result = cloneCut
	default:
		s.took.Observe(a.Took.Seconds())
	}
	s.clones.WithLabelValues(string(source), result).Inc()
	s.sent.WithLabelValues(string(source)).Add(float64(a.Bytes))
}
