package render

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitmirror/api"

	"github.com/google/go-cmp/cmp"
	"github.com/jedib0t/go-pretty/v6/text"
)

var update = flag.Bool("update", false, "write the golden files anew")

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func before(d time.Duration) time.Time   { return now.Add(-d) }
func beforeP(d time.Duration) *time.Time { t := before(d); return &t }

func healthy() *api.Status {
	node := func(i int, role string) api.Node {
		return api.Node{Name: fmt.Sprintf("n%d", i), ID: fmt.Sprintf("id-%d", i), State: "up", Role: role, HTTP: fmt.Sprintf("http://10.0.0.1%d:7654", i), Peer: fmt.Sprintf("10.0.0.1%d:7655", i),
			Owned: 137, Copies: 274, Since: before(time.Duration(i) * 26 * time.Hour), Version: "v0.1.0"}
	}
	return &api.Status{ClusterID: "01jd3k00-1111-2222", Verdict: api.Healthy, Leader: "n1", Tolerates: 1,
		Nodes: []api.Node{node(1, "leader"), node(2, "voter"), node(3, "voter")}, Repos: api.RepoCounts{Total: 412, Syncing: 3, ByState: map[string]int{"ready": 412}},
		Freshness: api.Freshness{Repos: 410, Unknown: 2, HalfMS: 40_000, MostMS: 720_000, OldestMS: 2_700_000, Changes: 1312, LagHalfMS: 31_000, LagMostMS: 250_000}}
}

func degraded() *api.Status {
	s := healthy()
	s.Verdict, s.Tolerates = api.Degraded, 0
	s.Nodes[1].State, s.Nodes[1].Since, s.Nodes[1].Leaving, s.Nodes[1].Flaps = "down", before(90*time.Second), 12, 4
	s.Nodes[2].Version = "v0.1.0-20261120115900-0123456789ab+dirty"
	s.Repos = api.RepoCounts{Total: 1412, Stale: 2, ByState: map[string]int{"ready": 1397, "unserved": 1, "cloning": 1, "copying": 3, "behind": 2, "failing": 7, "held": 1}}
	s.Since = beforeP(90 * time.Second)
	s.Attention = []api.Attention{
		{Message: "1 repository published and served by no node", Command: "gitmirror repo ls --state unserved"},
		{Message: "n2 is down", Command: "gitmirror node show n2", Since: beforeP(90 * time.Second)},
		{Message: "upstream git.example.org is unreachable: 7 repositories", Command: "gitmirror repo ls --state failing", Since: beforeP(41 * time.Minute)},
		{Message: "n1 fails at voters of n4: \x1b[2Jan address\nof somebody's", Command: "gitmirror node ls"},
	}
	s.Trouble = []api.Trouble{{Node: "n1", Step: "voters", Subject: "n4", Message: "have node n4 in consensus: duplicate address", Since: before(time.Minute)}}
	return s
}

func noQuorum() *api.Status {
	s := degraded()
	s.Verdict, s.Leader, s.AnsweredBy, s.LastContact = api.NoQuorum, "", "n3", beforeP(4*time.Minute)
	s.Since = s.LastContact
	s.Attention = append(s.Attention, api.Attention{Message: "no leader: writes are refused, and this is what n3 knew 4m ago", Command: "gitmirror node ls"})
	s.Nodes[0].State, s.Nodes[0].Since = "suspect", time.Time{}
	return s
}

func alone() *api.Status {
	s := healthy()
	s.Nodes, s.Tolerates, s.Repos = s.Nodes[:1], 0, api.RepoCounts{Total: 1, ByState: map[string]int{"pending": 1}}
	s.Attention = []api.Attention{{Message: "one node alone: its loss stops everything; run on another host", Command: "gitmirror start --join 10.0.0.11:7655"}}
	return s
}

// draining is a cluster of which one node is draining, and one drained and stopped.
func draining() *api.Status {
	s := healthy()
	s.Nodes[1].State, s.Nodes[1].Copies, s.Nodes[1].Owned = api.NodeDraining, 12, 3
	s.Nodes[1].Drain = &api.Drain{Since: before(time.Minute), Left: 12, Waiting: []api.DrainWaiting{{Repo: "github.com/acme/big", Why: "1 of 2 copies elsewhere are as new: that on n1 is being made"}, {Repo: "h/x\x1b[2J", Why: "it leaves in a moment"}}}
	s.Nodes[2].State, s.Nodes[2].Copies, s.Nodes[2].Owned = api.NodeDown, 0, 0
	s.Nodes[2].Drain = &api.Drain{Since: before(time.Hour), Done: true}
	s.Attention = []api.Attention{{Message: "n2 is draining, 12 copies left", Command: "gitmirror node show n2"}}
	return s
}

