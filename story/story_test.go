package story

import (
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
)

// table is a state machine with nodes a, b and c.
type table struct {
	t     *testing.T
	state *fsm.State
	index uint64
}

func newTable(t *testing.T) *table {
	tb := &table{t: t, state: fsm.New()}
	tb.do(&command.FoundCluster{ClusterId: "cluster", Format: fsm.Format})
	for _, n := range []string{"a", "b", "c"} {
		tb.do(&command.PutNode{Node: &command.Node{Id: "id-" + n, Name: "node-" + n, Peer: n + ":1", Format: fsm.Format}})
	}
	return tb
}

func (tb *table) do(msg proto.Message) {
	tb.t.Helper()
	tb.index++
	data, err := fsm.Encode(msg, "", time.Now())
	if err != nil {
		tb.t.Fatal(err)
	}
	r := tb.state.Apply(tb.index, data)
	if r.Err != nil || r.Outcome.Code != "" {
		tb.t.Fatal(r.Err, r.Outcome)
	}
	for _, i := range r.Outcome.Items {
		if i.Code != "" {
			tb.t.Fatalf("%T: %v", msg, i)
		}
	}
}

// add has the repo on all nodes, and owned by one.
func (tb *table) add(id, host, owner string) {
	tb.do(&command.AddRepos{Repos: []*command.NewRepo{{Id: id, Name: host + "/" + id, Urls: []string{"https://" + host + "/" + id}, UrlKeys: []string{host + "/" + id},
		Policy: &command.Policy{Replicas: 3, IntervalMs: 60000}, Copies: []string{"id-a", "id-b", "id-c"}, Owner: "id-" + owner}}})
}

func (tb *table) publish(id string, changes uint32) {
	row := tb.state.View().Repo(id)
	tb.do(&command.Publish{Repo: id, Node: tb.state.View().Node(row.Owner).ID, Epoch: row.Epoch, FromGeneration: row.Generation, Generation: row.Generation + 1, Complete: true,
		Candidate: fmt.Sprint(id, row.Generation), Digest: make([]byte, 20), RefsDigest: make([]byte, 20), Refs: 1204, ChangesTotal: changes, Baseline: row.Generation == 0})
}

func (tb *table) health(class, hold string, ids ...string) {
	reports := map[string]*command.Report{}
	for _, id := range ids {
		row := tb.state.View().Repo(id)
		owner := tb.state.View().Node(row.Owner).ID
		if reports[owner] == nil {
			reports[owner] = &command.Report{Node: owner}
		}
		h := &command.HealthReport{Repo: id, Epoch: row.Epoch, ErrorClass: class, HoldReason: hold}
		if class != "" {
			h.Message = "no such host"
		}
		if hold != "" {
			h.HoldLost, h.HoldSettled = 12, 30
		}
		reports[owner].Health = append(reports[owner].Health, h)
	}
	for _, r := range reports {
		tb.do(r)
	}
}

func (tb *table) copyIs(node, id string, state command.CopyState) {
	tb.do(&command.Report{Node: "id-" + node, Copies: []*command.CopyReport{{Repo: id, State: state, Generation: tb.state.View().Repo(id).Generation}}})
}

// log is what a node says.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// take returns the lines since it was called last, without their times.
func (l *log) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []string
	for line := range strings.Lines(l.text.String()) {
		_, line, _ = strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		lines = append(lines, line)
	}
	l.text.Reset()
	return lines
}

// listen runs a teller of the node in a directory until the test ends, or stop is called.
func (tb *table) listen(node, dir string) (to *log, stop func()) {
	to = &log{}
	t := New(Config{Self: "id-" + node, State: tb.state, Log: slog.New(slog.NewTextHandler(to, nil)), Path: filepath.Join(dir, "told")})
	ctx, cancel := context.WithCancel(tb.t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = t.Run(ctx) }()
	synctest.Wait()
	stop = sync.OnceFunc(func() { cancel(); <-ended })
	tb.t.Cleanup(stop)
	return to, stop
}

