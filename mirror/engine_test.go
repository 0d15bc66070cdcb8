package mirror_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitmirror/internal/atomicfile"
	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
	"gitmirror/mirror"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/refs"
)

func TestMirrorFollowsUpstream(t *testing.T) {
	up := gittest.Upstream(t)
	r := sample(t, up, "acme/big.git")
	b := newBook()
	owner, replica := startNode(t, b, t.TempDir()), startNode(t, b, t.TempDir())
	b.add("repo1", up.URL("acme/big.git"))
	owner.roles["repo1"], replica.roles["repo1"] = mirror.Owner, mirror.Replica
	b.tell()
	arrived := func(what string) {
		t.Helper()
		for _, n := range []*node{owner, replica} {
			testlog.Eventually(t, what, func() bool { return n.generation("repo1") > 0 && same(t, n, "repo1", up, "acme/big.git") })
			clone := filepath.Join(t.TempDir(), "c.git")
			gittest.Run(t, t.TempDir(), "clone", "--quiet", "--mirror", n.http.URL+"/repo1", clone)
			gittest.Run(t, clone, "fsck", "--strict")
		}
	}
	arrived("the clone")
	first := b.published()[0]
	if !first.Baseline || len(first.Changes) != 0 {
		t.Errorf("first publish: baseline %v with %d changes, want a baseline without", first.Baseline, len(first.Changes))
	}

	gittest.Edit(t, r, func(e *upstream.Edit) {
		e.Commit("main", "more", map[string]string{"d.txt": "d"})
		e.Branch("fresh", "main")
		e.Rewrite("alone")
		e.Commit("alone", "rewritten", map[string]string{"z.txt": "z"})
	})
	arrived("the edit")
	// A check may fall between two refs of the edit: then it takes two publishes.
	kinds := map[string]refs.Kind{}
	for _, p := range b.published()[1:] {
		for _, c := range p.Changes {
			kinds[c.Ref] = c.Kind
		}
	}
	want := map[string]refs.Kind{"refs/heads/main": refs.Updated, "refs/heads/fresh": refs.Created, "refs/heads/alone": refs.Forced}
	if d := cmp.Diff(want, kinds); d != "" {
		t.Errorf("changes: %s", d)
	}

	if _, err := r.Git("update-ref", "-d", "refs/heads/topic"); err != nil {
		t.Fatal(err)
	}
	arrived("the deletion")
	if _, err := r.Git("symbolic-ref", "HEAD", "refs/heads/side"); err != nil {
		t.Fatal(err)
	}
	arrived("the new HEAD")

	// The rewritten branch was the only way to its old tip: that is kept, on the
	// replica too, and not shown; so is the name of the deleted one, whose commits
	// live on in main.
	c, err := replica.engine.Open("repo1", true)
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for _, ref := range c.Table().Refs {
		if !ref.Public() {
			kept++
		}
	}
	if kept != 2 {
		t.Errorf("%d tips were kept, want 2", kept)
	}
	if n := up.Count("acme/big.git", upstream.KindClone); n != 1 {
		t.Errorf("upstream saw %d fetches without haves, want 1", n)
	}
	loose, err := filepath.Glob(filepath.Join(replica.dir, "repos", "*", "repo1.git", "refs", "*"))
	if err != nil || len(loose) > 0 {
		t.Errorf("loose refs in a live repository: %v %v", loose, err)
	}
}

func TestEmptyUpstreamIsAValidMirror(t *testing.T) {
	up := gittest.Upstream(t)
	r, err := up.Repo("void.git")
	if err != nil {
		t.Fatal(err)
	}
	b := newBook()
	n := startNode(t, b, t.TempDir())
	b.add("void", up.URL("void.git"))
	n.roles["void"] = mirror.Owner
	b.tell()
	testlog.Eventually(t, "the empty generation", func() bool { return n.generation("void") == 1 })
	gittest.Run(t, t.TempDir(), "clone", "--quiet", n.http.URL+"/void", "c")
	gittest.Edit(t, r, func(e *upstream.Edit) { e.Commit("main", "first", map[string]string{"a": "a"}) })
	testlog.Eventually(t, "the first commit", func() bool { return same(t, n, "void", up, "void.git") })
}