// sources are an index, and a forge of which something is held.
func sources() []api.Source {
	return []api.Source{
		{Name: "upstream-repos", Kind: "index", State: api.SourceListed, URL: "https://github.com/acme/upstream-repos", Index: "github.com/acme/upstream-repos", Owner: "n2", Namespace: "upstream", Claims: 412,
			Listing: &api.Listing{At: before(8 * time.Second), Generation: 31, Entries: 413, Added: 1, FlawsTotal: 1, Flaws: []api.Flaw{{File: "l/linux/linux-next", Line: 2, Why: "this is not YAML: mapping values are not allowed in this context"}}}},
		{Name: "acme", Kind: "github", State: api.SourceHeld, Since: beforeP(time.Hour), URL: "https://github.com", Account: "acme", Owner: "n1", Credentials: []string{"n1", "n3"}, Claims: 40, Next: beforeP(-52 * time.Minute),
			Selection: &api.Selection{Match: "^svc-", Exclude: "old", Topics: []string{"go", "rust"}, Visibility: []string{"public"}, SkipArchived: true, SkipForks: true, MaxRepoSize: 2 << 30, Wiki: true, Template: "team/{name}"},
			Listing:   &api.Listing{At: before(8 * time.Minute), Generation: 7, Entries: 31, Changed: 2, Skipped: 60, FlawsTotal: 1, Flaws: []api.Flaw{{File: "acme/svc\x1b[2J", Why: "team/svc is what acme/other is called already"}}},
			Hold:      &api.SourceHold{Since: before(time.Hour), Lost: 9, Earlier: 4, First: []string{"acme/svc-a", "acme/svc-b"}}},
	}
}

func repos() []api.Repo {
	times := 3
	return []api.Repo{
		{ID: "01", Name: "github.com/acme/big", URLs: []string{"https://github.com/acme/big", "https://mirror.example.org/acme/big"}, State: "ready", Owner: "n2", Epoch: 3, Generation: 117,
			Durable: true, Refs: 1204, RefsDigest: "9f2c", Head: "refs/heads/main", RefPrefixes: []string{"refs/heads/", "refs/tags/"}, Labels: map[string]string{"team": "core"}, Policy: api.Policy{Replicas: 2, IntervalMS: 60000},
			Copies:    []api.Copy{{Node: "n2", State: "ready", Generation: 117}, {Node: "n1", State: "ready", Generation: 117}},
			LastCheck: beforeP(12 * time.Second), LastChange: beforeP(3 * time.Hour), NextCheck: beforeP(-48 * time.Second)},
		{ID: "02", Name: "git.example.org/a/very/long/path/to/some-repository-with-a-name", URLs: []string{"https://git.example.org/a/very/long/path/to/some-repository-with-a-name"},
			State: "failing", Since: beforeP(41 * time.Minute), Owner: "n3", Epoch: 1, Policy: api.Policy{Replicas: 3, IntervalMS: 1000}, Copies: []api.Copy{{Node: "n3", State: "wanted"}, {Node: "n1", State: "broken", Since: beforeP(26 * time.Hour)}},
			Error: &api.RepoError{Class: "network", Message: "dial tcp: lookup git.example.org:\nno such \x1b[2Jhost, tried for a long time \u202e", Since: before(41 * time.Minute), Count: &times}},
		{ID: "03", Name: "h/held", URLs: []string{"https://h/held"}, State: "held", Reason: "mass_delete", Policy: api.Policy{Replicas: 2, IntervalMS: 3600000}},
	}
}

// upkept is a repo whose copies are kept in different ways.
func upkept() *api.Repo {
	r := repos()[0]
	r.Copies = []api.Copy{
		{Node: "n1", State: "ready", Generation: 117, Upkeep: &api.Upkeep{Read: beforeP(3 * time.Hour), Checked: beforeP(200 * time.Hour), Doing: "gather", Error: "join: git pack-objects: fatal: \x1b[2Jno"}},
		{Node: "n2", State: "ready", Generation: 117, Upkeep: &api.Upkeep{Read: beforeP(20 * time.Minute), Collected: beforeP(time.Minute)}},
		{Node: "n3", State: "ready", Generation: 117},
		{Node: "n4", State: "ready", Generation: 116, Behind: "its disk is full"},
	}
	return &r
}

