package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/internal/testlog"
)

// follower is gitmirror events --follow, at all nodes of a cluster.
type follower struct {
	t    *testing.T
	cmd  *exec.Cmd
	mu   sync.Mutex
	seen []api.Event
	done chan struct{}
}

func (f *cluster) follow() *follower {
	f.t.Helper()
	var addrs []string
	for _, p := range f.nodes {
		addrs = append(addrs, p.HTTP)
	}
	w := &follower{t: f.t, cmd: exec.Command(binary, "events", "--follow", "--after", "0", "-o", "json", "--addr", strings.Join(addrs, ",")), done: make(chan struct{})}
	out, err := w.cmd.StdoutPipe()
	if err == nil {
		err = spawner.Start(w.cmd)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	go func() {
		defer close(w.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var e api.Event
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				f.t.Errorf("%v: %s", err, lines.Text())
			}
			w.mu.Lock()
			w.seen = append(w.seen, e)
			w.mu.Unlock()
		}
		_ = w.cmd.Wait()
	}()
	f.t.Cleanup(func() { _ = w.cmd.Process.Kill(); <-w.done })
	return w
}

// saw waits for an event of the type about a repo, behind that number, and returns its own.
func (w *follower) saw(kind, repo string, after uint64) (seq uint64) {
	w.t.Helper()
	testlog.EventuallyIn(w.t, 90*time.Second, fmt.Sprintf("%s of %s behind %d", kind, repo, after), func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, e := range w.seen {
			if e.Type == kind && e.Repo == repo && e.Seq > after {
				seq = e.Seq
				return true
			}
		}
		return false
	})
	return seq
}

// end interrupts it, and returns all that it has shown.
func (w *follower) end() []api.Event {
	w.t.Helper()
	if err := w.cmd.Process.Signal(syscall.SIGINT); err != nil {
		w.t.Error(err)
	}
	<-w.done
	if code := w.cmd.ProcessState.ExitCode(); code != 130 {
		w.t.Errorf("it ended with %d", code)
	}
	return w.seen
}

var (
	numbered = regexp.MustCompile(` event=(\d+)( |$)`)
	summed   = regexp.MustCompile(`msg="and (\d+) changes more"`)
	ofNodes  = regexp.MustCompile(` node_\w+=(\d+)`)
)

// story is what a log tells of repositories and nodes: how often each event, and how many more of
// repositories.
func (p *proc) story() (lines int, told map[uint64]int, more int) {
	p.t.Helper()
	told = map[uint64]int{}
	file, err := os.Open(p.Log)
	if err != nil {
		p.t.Fatal(err)
	}
	defer file.Close()
	in := bufio.NewScanner(file)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		line := in.Text()
		if strings.Contains(line, "level=DEBUG") {
			continue
		}
		lines++
		if m := numbered.FindStringSubmatch(line); m != nil {
			n, _ := strconv.ParseUint(m[1], 10, 64)
			told[n]++
		}
		if m := summed.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			more += n
			for _, m := range ofNodes.FindAllStringSubmatch(line, -1) {
				n, _ := strconv.Atoi(m[1])
				more -= n
			}
		}
	}
	return lines, told, more
}