// A change is one line, in the log of one node: names, not ids, the class and the count, and
// the number of the event.
func TestALineForEachChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb := newTable(t)
		all := map[string]*log{}
		for _, n := range []string{"a", "b", "c"} {
			all[n], _ = tb.listen(n, t.TempDir())
		}
		for _, step := range []struct {
			do   func()
			want []string // the node, and what is in its line
		}{
			{func() { tb.add("x", "h", "a") }, []string{`a level=INFO msg="repository is added" repo=h/x event=4`}},
			{func() { tb.publish("x", 0) }, []string{`a level=INFO msg=cloned repo=h/x refs=1204 event=5`}},
			{func() { tb.publish("x", 3) }, []string{`a level=INFO msg=published repo=h/x generation=2 changes=3 event=6`}},
			{func() { tb.health("network", "", "x") }, []string{`a level=WARN msg="repository is failing" repo=h/x class=network err="no such host" event=7`}},
			{func() { tb.health("network", "", "x") }, nil},
			{func() { tb.health("", "", "x") }, []string{`a level=INFO msg="repository has recovered" repo=h/x what="was failing for 20s: network" event=8`}},
			{func() { tb.health("", "mass_delete", "x") }, []string{`a level=WARN msg="repository is held" repo=h/x reason=mass_delete lost=12 of=30 event=9`}},
			{func() { tb.do(&command.Approve{Repo: "x", Release: nil, Observed: make([]byte, 20)}) }, []string{`a level=INFO msg="what was held may be followed" repo=h/x what="12 losses" event=10`}},
			{func() {
				tb.copyIs("b", "x", command.CopyState_COPY_STATE_READY)
				tb.copyIs("b", "x", command.CopyState_COPY_STATE_BROKEN)
			}, []string{`b level=WARN msg="copy is broken" repo=h/x what="copy on node-b" event=11`}},
			{func() { tb.copyIs("b", "x", command.CopyState_COPY_STATE_READY) }, []string{`b level=INFO msg="copy is whole again" repo=h/x what="copy on node-b" event=12`}},
			{func() {
				tb.do(&command.Place{Rows: []*command.Placement{{Repo: "x", RowVersion: tb.state.View().Repo("x").Version, Leave: []string{"id-c"}}}})
			}, []string{`a level=INFO msg="copies move" repo=h/x what="away from node-c" event=13`}},
			{func() { tb.do(&command.SetNodeState{Id: "id-a", State: command.NodeState_NODE_STATE_DOWN}) }, []string{
				`b level=WARN msg="node is down" node=node-a what="was up" event=14`, `c level=WARN msg="node is down" node=node-a what="was up" event=14`}},
			{func() { tb.do(&command.AssignOwners{Rows: []*command.Ownership{{Repo: "x", Epoch: 1, Owner: "id-b"}}}) }, []string{
				`b level=INFO msg="owner has changed" repo=h/x what="from node-a to node-b" event=15`}},
			{func() { tb.do(&command.RemoveRepos{Ids: []string{"x"}}) }, []string{`b level=INFO msg="repository is removed" repo=h/x event=16`}},
		} {
			step.do()
			time.Sleep(10 * time.Second)
			var got []string
			for _, n := range []string{"a", "b", "c"} {
				for _, line := range all[n].take() {
					got = append(got, n+" "+line)
				}
			}
			if strings.Join(got, "\n") != strings.Join(step.want, "\n") {
				t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(step.want, "\n"))
			}
		}
	})
}

// A restart repeats nothing, and tells what this node alone was to tell and has not; where it
// is not known how far the story was told, it begins with what happens from then on.
func TestARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb, dir := newTable(t), t.TempDir()
		tb.add("x", "h", "a")
		tb.add("y", "h", "a")
		to, stop := tb.listen("a", dir)
		tb.health("network", "", "x")
		time.Sleep(time.Second)
		if got := to.take(); len(got) != 1 || !strings.Contains(got[0], "h/x") {
			t.Errorf("before: %q", got)
		}
		stop()
		tb.health("auth", "", "y") // it was proposed by the run before
		tb.do(&command.SetNodeState{Id: "id-b", State: command.NodeState_NODE_STATE_DOWN})
		time.Sleep(time.Hour)
		to, stop = tb.listen("a", dir)
		time.Sleep(time.Second)
		if got := to.take(); len(got) != 1 || !strings.Contains(got[0], "repo=h/y class=auth") || !strings.Contains(got[0], " at=") {
			t.Errorf("after: %q", got)
		}
		stop()
		for _, content := range []string{"", "7000\n", "-\n"} {
			if err := os.WriteFile(filepath.Join(dir, "told"), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			to, stop = tb.listen("a", dir)
			time.Sleep(time.Second)
			if got := to.take(); len(got) != 0 {
				t.Errorf("after %q: %q", content, got)
			}
			stop()
		}
	})
}

// Who is killed tells what it told last once more at the most: the place is written down with
// the lines, not at the end.
func TestThePlaceIsKeptWithTheLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb, dir := newTable(t), t.TempDir()
		tb.add("x", "h", "a")
		tb.listen("a", dir)
		tb.health("network", "", "x")
		time.Sleep(time.Second)
		again, _ := tb.listen("a", dir) // the other has not ended
		time.Sleep(time.Second)
		if got := again.take(); len(got) != 0 {
			t.Errorf("told twice: %q", got)
		}
	})
}