// underway are repos that are cloned, copied, fetched, and wait.
func underway() []api.Repo {
	percent, all := 62, int64(190_000)
	receiving := &api.Progress{Upstream: "github.com", Phase: api.PhaseReceiving, Since: before(time.Minute), Percent: &percent, Objects: 120_000, AllObjects: &all, Bytes: 1_395_864_371, Rate: 39_845_888}
	fromPeer := *receiving
	fromPeer.Upstream, fromPeer.Peer = "", "n2"
	list := []api.Repo{repos()[0], repos()[0], repos()[0], repos()[0]}
	for i, name := range []string{"cloning", "copying", "growing", "waiting"} {
		list[i].Name, list[i].Policy = "github.com/acme/"+name, api.Policy{Replicas: 3, IntervalMS: 60000}
		list[i].Copies = []api.Copy{{Node: "n1", State: "wanted"}, {Node: "n2", State: "ready", Generation: 117}, {Node: "n3", State: "ready", Generation: 117}}
	}
	list[0].State, list[0].Generation, list[0].Copies[1] = "cloning", 0, api.Copy{Node: "n2", State: "wanted", Progress: receiving}
	list[0].Copies[2] = api.Copy{Node: "n3", State: "wanted"}
	list[1].State, list[1].Copies[0].Progress = "copying", &fromPeer
	list[2].Copies[1].Progress = &api.Progress{Upstream: "github.com", Phase: api.PhasePreparing}
	list[3].State, list[3].Generation, list[3].Copies[1] = "cloning", 0, api.Copy{Node: "n2", State: "wanted", Progress: &api.Progress{Upstream: "github.com", Phase: api.PhaseWaiting}}
	return list
}

// held is a repo that waits for somebody's word, while upstream is away.
func held() *api.Repo {
	r := repos()[0]
	r.State, r.Reason, r.Also = "held", "mass_delete", []string{"failing: network"}
	r.Error = &api.RepoError{Class: "network", Message: "no such host", Since: before(time.Minute)}
	h := &api.Hold{Reason: api.HoldMassDelete, Since: before(2 * time.Hour), Lost: 14, Settled: 30, Approved: beforeP(time.Minute)}
	for i := range 13 {
		h.First = append(h.First, api.Change{Ref: fmt.Sprintf("refs/heads/b%02d\x1b[31m", i), Old: "1234567890abcdef", Kind: "deleted"})
	}
	h.First[0].New = "fedcba0987654321"
	h.Message = h.Describe(r.Name)
	upstream := ""
	r.Hold, r.Pins = h, []api.Pin{{Ref: "refs/heads/main", OID: "1111111111111111", Upstream: &upstream}}
	r.Released = []api.Release{{Ref: "refs/heads/b", Upstream: &upstream}, {Ref: "refs/heads/c"}}
	r.Lost = &api.LostRefs{Count: 1, First: h.First[1:2]}
	return &r
}

// second is a repository whose second url answers, and not its first.
func second() *api.Repo {
	r := repos()[0]
	r.Fallback = &api.Fallback{URL: r.URLs[1], Since: before(20 * time.Minute), NextProbe: beforeP(-40 * time.Minute)}
	return &r
}

// moved is a repository of which one upstream has moved to what a shell would run.
func moved() *api.Repo {
	r := repos()[0]
	r.Moved = &api.Moved{From: r.URLs[1], To: "https://new.example.org/a&b;c$IFS'd", Since: before(3 * time.Hour)}
	return &r
}

// movedListed is one that a source alone wants.
func movedListed() *api.Repo {
	r := moved()
	r.Claims, r.Origins = []api.Claim{{Source: "acme", Path: "1", File: "acme/one"}}, []api.Origin{{Setting: "upstream", Source: "acme"}}
	return r
}