func TestEmptiedUpstreamIsHeld(t *testing.T) {
	up := gittest.Upstream(t)
	r := sample(t, up, "x.git")
	b := newBook()
	n := startNode(t, b, t.TempDir())
	b.add("repox", up.URL("x.git"))
	n.roles["repox"] = mirror.Owner
	b.tell()
	testlog.Eventually(t, "the clone", func() bool { return n.generation("repox") == 1 })
	before := lsRemote(t, n.http.URL+"/repox")
	// All at once, or a check could see some of the refs gone.
	if _, err := r.Git("pack-refs", "--all"); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Write(nil, filepath.Join(r.Dir, "packed-refs"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	testlog.Eventually(t, "the hold", func() bool {
		s, _ := n.engine.Status("repox")
		return s.Hold != nil && s.Hold.Reason == "empty"
	})
	if after := lsRemote(t, n.http.URL+"/repox"); after != before {
		t.Errorf("an emptied upstream changed the mirror:\n%s", after)
	}
	gittest.Edit(t, r, func(e *upstream.Edit) { e.Commit("main", "back", map[string]string{"a": "a"}) })
	_, _ = r.Git("update-ref", "refs/heads/side", "refs/heads/main")
	testlog.Eventually(t, "a main with another history being held too", func() bool {
		s, _ := n.engine.Status("repox")
		return s.Hold != nil && s.Hold.Reason == "head_rewrite"
	})
}

func TestUndecidedPublishIsResolvedByTheLog(t *testing.T) {
	up := gittest.Upstream(t)
	r := sample(t, up, "x.git")
	b := newBook()
	dir := t.TempDir()
	n := startNode(t, b, dir)
	b.add("repox", up.URL("x.git"))
	n.roles["repox"] = mirror.Owner
	b.tell()
	testlog.Eventually(t, "the clone", func() bool { return n.generation("repox") == 1 })
	before := lsRemote(t, n.http.URL+"/repox")

	asked := make(chan mirror.Candidate, 100)
	b.mu.Lock()
	b.fate = func(c mirror.Candidate) mirror.CommitStatus { asked <- c; return mirror.Unknown }
	b.mu.Unlock()
	gittest.Edit(t, r, func(e *upstream.Edit) { e.Commit("main", "more", map[string]string{"d": "d"}) })
	c1 := <-asked
	c2 := <-asked
	if c1.ID != c2.ID || c1.Digest != c2.Digest {
		t.Errorf("an undecided candidate was not proposed again as itself: %s, then %s", c1.ID, c2.ID)
	}
	if after := lsRemote(t, n.http.URL+"/repox"); after != before {
		t.Errorf("an undecided candidate is served:\n%s", after)
	}
	n.stop() // a restart does not forget it either
	b.mu.Lock()
	b.nodes = nil
	row := b.rows["repox"]
	row.Generation, row.Digest = c1.Generation, c1.Digest // it had been committed after all
	b.rows["repox"] = row
	b.mu.Unlock()
	n = startNode(t, b, dir)
	n.roles["repox"] = mirror.Owner
	b.tell()
	testlog.Eventually(t, "the committed candidate", func() bool { return same(t, n, "repox", up, "x.git") })
	if got := n.generation("repox"); got != 2 {
		t.Errorf("generation %d, want 2", got)
	}
}

func TestStaleOwnerDiscardsItsCandidate(t *testing.T) {
	up := gittest.Upstream(t)
	r := sample(t, up, "x.git")
	b := newBook()
	n := startNode(t, b, t.TempDir())
	b.add("repox", up.URL("x.git"))
	n.roles["repox"] = mirror.Owner
	b.tell()
	testlog.Eventually(t, "the clone", func() bool { return n.generation("repox") == 1 })
	before := lsRemote(t, n.http.URL+"/repox")
	refused := make(chan struct{}, 100)
	b.mu.Lock()
	b.fate = func(c mirror.Candidate) mirror.CommitStatus { refused <- struct{}{}; return mirror.Overtaken }
	b.mu.Unlock()
	gittest.Edit(t, r, func(e *upstream.Edit) { e.Commit("main", "more", map[string]string{"d": "d"}) })
	<-refused
	<-refused // it tries anew with a new candidate, and is refused again
	if after := lsRemote(t, n.http.URL+"/repox"); after != before {
		t.Errorf("a refused candidate is served:\n%s", after)
	}
}

// Another owner has published something else under the number of a candidate that
// waits here: the candidate is not served, even while nobody has the other.
func TestACandidateThatLostItsNumberIsNotServed(t *testing.T) {
	up := gittest.Upstream(t)
	r := sample(t, up, "x.git")
	b := newBook()
	n := startNode(t, b, t.TempDir())
	b.add("repox", up.URL("x.git"))
	n.roles["repox"] = mirror.Owner
	b.tell()
	testlog.Eventually(t, "the clone", func() bool { return n.generation("repox") == 1 })
	before := lsRemote(t, n.http.URL+"/repox")
	asked := make(chan mirror.Candidate, 100)
	b.mu.Lock()
	b.fate = func(c mirror.Candidate) mirror.CommitStatus { asked <- c; return mirror.Unknown }
	b.mu.Unlock()
	gittest.Edit(t, r, func(e *upstream.Edit) { e.Commit("main", "more", map[string]string{"d": "d"}) })
	c := <-asked
	b.mu.Lock()
	row := b.rows["repox"]
	row.Generation, row.Digest, row.Epoch = c.Generation, c.Digest, row.Epoch+1
	row.Digest[0] ^= 1
	row.Role = mirror.Replica
	b.mu.Unlock()
	n.assign(row)
	testlog.Eventually(t, "the search for a holder", func() bool {
		s, _ := n.engine.Status("repox")
		return s.Failure != nil && strings.Contains(s.Failure.Message, "no live node holds generation 2")
	})
	if after := lsRemote(t, n.http.URL+"/repox"); after != before || n.generation("repox") != 1 {
		t.Errorf("generation %d is served:\n%s", n.generation("repox"), after)
	}
}

func TestReplicaRefusesATableThatIsNotThePublished(t *testing.T) {
	up := gittest.Upstream(t)
	sample(t, up, "x.git")
	b := newBook()
	owner, replica := startNode(t, b, t.TempDir()), startNode(t, b, t.TempDir())
	b.add("repox", up.URL("x.git"))
	owner.roles["repox"] = mirror.Owner
	b.tell()
	testlog.Eventually(t, "the clone", func() bool { return owner.generation("repox") == 1 })
	b.mu.Lock()
	row := b.rows["repox"]
	row.Digest[0] ^= 1
	row.Role = mirror.Replica
	b.mu.Unlock()
	replica.assign(row)
	testlog.Eventually(t, "the refusal", func() bool {
		s, _ := replica.engine.Status("repox")
		return s.Failure != nil && s.Failure.Class == failure.Corrupt
	})
	if g := replica.generation("repox"); g != 0 {
		t.Errorf("the replica took generation %d with a wrong digest", g)
	}
}

func TestAbsenceNeverDeletes(t *testing.T) {
	up := gittest.Upstream(t)
	sample(t, up, "x.git")
	b := newBook()
	dir := t.TempDir()
	n := startNode(t, b, dir)
	b.add("repox", up.URL("x.git"))
	n.roles["repox"] = mirror.Owner
	b.tell()
	testlog.Eventually(t, "the clone", func() bool { return n.generation("repox") == 1 })
	n.unassign("repox")
	n.stop()
	b.nodes = nil
	n = startNode(t, b, dir)
	n.unassign("repox")
	if _, held := n.engine.Status("repox"); !held {
		t.Fatal("a copy without a row is gone")
	}
	if err := n.engine.Remove(t.Context(), "repox"); err != nil {
		t.Fatal(err)
	}
	if _, held := n.engine.Status("repox"); held {
		t.Fatal("a removed copy is still there")
	}
	trash, err := os.ReadDir(filepath.Join(dir, "trash"))
	if err != nil || len(trash) != 1 {
		t.Fatalf("trash holds %d entries (%v), want 1", len(trash), err)
	}
}
