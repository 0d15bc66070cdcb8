package mirror_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
	"gitmirror/mirror"
	"gitmirror/mirror/refs"
)

// lockstep is an upstream whose branches all move at once, from one round to
// the next.
type lockstep struct {
	repo  *upstream.Repo
	refs  int
	tips  []string // by branch
	round int

	mu     sync.Mutex
	rounds map[string]int // object id → round
}

func (l *lockstep) advance(t *testing.T) {
	t.Helper()
	l.round++
	var script bytes.Buffer
	for i := range l.refs {
		message := fmt.Sprintf("round %d of %d", l.round, i)
		fmt.Fprintf(&script, "commit refs/next/x\nmark :%d\ncommitter S <s@example.invalid> %d +0000\ndata %d\n%s\n", i+1, 1_700_000_000+l.round, len(message), message)
		if l.tips != nil {
			fmt.Fprintf(&script, "from %s\n", l.tips[i])
		}
		fmt.Fprintf(&script, "M 100644 inline f%d\ndata %d\n%s\n\n", i, len(message), message)
		if l.tips == nil {
			fmt.Fprint(&script, "reset refs/next/x\n\n")
		}
	}
	marks := filepath.Join(t.TempDir(), "marks")
	cmd := exec.Command("git", "fast-import", "--quiet", "--force", "--export-marks="+marks)
	cmd.Dir, cmd.Env, cmd.Stdin = l.repo.Dir, upstream.Environ(l.repo.Dir), &script
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("fast-import: %v\n%s", err, out)
	}
	data, err := os.ReadFile(marks)
	if err != nil {
		t.Fatal(err)
	}
	l.tips = make([]string, l.refs)
	l.mu.Lock()
	for line := range strings.Lines(string(data)) {
		var mark int
		var oid string
		if _, err := fmt.Sscanf(line, ":%d %s", &mark, &oid); err != nil {
			t.Fatal(err)
		}
		l.tips[mark-1], l.rounds[oid] = oid, l.round
	}
	l.mu.Unlock()
	packed := "# pack-refs with: peeled fully-peeled sorted \n"
	for i, oid := range l.tips {
		packed += fmt.Sprintf("%s refs/heads/b%04d\n", oid, i)
	}
	next := filepath.Join(l.repo.Dir, "packed-refs.next")
	if err := os.WriteFile(next, []byte(packed), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(l.repo.Dir, "packed-refs")); err != nil {
		t.Fatal(err)
	}
}

// whole says what is wrong with what a client was shown, "" for nothing: all
// refs must be of one round, HEAD among them.
func (l *lockstep) whole(shown string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := map[int]int{}
	for line := range strings.Lines(shown) {
		oid, name, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if strings.HasPrefix(oid, "ref:") {
			continue
		}
		round, ok := l.rounds[oid]
		if !ok {
			return fmt.Sprintf("%s is at %s, which the upstream never showed", name, oid)
		}
		seen[round]++
	}
	if len(seen) != 1 {
		return fmt.Sprintf("refs per round: %v", seen)
	}
	for _, n := range seen {
		if n != l.refs && n != l.refs+1 {
			return fmt.Sprintf("%d refs of %d", n, l.refs)
		}
	}
	return ""
}

// digestOf is the public digest of what git ls-remote --symref printed.
func digestOf(shown string) refs.Digest {
	table := &refs.Table{}
	for line := range strings.Lines(shown) {
		oid, name, _ := strings.Cut(strings.TrimSpace(line), "\t")
		switch {
		case strings.HasPrefix(oid, "ref: "):
			table.Head = refs.Head(oid)
		case name != "HEAD":
			table.Refs = append(table.Refs, refs.Ref{Name: name, OID: oid})
		}
	}
	return table.Digest()
}

// client runs git without ending the test: readers run beside it.
func client(dir string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = dir, upstream.Environ(dir)
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return string(out), nil
}

func TestReadersNeverSeeAMixture(t *testing.T) {
	publishes, branches := 12, 100
	if os.Getenv("GITMIRROR_LONG") != "" {
		publishes, branches = 200, 500
	}
	up := gittest.Upstream(t)
	repo, err := up.Repo("x.git")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Git("symbolic-ref", "HEAD", "refs/heads/b0000"); err != nil {
		t.Fatal(err)
	}
	l := &lockstep{repo: repo, refs: branches, rounds: map[string]int{}}
	l.advance(t)
	b := newBook()
	owner, replica := startNode(t, b, t.TempDir()), startNode(t, b, t.TempDir())
	b.add("repox", up.URL("x.git"))
	owner.roles["repox"], replica.roles["repox"] = mirror.Owner, mirror.Replica
	b.tell()
	nodes := []*node{owner, replica}
	for _, n := range nodes {
		testlog.Eventually(t, "the first generation", func() bool { return n.generation("repox") == 1 })
	}

	stop := make(chan struct{})
	var readers sync.WaitGroup
	var mu sync.Mutex
	shown, clones := map[refs.Digest]bool{}, 0
	read := func(fn func(n *node, turn int) error) {
		readers.Go(func() {
			for turn := 0; ; turn++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := fn(nodes[turn%2], turn/2); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	scratch := t.TempDir()
	read(func(n *node, turn int) error {
		out, err := client(scratch, "-c", fmt.Sprintf("protocol.version=%d", 2*(turn%2)), "ls-remote", "--symref", n.http.URL+"/repox")
		if err != nil {
			return err
		}
		mu.Lock()
		shown[digestOf(out)] = true
		mu.Unlock()
		if why := l.whole(out); why != "" {
			return fmt.Errorf("ls-remote: %s", why)
		}
		return nil
	})
	read(func(n *node, turn int) error {
		dir := filepath.Join(scratch, fmt.Sprintf("c%d-%p", turn, n))
		defer os.RemoveAll(dir)
		if _, err := client(scratch, "clone", "--quiet", "--mirror", n.http.URL+"/repox", dir); err != nil {
			return err
		}
		if _, err := client(dir, "fsck", "--connectivity-only"); err != nil {
			return err
		}
		out, err := client(dir, "for-each-ref", "--format=%(objectname)%09%(refname)")
		if why := l.whole(out); err != nil || why != "" {
			return fmt.Errorf("clone: %w %s", err, why)
		}
		mu.Lock()
		clones++
		mu.Unlock()
		return nil
	})
	for range publishes {
		l.advance(t)
		last := l.tips[0]
		testlog.EventuallyIn(t, time.Minute, "the round to arrive", func() bool {
			return !slices.ContainsFunc(nodes, func(n *node) bool {
				c, err := n.engine.Open("repox", false)
				return err != nil || c.Table().HeadOID() != last
			})
		})
	}
	close(stop)
	readers.Wait()
	published := map[refs.Digest]bool{}
	for _, c := range b.published() {
		published[c.PublicDigest] = true
	}
	for d := range shown {
		if !published[d] {
			t.Errorf("a client was shown %s, which was never published", d)
		}
	}
	if len(shown) < 3 || clones < 2 {
		t.Errorf("%d generations and %d clones were seen: too few to prove anything", len(shown), clones)
	}
	t.Logf("%d publishes, %d different ones seen, %d clones", len(published), len(shown), clones)
}
