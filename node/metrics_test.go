package node_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metricsql"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"gitmirror/api"
	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/node"
)

var update = flag.Bool("update", false, "write the table of docs/metrics.md")

// families are what a scrape has, by name.
type families map[string]*dto.MetricFamily

// scrape asks a node as Prometheus does.
func (r *running) scrape(t *testing.T) (families, string) {
	t.Helper()
	resp, err := http.Get(r.info.HTTP + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status, err)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	f, err := parser.TextToMetricFamilies(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return f, string(text)
}

// sum adds up the series of a metric that have these labels, name and value in turns. It is
// the count where the metric is a histogram.
func (f families) sum(name string, labels ...string) (sum float64) {
	for _, m := range f["gitmirror_"+name].GetMetric() {
		if !has(m, labels) {
			continue
		}
		sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
	}
	return sum
}

func has(m *dto.Metric, labels []string) bool {
	for i := 0; i < len(labels); i += 2 {
		if !slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetName() == labels[i] && l.GetValue() == labels[i+1] }) {
			return false
		}
	}
	return true
}

// What a cluster does shows: repositories, their copies, who served a clone, and why an
// upstream cannot be followed. Several nodes in one process count each for itself.
func TestWhatANodeDoesIsCounted(t *testing.T) {
	up := gittest.Upstream(t)
	repo := sample(t, up, "a")
	nodes := cluster(t, 3)
	nodes[0].add(t, api.AddRepo{URL: up.URL("a"), Name: "a", Interval: "1s"})
	if _, err := nodes[0].client.Add(t.Context(), api.AddRepo{URL: up.URL("gone"), Name: "gone", Interval: "1s"}, ""); err != nil {
		t.Fatal(err)
	}
	// A node whose copy, or whose table, is a moment behind would stream the clone.
	everywhere := func(generation uint64) {
		for _, r := range nodes {
			r.await(t, "a", fmt.Sprintf("at generation %d on two nodes", generation), func(x *api.Repo) bool {
				return x.Generation == generation && len(x.Copies) == 2 && !slices.ContainsFunc(x.Copies, func(c api.Copy) bool { return c.Generation != generation })
			})
		}
	}
	everywhere(1)
	gittest.Edit(t, repo, commit("counted"))
	everywhere(2)
	for _, r := range nodes {
		gittest.Run(t, t.TempDir(), "clone", "--quiet", r.gitURL("a"), "copy")
	}
	of := func(name string, labels ...string) (sum float64) {
		for _, r := range nodes {
			f, _ := r.scrape(t)
			sum += f.sum(name, labels...)
		}
		return sum
	}
	atLeast := func(want float64, name string, labels ...string) {
		t.Helper()
		testlog.Eventually(t, fmt.Sprintf("%s %v to be %g or more", name, labels, want), func() bool { return of(name, labels...) >= want })
	}
	exactly := func(want float64, name string, labels ...string) {
		t.Helper()
		testlog.Eventually(t, fmt.Sprintf("%s %v to be %g", name, labels, want), func() bool { return of(name, labels...) == want })
	}
	exactly(3, "repositories", "state", "ready") // each node has the table
	exactly(3, "repositories", "state", "failing")
	exactly(3, "failing_repositories", "error_class", "not_found")
	exactly(9, "nodes", "state", "up")
	exactly(9, "raft_voters")
	exactly(3, "tolerated_failures")
	exactly(1, "raft_is_leader")
	exactly(2, "owned_repositories")
	exactly(2, "copies", "state", "held")
	exactly(0, "under_replicated_repositories")
	exactly(2, "publishes_total", "result", "committed")
	exactly(1, "ref_updates_total", "kind", "updated")
	exactly(2, "sync_total", "result", "changed")
	exactly(2, "fetches_total", "source", "upstream", "error_class", "")
	exactly(2, "fetches_total", "source", "peer", "error_class", "")
	exactly(2, "clone_requests_total", "source", "local", "result", "served")
	exactly(1, "clone_requests_total", "source", "peer", "result", "served")
	exactly(3, "clone_duration_seconds")
	atLeast(1, "sync_total", "result", "unchanged")
	atLeast(1, "sync_total", "result", "failed", "error_class", "not_found")
	atLeast(100, "sync_received_bytes_total", "source", "upstream")
	atLeast(100, "clone_sent_bytes_total", "source", "peer")
	atLeast(5, "proposals_total", "result", "applied")
	atLeast(1, "peer_calls_total", "call", "serve", "result", "answered")
	atLeast(3, "leader_changes_total")
	atLeast(3, "disk_state", "state", "well")
	atLeast(1<<20, "disk_free_bytes")
	atLeast(3, "http_request_duration_seconds", "route", "/git/{name}/git-upload-pack", "method", "POST", "code", "200")
	for _, r := range nodes {
		f, text := r.scrape(t)
		for _, secret := range []string{up.URL(""), "gone", "refs/heads", r.info.ClusterID} {
			if strings.Contains(text, secret) {
				t.Errorf("%s exports %q", r.cfg.Name, secret)
			}
		}
		// What is the process's would be of all three.
		for name := range f {
			if !strings.HasPrefix(name, "gitmirror_") || strings.HasPrefix(name, "gitmirror_memberlist_") {
				t.Errorf("%s is one of three in its process, and exports %s", r.cfg.Name, name)
			}
		}
	}
}

