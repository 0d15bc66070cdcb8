package metrics

import (
	"bytes"
	"log/slog"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/common/expfmt"
)

// prefix is that of all names but those that client_golang gives itself.
const prefix = "gitmirror_"

// Build is what the binary was made from.
type Build struct{ Version, Commit string }

// Config is what Metrics need.
type Config struct {
	Build Build
	// Read tells what is true now. It must not wait for a disk or another node.
	Read    func() Reading
	Process *Process // nil where other nodes may be in this process
	Log     *slog.Logger
}

// Metrics are one node's.
type Metrics struct {
	Mirror    *Mirror
	Serving   *Serving
	Peers     *Peers
	Proposals *Proposals

	registry *prometheus.Registry
	log      *slog.Logger

	mu   sync.Mutex
	last []byte // of a scrape; never changed
	at   time.Time
}

// New returns the metrics of a node.
func New(cfg Config) *Metrics {
	r := prometheus.NewRegistry()
	with := promauto.With(r)
	with.NewGaugeVec(prometheus.GaugeOpts{Name: prefix + "build_info", Help: "Always 1; its labels say what the binary was made from."},
		[]string{"version", "commit", "goversion"}).WithLabelValues(cfg.Build.Version, cfg.Build.Commit, runtime.Version()).Set(1)
	m := &Metrics{registry: r, log: cfg.Log,
		Mirror: newMirror(with), Serving: newServing(with), Peers: newPeers(with), Proposals: newProposals(with)}
	r.MustRegister(&state{cfg.Read})
	if cfg.Process != nil {
		r.MustRegister(cfg.Process.collectors()...)
	}
	return m
}

// shared is how long a scrape serves whoever else asks: what many ask for is made once, and
// is in memory once.
const shared = time.Second

// ServeHTTP answers a scrape, in Prometheus's text format.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := m.scrape()
	if err != nil {
		m.log.Warn("cannot export the metrics", "err", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", string(expfmt.NewFormat(expfmt.TypeTextPlain)))
	_, _ = w.Write(text)
}

func (m *Metrics) scrape() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last != nil && time.Since(m.at) < shared {
		return m.last, nil
	}
	families, err := m.registry.Gather()
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	to := expfmt.NewEncoder(&text, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, f := range families {
		if err := to.Encode(f); err != nil {
			return nil, err
		}
	}
	m.last, m.at = text.Bytes(), time.Now()
	return m.last, nil
}

// counters are one for each combination of what their labels can say: all are there from
// the start, so that the first of a kind is seen as an increase.
func counters(with promauto.Factory, name, help string, labels []label) *prometheus.CounterVec {
	v := with.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, names(labels))
	each(labels, func(values []string) { v.WithLabelValues(values...) })
	return v
}

func histograms(with promauto.Factory, name, help string, buckets []float64, labels []label) *prometheus.HistogramVec {
	v := with.NewHistogramVec(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: buckets}, names(labels))
	each(labels, func(values []string) { v.WithLabelValues(values...) })
	return v
}

func histogram(with promauto.Factory, name, help string, buckets []float64) prometheus.Histogram {
	return with.NewHistogram(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: buckets})
}

// label is one, and what it can say.
type label struct {
	name   string
	values []string
}

func names(labels []label) (list []string) {
	for _, l := range labels {
		list = append(list, l.name)
	}
	return list
}

// words are strings of any kind.
func words[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, w := range list {
		out[i] = string(w)
	}
	return out
}

func each(labels []label, do func(values []string)) {
	lists := [][]string{nil}
	for _, l := range labels {
		var next [][]string
		for _, list := range lists {
			for _, v := range l.values {
				next = append(next, append(list[:len(list):len(list)], v))
			}
		}
		lists = next
	}
	for _, list := range lists {
		do(list)
	}
}

// Buckets, in seconds: of what takes moments, and of what may take minutes.
var (
	moments = []float64{0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}
	minutes = []float64{0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600}
)
