package metrics

import (
	"strings"
	"time"

	gometrics "github.com/hashicorp/go-metrics/compat"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Process is what is the process's, and not a node's: Go's runtime, memory and descriptors,
// and what raft and memberlist measure. Those tell one place, which is the process's, without
// saying for which node: where several nodes are in one, nobody could tell them apart.
type Process struct {
	counters map[string]prometheus.Counter
	gauges   map[string]prometheus.Gauge
	timers   map[string]timer
}

type timer struct {
	prometheus.Observer
	unit float64 // seconds of one of what the library says
}

// TakeProcess has raft and memberlist tell the process that it returns, until the next is
// taken or this one is given back. It is for who has the process alone, before it opens a
// cluster.
func TakeProcess() (*Process, error) {
	p := &Process{counters: map[string]prometheus.Counter{}, gauges: map[string]prometheus.Gauge{}, timers: map[string]timer{}}
	for _, l := range libraries {
		switch l.kind {
		case counts:
			p.counters[l.key] = prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + l.name, Help: l.help})
		case shows:
			p.gauges[l.key] = prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + l.name, Help: l.help})
		case times:
			p.timers[l.key] = timer{prometheus.NewHistogram(prometheus.HistogramOpts{Name: prefix + l.name, Help: l.help, Buckets: moments}), l.unit}
		}
	}
	return p, tell(sink{p})
}

// GiveBack has the libraries tell nobody.
func (p *Process) GiveBack() { _ = tell(&gometrics.BlackholeSink{}) }

// tell has the libraries tell one. What they measure with is a variable of go-metrics',
// which may be replaced while it is used.
func tell(to gometrics.MetricSink) error {
	_, err := gometrics.NewGlobal(&gometrics.Config{FilterDefault: true, TimerGranularity: time.Second}, to)
	return err
}

func (p *Process) collectors() []prometheus.Collector {
	list := []prometheus.Collector{collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})}
	for _, c := range p.counters {
		list = append(list, c)
	}
	for _, g := range p.gauges {
		list = append(list, g)
	}
	for _, t := range p.timers {
		list = append(list, t.Observer.(prometheus.Histogram))
	}
	return list
}

// sink is where the libraries send what they measure. What libraries does not name is
// dropped, and so are labels: they have ids of nodes, which some keys end in, too.
type sink struct{ p *Process }

func nameOf(key []string) string { return strings.Join(key, ".") }

func (s sink) IncrCounterWithLabels(key []string, v float32, _ []gometrics.Label) {
	if c := s.p.counters[nameOf(key)]; c != nil && v > 0 {
		c.Add(float64(v))
	}
}

func (s sink) SetGaugeWithLabels(key []string, v float32, _ []gometrics.Label) {
	if g := s.p.gauges[nameOf(key)]; g != nil {
		g.Set(float64(v))
	}
}

// AddSampleWithLabels takes samples of times, and the last of those that are lengths.
func (s sink) AddSampleWithLabels(key []string, v float32, _ []gometrics.Label) {
	name := nameOf(key)
	if t, ok := s.p.timers[name]; ok {
		t.Observe(float64(v) * t.unit)
	} else if g := s.p.gauges[name]; g != nil {
		g.Set(float64(v))
	}
}

func (s sink) IncrCounter(key []string, v float32) { s.IncrCounterWithLabels(key, v, nil) }
func (s sink) SetGauge(key []string, v float32)    { s.SetGaugeWithLabels(key, v, nil) }
func (s sink) AddSample(key []string, v float32)   { s.AddSampleWithLabels(key, v, nil) }
func (s sink) EmitKey([]string, float32)           {}