// alone is a node that has its process alone, which exports all there is.
func alone(t *testing.T) (families, string) {
	t.Helper()
	r := start(t, node.Config{Name: "n1", OwnProcess: true})
	r.eventually(t, "a leader", func(s *api.Status) bool { return s.Leader != "" })
	if _, err := r.client.AddSource(t.Context(), api.AddSource{Kind: api.SourceIndex, URL: gittest.Upstream(t).URL("gone"), Name: "acme"}, ""); err != nil {
		t.Fatal(err)
	}
	f, text := r.scrape(t)
	testlog.Eventually(t, "what raft measures", func() bool {
		f, text = r.scrape(t)
		return f.sum("raft_applies_total") > 0 && f.sum("raft_commit_seconds") > 0 && f["go_goroutines"] != nil
	})
	return f, text
}

// What docs/metrics.md lists is what a node exports, and the other way round; Prometheus's
// linter has nothing to say; and what alerts and the board ask for is there.
func TestWhatTheDocumentsSayOfMetrics(t *testing.T) {
	f, text := alone(t)
	if problems, err := promlint.New(strings.NewReader(text)).Lint(); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	t.Run("the page", func(t *testing.T) { thePage(t, f) })
	t.Run("alerts", func(t *testing.T) { theAlerts(t, f) })
	t.Run("the board", func(t *testing.T) { theBoard(t, f) })
}

func thePage(t *testing.T, f families) {
	const path, begin, end = "../docs/metrics.md", "<!-- metrics -->\n", "<!-- end of metrics -->"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	_, after, ends := strings.Cut(rest, end)
	if !ok || !ends {
		t.Fatalf("%s has no place for the table", path)
	}
	want := before + begin + f.table() + end + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(data) {
		t.Errorf("%s is not what a node exports: go test ./node -run DocumentsSayOfMetrics -update", path)
	}
}

// open are labels that have no list: what they can say is said here.
var open = map[string]string{"route": "a path of [api.md](api.md), or of git", "method": "GET, HEAD, …", "code": "HTTP's", "source_name": "as `gitmirror source ls` has it", "version": "", "commit": "", "goversion": ""}

// table is a row for each metric of ours.
func (f families) table() string {
	var b strings.Builder
	b.WriteString("| metric | type | labels | what it says |\n|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if !strings.HasPrefix(name, "gitmirror_") {
			continue
		}
		var labels []string
		for _, l := range f[name].GetMetric()[0].GetLabel() {
			said := f.values(name, l.GetName())
			if words, ok := open[l.GetName()]; ok {
				said = []string{words}
			}
			labels = append(labels, strings.TrimSuffix("`"+l.GetName()+"`: "+strings.Join(said, ", "), ": "))
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, strings.ToLower(f[name].GetType().String()), strings.Join(labels, "; "), f[name].GetHelp())
	}
	return b.String()
}

// values are what a label of a metric says.
func (f families) values(name, label string) (list []string) {
	for _, m := range f[name].GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() == label && l.GetValue() != "" {
				list = append(list, l.GetValue())
			}
		}
	}
	return sortedUnique(list)
}

