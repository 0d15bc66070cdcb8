package metrics

import (
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"gitmirror/mirror"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/schedule"
	"gitmirror/mirror/space"
	"gitmirror/peer"
	"gitmirror/server"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func scraped(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("%d %s %s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	return w.Body.String()
}

func TestWhatIsExportedIsWhatWasSaid(t *testing.T) {
	r := Reading{
		Raft:   Raft{Leads: true, Term: 3, Committed: 9, Contact: -1, LeaderChanges: 2},
		Table:  server.Counts{Repos: map[string]int{"ready": 5}, Failing: map[string]int{"auth": 6}, Below: 1, Nodes: map[string]int{"up": 2, "down": 1}, Voters: 3, Tolerates: 1, Index: 8},
		Mirror: mirror.Load{Load: schedule.Load{Checks: schedule.Line{Running: 1, Waiting: 2, Oldest: 3 * time.Second}, Firsts: schedule.Line{Running: 4}, Ages: []time.Duration{9 * time.Second, time.Second, 2 * time.Second}, Stale: 1}},
	}
	r.Table.Sources = []server.SourceCounts{{Name: "acme", Repos: 17, Errors: 2, Held: true, Listed: time.UnixMilli(1_900_000_000_500)}, {Name: "kernel", Fails: true}}
	r.Table.Held.Copies, r.Table.Held.Wanted, r.Table.Held.Owned = 7, 2, 3
	r.Mirror.Condition.Disk.State, r.Mirror.CopyPacks = space.Low, 12
	m := New(Config{Build: Build{"v1", "abc"}, Read: func() Reading { return r }, Log: quiet()})
	m.Mirror.Checked("changed", time.Second)
	m.Mirror.Checked(string(failure.Auth), time.Second)
	m.Mirror.Fetched(true, "", 100, time.Second)
	m.Mirror.Fetched(false, failure.Timeout, 10, time.Second)
	m.Mirror.Published(mirror.Overtaken, time.Second)
	m.Mirror.RefsChanged(refs.Forced, 4)
	m.Serving.Cloned(server.SourcePeer, server.Answer{Code: 200, Bytes: 50, Took: time.Second})
	m.Serving.Cloned(server.SourceLocal, server.Answer{Code: 200, Bytes: 5, Cut: true})
	m.Serving.Cloned(server.SourceNone, server.Answer{Code: 503})
	m.Serving.Answered(server.Answer{Route: "/livez", Method: "GET", Code: 200})
	m.Peers.Called(peer.Call{Name: "live", Fate: "silent"})
	m.Proposals.Proposed("applied", time.Second)
	text := scraped(t, m)
	for _, want := range []string{
		`build_info{commit="abc",goversion=`, `raft_is_leader 1`, `raft_term 3`, `raft_commit_index 9`, `raft_applied_index 8`, `raft_last_contact_seconds +Inf`, `leader_changes_total 2`,
		`tolerated_failures 1`, `nodes{state="up"} 2`, `nodes{state="suspect"} 0`, `repositories{state="ready"} 5`, `repositories{state="held"} 0`, `under_replicated_repositories 1`, `failing_repositories{error_class="auth"} 6`, `failing_repositories{error_class="disk"} 0`,
		`source_repositories{source_name="acme"} 17`, `source_errors{source_name="acme"} 2`, `source_held{source_name="acme"} 1`, `source_failing{source_name="acme"} 0`, `source_listed_timestamp_seconds{source_name="acme"} 1.9000000005e+09`,
		`source_held{source_name="kernel"} 0`, `source_failing{source_name="kernel"} 1`, `source_listed_timestamp_seconds{source_name="kernel"} 0`,
		`owned_repositories 3`, `copies{state="held"} 5`, `copies{state="wanted"} 2`, `copy_packs 12`, `stale_repositories 1`,
		`repository_staleness_seconds{share="0.5"} 2`, `repository_staleness_seconds{share="0.95"} 9`, `repository_staleness_seconds{share="1"} 9`,
		`sync_queue_length{lane="checks"} 2`, `sync_queue_oldest_seconds{lane="checks"} 3`, `sync_running{lane="first_copies"} 4`, `disk_state{state="low"} 1`, `disk_state{state="well"} 0`,
		`sync_total{error_class="",result="changed"} 1`, `sync_total{error_class="auth",result="failed"} 1`, `sync_total{error_class="disk",result="failed"} 0`,
		`fetches_total{error_class="",source="peer"} 1`, `fetches_total{error_class="timeout",source="upstream"} 1`, `sync_received_bytes_total{source="peer"} 100`,
		`publishes_total{result="overtaken"} 1`, `ref_updates_total{kind="forced"} 4`,
		`clone_requests_total{result="served",source="peer"} 1`, `clone_requests_total{result="cut",source="local"} 1`, `clone_requests_total{result="refused",source="none"} 1`,
		`clone_sent_bytes_total{source="local"} 5`, `clone_duration_seconds_count 1`, `http_request_duration_seconds_count{code="200",method="GET",route="/livez"} 1`,
		`peer_calls_total{call="live",result="silent"} 1`,
		// What has not happened yet is there too: the first of a kind is an increase.
		`peer_calls_total{call="join",result="failed"} 0`, `proposals_total{result="unknown"} 0`, `clone_requests_total{result="cut",source="peer"} 0`, `peer_call_duration_seconds_count{call="join"} 0`, `proposals_total{result="applied"} 1`,
	} {
		if !strings.Contains(text, "\n"+prefix+want) {
			t.Errorf("there is no %s", want)
		}
	}
}

// The names are as Prometheus's own linter wants them, and no label is one that could grow.
func TestNamesAreWhatPrometheusExpects(t *testing.T) {
	p, err := TakeProcess()
	if err != nil {
		t.Fatal(err)
	}
	defer p.GiveBack()
	m := New(Config{Read: func() Reading { return Reading{Table: server.Counts{Sources: []server.SourceCounts{{Name: "acme"}}}} }, Process: p, Log: quiet()})
	problems, err := promlint.New(strings.NewReader(scraped(t, m))).Lint()
	if err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	if problems, err := testutil.GatherAndLint(m.registry); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	bounded := []string{"version", "commit", "goversion", "state", "result", "error_class", "phase", "source", "kind", "route", "method", "code", "call", "share", "lane", "task", "source_name"}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), prefix) {
			continue
		}
		for _, one := range f.GetMetric() {
			if i := slices.IndexFunc(one.GetLabel(), func(l *dto.LabelPair) bool { return !slices.Contains(bounded, l.GetName()) }); i >= 0 {
				t.Errorf("%s has the label %s: say here that what it says is bounded", f.GetName(), one.GetLabel()[i].GetName())
			}
		}
	}
}

// However many ask, the node is looked at once a second.
func TestAScrapeIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		m := New(Config{Read: func() Reading { reads++; return Reading{} }, Log: quiet()})
		first := scraped(t, m)
		m.Proposals.Proposed("applied", 0)
		for range 100 {
			if scraped(t, m) != first {
				t.Fatal("within a second another answer is made")
			}
		}
		time.Sleep(shared)
		if second := scraped(t, m); reads != 2 || second == first {
			t.Errorf("the node was looked at %d times, want 2", reads)
		}
	})
}
