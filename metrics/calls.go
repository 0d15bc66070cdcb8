package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"gitmirror/leader"
	"gitmirror/peer"
)

// Peers counts calls of other nodes.
type Peers struct {
	calls *prometheus.CounterVec
	took  *prometheus.HistogramVec
}

func newPeers(with promauto.Factory) *Peers {
	calls := label{"call", peer.Calls}
	return &Peers{
		calls: counters(with, "peer_calls_total", "Calls of other nodes by what they came to; api and serve pass on what clients asked for.", []label{calls, {"result", peer.Fates}}),
		took:  histograms(with, "peer_call_duration_seconds", "How long other nodes took to begin an answer, or to be given up.", moments, []label{calls}),
	}
}

// Called is told of a call.
func (p *Peers) Called(c peer.Call) {
	p.calls.WithLabelValues(c.Name, c.Fate).Inc()
	p.took.WithLabelValues(c.Name).Observe(c.Took.Seconds())
}

// Proposals counts the commands that this node had committed.
type Proposals struct {
	all  *prometheus.CounterVec
	took prometheus.Histogram
}

func newProposals(with promauto.Factory) *Proposals {
	return &Proposals{
		all:  counters(with, "proposals_total", "Commands of this node for the log by what they came to; unknown ones may be committed.", []label{{"result", leader.Fates}}),
		took: histogram(with, "proposal_duration_seconds", "How long this node's commands took until they were applied here, waits for a leader and tries included.", moments),
	}
}

// Proposed is told of a command.
func (p *Proposals) Proposed(fate string, took time.Duration) {
	p.all.WithLabelValues(fate).Inc()
	p.took.Observe(took.Seconds())
}
