package metrics

import (
	"sync"
	"testing"
	"time"

	gometrics "github.com/hashicorp/go-metrics/compat"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// What the libraries measure by go-metrics is the process's, until it is given back; times
// are in seconds, and ids of nodes are dropped.
func TestTheProcessHearsTheLibraries(t *testing.T) {
	p, err := TakeProcess()
	if err != nil {
		t.Fatal(err)
	}
	defer p.GiveBack()
	gometrics.IncrCounter([]string{"raft", "apply"}, 2)
	gometrics.MeasureSince([]string{"raft", "commitTime"}, time.Now().Add(-3*time.Second))
	gometrics.AddSample([]string{"raft", "leader", "lastContact"}, 1500)
	gometrics.AddSample([]string{"raft", "thread", "main", "saturation"}, 0.25)
	gometrics.SetGaugeWithLabels([]string{"memberlist", "health", "score"}, 4, []gometrics.Label{{Name: "node", Value: "n1"}})
	gometrics.IncrCounter([]string{"raft", "replication", "appendEntries", "logs", "some-id"}, 7)
	gometrics.IncrCounterWithLabels([]string{"raft", "replication", "appendEntries", "logs"}, 7, []gometrics.Label{{Name: "peer_id", Value: "some-id"}})
	for key, want := range map[string]float64{"raft.apply": 2, "raft.replication.appendEntries.logs": 7} {
		if got := testutil.ToFloat64(p.counters[key]); got != want {
			t.Errorf("%s is %g, want %g", key, got, want)
		}
	}
	for key, want := range map[string]float64{"raft.thread.main.saturation": 0.25, "memberlist.health.score": 4} {
		if got := testutil.ToFloat64(p.gauges[key]); got != want {
			t.Errorf("%s is %g, want %g", key, got, want)
		}
	}
	for key, want := range map[string][2]float64{"raft.commitTime": {3, 4}, "raft.leader.lastContact": {1.5, 1.51}} {
		if got := sumOf(t, p.timers[key].Observer.(prometheus.Histogram)); got < want[0] || got > want[1] {
			t.Errorf("%s took %g seconds, want %v", key, got, want)
		}
	}
	p.GiveBack()
	gometrics.IncrCounter([]string{"raft", "apply"}, 1)
	if got := testutil.ToFloat64(p.counters["raft.apply"]); got != 2 {
		t.Errorf("given back, it still hears: %g", got)
	}
}

func sumOf(t *testing.T, h prometheus.Histogram) float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(h)
	families, err := r.Gather()
	if err != nil || len(families) != 1 {
		t.Fatal(families, err)
	}
	return families[0].GetMetric()[0].GetHistogram().GetSampleSum()
}

// Who takes the process while others measure harms nobody.
func TestTheProcessIsTakenWhileOthersMeasure(t *testing.T) {
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					gometrics.IncrCounter([]string{"raft", "apply"}, 1)
					gometrics.MeasureSince([]string{"raft", "fsm", "apply"}, time.Now())
				}
			}
		})
	}
	for range 50 {
		p, err := TakeProcess()
		if err != nil {
			t.Fatal(err)
		}
		p.GiveBack()
	}
	close(stop)
	wg.Wait()
}
