package metrics

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"gitmirror/mirror"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/maintain"
	"gitmirror/mirror/refs"
)

// Mirror counts what the mirror does. It is a mirror.Meter.
type Mirror struct {
	checks    *prometheus.CounterVec
	took      *prometheus.HistogramVec
	fetches   *prometheus.CounterVec
	received  *prometheus.CounterVec
	published *prometheus.CounterVec
	changes   *prometheus.CounterVec
	jobs      *prometheus.CounterVec
	jobTime   *prometheus.CounterVec
	freed     prometheus.Counter
}

const (
	failed = "failed"
	done   = "done"

	phaseCheck   = "check"
	phaseFetch   = "fetch"
	phasePublish = "publish"

	fromPeer     = "peer"
	fromUpstream = "upstream"
)

func newMirror(with promauto.Factory) *Mirror {
	sources := label{"source", []string{fromUpstream, fromPeer}}
	m := &Mirror{
		// Not each result has each class: the vectors are filled below.
		checks: counters(with, "sync_total", "Checks of upstreams by what they came to; error_class is empty unless the result is failed.", []label{{"result", nil}, {"error_class", nil}}),
		took: histograms(with, "sync_duration_seconds", "How long a check took in all, the fetch of objects, from upstreams and peers, and the decision of the cluster on a generation.",
			minutes, []label{{"phase", []string{phaseCheck, phaseFetch, phasePublish}}}),
		fetches:   counters(with, "fetches_total", "Fetches of objects by where from and what they came to; error_class is empty for those that brought all.", []label{sources, {"error_class", nil}}),
		received:  counters(with, "sync_received_bytes_total", "Bytes of packs that fetches brought, those of failed ones too.", []label{sources}),
		published: counters(with, "publishes_total", "Generations that this node, as the owner, had the cluster decide about, by what it decided.", []label{{"result", mirror.Fates}}),
		changes:   counters(with, "ref_updates_total", "Refs changed by generations that this node published, but for first ones.", []label{{"kind", words(refs.Kinds)}}),
		jobs: counters(with, "maintenance_runs_total", "Jobs of maintenance on single copies, by kind and what they came to.",
			[]label{{"task", words(maintain.Jobs)}, {"result", []string{done, failed}}}),
		jobTime: counters(with, "maintenance_seconds_total", "Seconds that jobs of maintenance took, one at a time.", []label{{"task", words(maintain.Jobs)}}),
		freed:   with.NewCounter(prometheus.CounterOpts{Namespace: "gitmirror", Name: "maintenance_freed_bytes_total", Help: "Bytes of packs that were deleted because others have taken their place."}),
	}
	for _, outcome := range mirror.Outcomes {
		m.checks.WithLabelValues(outcome, "")
	}
	for _, class := range words(failure.Classes) {
		m.checks.WithLabelValues(failed, class)
		for _, source := range sources.values {
			m.fetches.WithLabelValues(source, class)
		}
	}
	for _, source := range sources.values {
		m.fetches.WithLabelValues(source, "")
	}
	return m
}

// Checked implements mirror.Meter.
func (m *Mirror) Checked(outcome string, took time.Duration) {
	if slices.Contains(mirror.Outcomes, outcome) {
		m.checks.WithLabelValues(outcome, "").Inc()
	} else {
		m.checks.WithLabelValues(failed, outcome).Inc()
	}
	m.took.WithLabelValues(phaseCheck).Observe(took.Seconds())
}

// Fetched implements mirror.Meter.
func (m *Mirror) Fetched(peer bool, class failure.Class, bytes int64, took time.Duration) {
	source := fromUpstream
	if peer {
		source = fromPeer
	}
	m.fetches.WithLabelValues(source, string(class)).Inc()
	m.received.WithLabelValues(source).Add(float64(bytes))
	m.took.WithLabelValues(phaseFetch).Observe(took.Seconds())
}

// Published implements mirror.Meter.
func (m *Mirror) Published(fate mirror.CommitStatus, took time.Duration) {
	m.published.WithLabelValues(fate.String()).Inc()
	m.took.WithLabelValues(phasePublish).Observe(took.Seconds())
}

// RefsChanged implements mirror.Meter.
func (m *Mirror) RefsChanged(kind refs.Kind, n int) {
	m.changes.WithLabelValues(string(kind)).Add(float64(n))
}

// Maintained implements mirror.Meter.
func (m *Mirror) Maintained(job maintain.Job, hasFailed bool, took time.Duration) {
	result := done
	if hasFailed {
		result = failed
	}
	m.jobs.WithLabelValues(string(job), result).Inc()
	m.jobTime.WithLabelValues(string(job)).Add(took.Seconds())
}

// Freed implements mirror.Meter.
func (m *Mirror) Freed(bytes int64) { m.freed.Add(float64(bytes)) }