func refs() []api.Ref {
	return []api.Ref{
		{Ref: "refs/heads/main", OID: "1111111111111111", Pinned: true},
		{Ref: "refs/heads/main", OID: "2222222222222222", Kept: true, At: beforeP(time.Hour), ReplacedBy: "1111111111111111"},
		{Ref: "refs/heads/topic", OID: "3333333333333333", Kept: true, At: beforeP(50 * time.Hour)},
		{Ref: "refs/tags/v1", OID: "4444444444444444"},
	}
}

func events() []api.Event {
	changes := []api.Change{{Ref: "refs/heads/main", Kind: "updated"}, {Ref: "refs/heads/x\x1b[2J", Kind: "forced"}, {Ref: "refs/tags/v1", Kind: "created"}, {Ref: "refs/tags/v2", Kind: "created"}}
	return []api.Event{
		{Seq: 1, At: before(49 * time.Hour), Type: "node_joined", Node: "n1", Detail: "10.0.0.11:7655"},
		{Seq: 1040, At: before(time.Hour), Type: "dropped", Detail: "38 events are not kept any more"},
		{Seq: 1041, At: before(time.Hour), Type: "baseline", Repo: "github.com/acme/big", Node: "n2", Generation: 1, Detail: "1204 refs"},
		{Seq: 1042, At: before(59 * time.Minute), Type: "published", Repo: "github.com/acme/big", Node: "n2", Generation: 2, Changes: changes, ChangesTotal: 1300},
		{Seq: 1043, At: before(time.Minute), Type: "failing", Repo: "git.example.org/a", Node: "n3", Detail: "network: no such\nhost \u202e"},
		{Seq: 1044, At: now, Type: "recovered", Repo: "git.example.org/a", Detail: "was failing for 1m0s: network"},
	}
}

func TestGolden(t *testing.T) {
	drawings := map[string]func(p Printer) error{
		"healthy":  func(p Printer) error { return p.Status(healthy()) },
		"degraded": func(p Printer) error { return p.Status(degraded()) },
		"noquorum": func(p Printer) error { return p.Status(noQuorum()) },
		"draining": func(p Printer) error {
			s := draining()
			if err := p.Status(s); err != nil {
				return err
			}
			return p.Node(&s.Nodes[1])
		},
		"alone":   func(p Printer) error { return p.Status(alone()) },
		"repos":   func(p Printer) error { return p.Repos(repos()) },
		"wide":    func(p Printer) error { return p.ReposWide(append(underway(), repos()...)) },
		"cloning": func(p Printer) error { return p.Repo(&underway()[0], "", "http://10.0.0.11:7654/") },
		"upkept":  func(p Printer) error { return p.Repo(upkept(), "", "http://10.0.0.11:7654/") },
		"copying": func(p Printer) error { return p.Repo(&underway()[1], "", "http://10.0.0.11:7654/") },
		"repo":    func(p Printer) error { return p.Repo(&repos()[0], "", "http://10.0.0.11:7654/") },
		"broken":  func(p Printer) error { return p.Repo(&repos()[1], "", "http://10.0.0.11:7654") },
		"moved":   func(p Printer) error { return p.Repo(moved(), "", "http://10.0.0.11:7654") },
		"listed":  func(p Printer) error { return p.Repo(movedListed(), "", "http://10.0.0.11:7654") },
		"second":  func(p Printer) error { return p.Repo(second(), "", "http://10.0.0.11:7654") },
		"held":    func(p Printer) error { return p.Repo(held(), "", "http://10.0.0.11:7654") },
		"refs":    func(p Printer) error { return p.Refs(refs()) },
		"source":  func(p Printer) error { return p.Source(&sources()[0]) },
		"forge":   func(p Printer) error { return p.Source(&sources()[1]) },
		"sources": func(p Printer) error { return p.Sources(sources()) },
		"listing": func(p Printer) error {
			s := sources()[1]
			s.Credentials, s.WithCredential, s.Unusable = nil, true, map[string]string{"n3": "/etc/acme.token may be read by others"}
			s.Repos = &api.HeldRepos{Total: 21, First: []api.HeldRepo{{Name: "acme/tool", URL: "https://github.com/acme/tool", Since: before(time.Hour), Message: "upstream replaced the history of the default branch: refs/heads/main. It is not followed. If it is meant: gitmirror repo approve acme/tool"}}}
			s.State, s.Hold, s.Listing, s.Since = api.SourceListing, nil, nil, beforeP(90*time.Minute)
			s.Underway = &api.Underway{Since: before(90 * time.Minute), Pages: 1200, Found: 119000, Changed: 3, Until: beforeP(-17 * time.Minute), Trouble: "github.com cannot be asked: it does not answer in time\x1b[2J"}
			return p.Source(&s)
		},
		"import": func(p Printer) error {
			return p.Imported([]Imported{{"acme/svc-auth", 12 << 20, "add", ""}, {"acme/svc-old", 3 << 20, "skip", "archived"}, {"acme/svc-pay", 0, "exists", "same URL"},
				{"acme/tools/with/many/groups/below/each/other/and/a-name", 44 << 30, "error", "team/a-name is what acme/other/a-name is called already\x1b[2J"}})
		},
		"node": func(p Printer) error { return p.Node(&degraded().Nodes[1]) },
		"events": func(p Printer) error {
			for _, e := range events() {
				if err := p.Event(&e); err != nil {
					return err
				}
			}
			return nil
		},
	}
	for name, draw := range drawings {
		for _, look := range []struct {
			name  string
			width int
			color bool
		}{{"pipe", 0, false}, {"80", 80, false}, {"200", 200, false}, {"80-color", 80, true}} {
			t.Run(name+"/"+look.name, func(t *testing.T) {
				var b bytes.Buffer
				if err := draw(Printer{Out: &b, Width: look.width, Color: look.color, Now: now}); err != nil {
					t.Fatal(err)
				}
				checkDrawing(t, b.String(), look.color)
				golden(t, name+"-"+look.name, b.Bytes())
			})
		}
	}
}