func theAlerts(t *testing.T, f families) {
	file, err := os.Open("../docs/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr         string
				For                 model.Duration
				Labels, Annotations map[string]string
			}
		}
	}
	d := yaml.NewDecoder(file)
	d.KnownFields(true)
	if err := d.Decode(&rules); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			if seen[r.Alert] || !strings.HasPrefix(r.Alert, "Gitmirror") {
				t.Errorf("the alert %q is there twice, or is called as another's", r.Alert)
			}
			seen[r.Alert] = true
			if s := r.Labels["severity"]; s != "warning" && s != "critical" {
				t.Errorf("%s has the severity %q", r.Alert, s)
			}
			if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s does not say what it is, or what to do", r.Alert)
			}
			f.exports(t, r.Alert, r.Expr)
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d alerts", len(seen))
	}
}

func theBoard(t *testing.T, f families) {
	data, err := os.ReadFile("../docs/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Title, UID string
		Panels     []struct {
			ID          int
			Type, Title string
			Targets     []struct{ Expr string }
		}
		Templating struct {
			List []struct{ Name, Query string }
		}
	}
	if err := json.Unmarshal(data, &board); err != nil {
		t.Fatal(err)
	}
	ids, asked := map[int]bool{}, 0
	for _, p := range board.Panels {
		if ids[p.ID] {
			t.Errorf("two panels have the id %d", p.ID)
		}
		ids[p.ID] = true
		if (len(p.Targets) == 0) != (p.Type == "row") {
			t.Errorf("the panel %q asks for nothing", p.Title)
		}
		for _, target := range p.Targets {
			asked++
			f.exports(t, p.Title, variables.Replace(target.Expr))
		}
	}
	if asked < 20 {
		t.Errorf("only %d questions", asked)
	}
	for _, v := range board.Templating.List {
		if m := regexp.MustCompile(`^label_values\((.*), \w+\)$`).FindStringSubmatch(v.Query); m != nil {
			f.exports(t, v.Name, variables.Replace(m[1]))
		}
	}
}

// variables are those of Grafana, as they may be.
var variables = strings.NewReplacer("$__rate_interval", "1m", "$job", "gitmirror", "$instance", ".*")

// prometheusAdds are labels of every series that Prometheus has scraped.
var prometheusAdds = []string{"job", "instance"}

// exports fails the test where an expression asks for what is not exported: a metric, a label,
// or something that a label never says.
func (f families) exports(t *testing.T, of, expr string) {
	t.Helper()
	e, err := metricsql.Parse(expr)
	if err != nil {
		t.Errorf("%s: %v", of, err)
		return
	}
	metricsql.VisitAll(e, func(e metricsql.Expr) {
		switch e := e.(type) {
		case *metricsql.FuncExpr: // of PromQL's, which wants a range where MetricsQL does not
			for _, arg := range e.Args {
				if _, ranged := arg.(*metricsql.RollupExpr); !ranged && slices.Contains([]string{"rate", "increase", "delta"}, e.Name) {
					t.Errorf("%s: %s of %s has no range", of, e.Name, arg.AppendString(nil))
				}
			}
		case *metricsql.MetricExpr:
			for _, filters := range e.LabelFilterss {
				f.selects(t, of, filters)
			}
		}
	})
}

func (f families) selects(t *testing.T, of string, filters []metricsql.LabelFilter) {
	t.Helper()
	name := ""
	for _, l := range filters {
		if l.Label == "__name__" {
			name = l.Value
		}
	}
	if name == "up" { // Prometheus's own
		return
	}
	family := name
	for _, part := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(name, part); ok && f[base].GetType() == dto.MetricType_HISTOGRAM {
			family = base
		}
	}
	if f[family] == nil || family == name && f[family].GetType() == dto.MetricType_HISTOGRAM {
		t.Errorf("%s asks for %s, which is not exported", of, name)
		return
	}
	for _, l := range filters {
		if l.Label == "__name__" || slices.Contains(prometheusAdds, l.Label) || l.Value == "" {
			continue
		}
		wanted := []string{l.Value}
		if l.IsRegexp {
			wanted = strings.Split(l.Value, "|")
		}
		for _, w := range wanted {
			if !slices.Contains(f.values(family, l.Label), w) {
				t.Errorf("%s asks for %s with %s=%q, which it never is", of, name, l.Label, w)
			}
		}
	}
}