// Nothing is left out without a word: when more has happened at once than the table keeps,
// the log says how many it does not tell.
func TestWhatTheTableForgotIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb := newTable(t)
		tb.add("x", "h", "b")
		to, _ := tb.listen("a", t.TempDir())
		tb.do(&command.Tick{})
		synctest.Wait() // it rests now
		for range 10_007 {
			tb.publish("x", 1)
		}
		time.Sleep(time.Second)
		if got := to.take(); len(got) != 1 || !strings.Contains(got[0], "level=WARN") || !strings.Contains(got[0], "events=7 ") {
			t.Errorf("%q", got)
		}
	})
}

// What comes from upstream as it should, however much, keeps nothing else from being told; it
// is bounded for each host, and the rest of it is one line.
func TestMuchOfTheUsual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb := newTable(t)
		for i := range 60 {
			tb.add(fmt.Sprint("r", i), []string{"h", "g"}[i%2], "a")
		}
		time.Sleep(time.Minute)
		to, _ := tb.listen("a", t.TempDir())
		for i := range 60 {
			tb.publish(fmt.Sprint("r", i), 1)
		}
		tb.health("", "empty", "r7")
		time.Sleep(10 * time.Second)
		lines := to.take()
		count := func(words string) (n int) {
			for _, l := range lines {
				if strings.Contains(l, words) {
					n++
				}
			}
			return n
		}
		if len(lines) != 22 || count("msg=cloned repo=h/") != 10 || count("msg=cloned repo=g/") != 10 || count("is held") != 1 ||
			count(`msg="and 40 changes more" baseline=40 first="h/r20 baseline, g/r21 baseline, h/r22 baseline, g/r23 baseline, h/r24 baseline" within=1s see="gitmirror events"`) != 1 {
			t.Errorf("%d lines:\n%s", len(lines), strings.Join(lines, "\n"))
		}
	})
}

// A hundred repositories flap for ten minutes, at once or one after the other: at most 300
// lines, and each change is among the events.
func TestAHundredReposFlap(t *testing.T) {
	for _, c := range []struct {
		name         string
		hosts        int
		every, apart time.Duration
	}{
		{"at once", 1, 30 * time.Second, 0},
		{"one after the other", 1, 40 * time.Second, 400 * time.Millisecond},
		{"of many hosts", 100, 20 * time.Second, 200 * time.Millisecond},
		{"slowly", 10, 150 * time.Second, 1500 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tb := newTable(t)
				for i := range 100 {
					tb.add(fmt.Sprint("r", i), fmt.Sprint("h", i%c.hosts), "a")
				}
				to, _ := tb.listen("a", t.TempDir())
				_, before := tb.state.View().EventBounds()
				changes := 0
				for began := time.Now(); time.Since(began) < 10*time.Minute; {
					round := time.Now()
					class := []string{"network", ""}[changes/100%2]
					for i := range 100 {
						tb.health(class, "", fmt.Sprint("r", i))
						changes++
						if c.apart > 0 {
							time.Sleep(c.apart)
						}
					}
					time.Sleep(c.every - time.Since(round))
				}
				lines := to.take()
				if len(lines) > 300 || len(lines) < 30 {
					t.Errorf("%d lines for %d changes:\n%s", len(lines), changes, strings.Join(lines, "\n"))
				}
				t.Logf("%d lines for %d changes", len(lines), changes)
				if list := tb.state.View().Events(before); len(list) != changes {
					t.Errorf("%d events of %d changes", len(list), changes)
				}
				if said := saidIn(lines) + saidIn(laterLines(to)); said != changes {
					t.Errorf("the log counts %d changes of %d", said, changes)
				}
			})
		})
	}
}

// laterLines waits for what is told late.
func laterLines(l *log) []string {
	time.Sleep(10 * time.Minute)
	return l.take()
}

// saidIn is how many changes the lines speak of.
func saidIn(lines []string) (n int) {
	for _, l := range lines {
		_, rest, ok := strings.Cut(l, `msg="and `)
		if !ok {
			n++
			continue
		}
		number, _, _ := strings.Cut(rest, " ")
		many, _ := strconv.Atoi(number)
		n += many
	}
	return n
}

// One that flaps alone is told of each time, if later: a sum of one change is that change.
func TestOneRepoFlaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb := newTable(t)
		tb.add("x", "h", "a")
		to, _ := tb.listen("a", t.TempDir())
		for i := range 6 {
			class := []string{"network", ""}[i%2]
			tb.health(class, "", "x")
			time.Sleep(2 * time.Minute)
			if got := to.take(); len(got) != 1 || !strings.Contains(got[0], "repo=h/x") {
				t.Errorf("change %d: %q", i, got)
			}
		}
	})
}

// Each type of event there is has a line of its own.
func TestEveryTypeIsKnown(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../fsm/events.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Event") {
			return true
		}
		found++
		if name, _ := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value); kinds[name].text == "" {
			t.Errorf("%s is told as it is called", spec.Names[0].Name)
		}
		return true
	})
	if found != len(kinds) {
		t.Errorf("%d types, and %d kinds of lines", found, len(kinds))
	}
}