// A start of three nodes has nothing of an error in it, and nodes by their names.
func TestAJoinIsNoError(t *testing.T) {
	f := newCluster(t, 3)
	id := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-`)
	for _, p := range append(f.nodes, f.nodes[0]) {
		for line := range strings.Lines(p.tail()) {
			leads := strings.Contains(line, `msg="there is a leader"`)
			switch {
			case strings.Contains(line, "level=DEBUG"):
			case strings.Contains(line, "level=ERROR"), strings.Contains(line, "refused connection"),
				leads && !strings.Contains(line, " leader=n"), id.MatchString(line) && !strings.Contains(line, "msg=joined"):
				t.Errorf("%s says %s", p.Name, line)
			}
		}
		p.stop() // the first, once more: it knows who leads by then
		p.start(nil)
		f.settled(3)
	}
}

// Who follows sees every change once and in order, while leaders die and nodes come back; and
// each change of a repository is told in one log, once.
func TestWhatHappenedIsToldOnce(t *testing.T) {
	f, up := newCluster(t, 3), newForge(t)
	w := f.follow()
	for _, name := range []string{"a", "b"} {
		up.sample(name)
		f.nodes[0].add(up, name, 2)
	}
	var broken atomic.Bool
	up.Intercept(func(rw http.ResponseWriter, _ *http.Request) bool {
		if broken.Load() {
			http.Error(rw, "out of order", http.StatusInternalServerError)
		}
		return broken.Load()
	})
	broken.Store(true)
	failed := w.saw("failing", "a", 0)
	w.saw("failing", "b", 0)
	broken.Store(false)
	w.saw("recovered", "a", failed)
	w.saw("recovered", "b", failed)
	// What is owned by who dies goes to another; so does the lead.
	row := f.nodes[0].await("a", "ready", func(r *api.Repo) bool { return r.State == "ready" })
	before := uint64(0)
	for _, dead := range []*proc{f.node(row.Owner), f.leader()} {
		dead.Kill()
		up.push("a", "while "+dead.Name+" is away")
		before = max(w.saw("node_down", "", before), w.saw("published", "a", before))
		dead.start(nil)
		f.settled(3)
		// The next to die may be the only one that has what was published.
		f.nodes[0].await("a", "on both nodes", func(r *api.Repo) bool {
			return r.State == api.StateReady && !slices.ContainsFunc(r.Copies, func(c api.Copy) bool { return c.Generation != r.Generation })
		})
	}
	up.push("b", "at last")
	w.saw("published", "b", w.saw("node_up", "", 0))
	f.nodes[0].await("a", "settled", func(r *api.Repo) bool { return r.State == "ready" })

	after := uint64(0)
	var want []api.Event
	testlog.Eventually(t, "all events to be told", func() bool {
		list, err := f.nodes[0].client.Events(t.Context(), api.EventQuery{After: &after, Limit: 1000})
		if err != nil {
			return false
		}
		want = list.Events
		told, repos := 0, 0
		for _, e := range want {
			if e.Repo != "" {
				repos++
			}
		}
		for _, p := range f.nodes {
			_, seqs, more := p.story()
			told += more
			for n, times := range seqs {
				if i := slices.IndexFunc(want, func(e api.Event) bool { return e.Seq == n }); i >= 0 && want[i].Repo != "" {
					told += times
				}
			}
		}
		return told == repos
	})
	all := map[uint64]string{} // who told of it
	for _, p := range f.nodes {
		_, seqs, _ := p.story()
		for n, times := range seqs {
			e := want[n-1]
			if e.Repo == "" {
				continue
			}
			if times != 1 || all[n] != "" || e.Node != p.Name {
				t.Errorf("%s tells %d times of %+v, and %q did", p.Name, times, e, all[n])
			}
			all[n] = p.Name
		}
	}
	if len(want) > 0 {
		last := want[len(want)-1]
		w.saw(last.Type, last.Repo, last.Seq-1)
	}
	got := w.end()
	for i, e := range got {
		if e.Seq != uint64(i+1) {
			t.Fatalf("after %d comes %d: %+v", i, e.Seq, e)
		}
	}
	if len(got) < len(want) {
		t.Errorf("%d events were seen of %d", len(got), len(want))
	}
}

// A hundred repositories flap: all of it is among the events, and a few hundred lines are in
// the logs of all nodes together.
func TestALogOfFlappingRepos(t *testing.T) {
	f, up := newCluster(t, 3), newForge(t)
	up.sample("a")
	var broken atomic.Bool
	up.Intercept(func(rw http.ResponseWriter, _ *http.Request) bool {
		if broken.Load() {
			http.Error(rw, "out of order", http.StatusInternalServerError)
		}
		return broken.Load()
	})
	names := make([]string, 100)
	for i := range names {
		names[i] = fmt.Sprintf("r%d", i)
		if err := os.Symlink("a", up.Root+"/"+names[i]); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names {
		f.nodes[0].write(func() error {
			_, err := f.nodes[0].client.Add(t.Context(), api.AddRepo{URL: up.URL(name), Name: name, Replicas: 1, Interval: "1s"}, "add-"+name)
			return err
		})
	}
	counts := func() (failing, total int) {
		s, err := f.nodes[0].client.Status(t.Context())
		if err != nil {
			return -1, -1
		}
		return s.Repos.ByState["failing"], s.Repos.ByState["failing"] + s.Repos.ByState["ready"]
	}
	well := func() bool { failing, total := counts(); return failing == 0 && total == len(names) }
	testlog.EventuallyIn(t, 3*time.Minute, "all to be cloned", well)
	list, err := f.nodes[0].client.Events(t.Context(), api.EventQuery{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	before := list.Newest
	quiet := 0
	for _, p := range f.nodes {
		lines, _, _ := p.story()
		quiet += lines
	}
	for range 3 {
		broken.Store(true)
		testlog.EventuallyIn(t, 2*time.Minute, "all to fail", func() bool { failing, _ := counts(); return failing == len(names) })
		broken.Store(false)
		testlog.EventuallyIn(t, 2*time.Minute, "all to be well", well)
	}
	changes := map[string]int{}
	for after := before; ; {
		page, err := f.nodes[0].client.Events(t.Context(), api.EventQuery{After: &after, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			changes[e.Type+" "+e.Repo]++
		}
		if after = page.Next; after >= page.Newest {
			break
		}
	}
	for _, name := range names {
		if n, m := changes["failing "+name], changes["recovered "+name]; n < 3 || m < 3 {
			t.Errorf("of %s there are %d failures and %d recoveries among the events, want three of each", name, n, m)
		}
	}
	lines := -quiet
	for _, p := range f.nodes {
		n, _, _ := p.story()
		lines += n
	}
	t.Logf("%d lines", lines)
	if lines > 300 || lines < 10 {
		t.Errorf("%d lines tell of it", lines)
	}
}