// checkDrawing holds what is true of every drawing.
func checkDrawing(t *testing.T, s string, color bool) {
	t.Helper()
	if !color && strings.Contains(s, "\x1b") {
		t.Error("there is an escape sequence where no colour was wanted")
	}
	for line := range strings.Lines(s) {
		if line = strings.TrimSuffix(line, "\n"); strings.TrimRight(line, " ") != line {
			t.Errorf("the line %q ends in spaces", line)
		}
		for _, r := range line {
			if r == '\u202e' || r == '\r' || r == '\t' {
				t.Errorf("%q is in the line %q", r, line)
			}
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got), go test -update writes it anew:\n%s", path, diff)
	}
}

// The colours are only added: without them every word is the same.
func TestColourIsNeverTheOnlySign(t *testing.T) {
	var plain, color bytes.Buffer
	if err := (Printer{Out: &plain, Now: now}).Status(degraded()); err != nil {
		t.Fatal(err)
	}
	if err := (Printer{Out: &color, Now: now, Color: true}).Status(degraded()); err != nil {
		t.Fatal(err)
	}
	if got := text.StripEscape(color.String()); got != plain.String() {
		t.Errorf("without its colours:\n%s\nplain:\n%s", got, plain.String())
	}
}

func TestTablesFitTheTerminal(t *testing.T) {
	for _, width := range []int{80, 100, 120, 200} {
		var b bytes.Buffer
		if err := (Printer{Out: &b, Now: now, Width: width}).Repos(repos()); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if n := text.StringWidthWithoutEscSequences(strings.TrimSpace(line)); n > width {
				t.Errorf("a line of %d columns on %d: %s", n, width, line)
			}
		}
	}
}

func TestAPipeGetsEverything(t *testing.T) {
	var b bytes.Buffer
	if err := (Printer{Out: &b, Now: now}).Repos(repos()); err != nil {
		t.Fatal(err)
	}
	for _, r := range repos() {
		if !strings.Contains(b.String(), r.Name) {
			t.Errorf("%s is not whole", r.Name)
		}
	}
	if !strings.Contains(b.String(), "tried for a long time") || !strings.Contains(b.String(), "LAST CHANGE") {
		t.Errorf("something is cut or left out:\n%s", b.String())
	}
}

func TestAgo(t *testing.T) {
	p := Printer{Now: now}
	for d, want := range map[time.Duration]string{
		0: "now", -time.Hour: "now", 900 * time.Millisecond: "now", 59 * time.Second: "59s ago", 61 * time.Second: "1m ago", 3 * time.Hour: "3h ago", 49 * time.Hour: "2d ago", 400 * 24 * time.Hour: "400d ago",
	} {
		if got := p.ago(beforeP(d)); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
	if got := p.ago(nil) + p.until(nil) + p.until(beforeP(-90*time.Second)); got != "--in 1m" {
		t.Errorf("%q", got)
	}
}
