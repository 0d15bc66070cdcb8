package mirror_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
	"gitmirror/mirror"
	"gitmirror/mirror/refs"
)

// succession is a repository whose second generation only its first owner had,
// and which is dead when the second node becomes the owner.
type succession struct {
	*book
	up     *upstream.Server
	repo   *upstream.Repo
	first  *node
	second *node
	lost   string // the commit that only the second generation has
}

func newSuccession(t *testing.T) *succession {
	t.Helper()
	s := &succession{book: newBook(), up: gittest.Upstream(t)}
	s.repo = sample(t, s.up, "x.git")
	s.first, s.second = startNode(t, s.book, t.TempDir()), startNode(t, s.book, t.TempDir())
	s.add("repox", s.up.URL("x.git"))
	s.first.roles["repox"], s.second.roles["repox"] = mirror.Owner, mirror.Replica
	s.tell()
	arrives(t, s.first, "repox", 1)
	arrives(t, s.second, "repox", 1)
	s.mu.Lock()
	delete(s.second.roles, "repox")
	s.mu.Unlock()
	s.second.unassign("repox")
	gittest.Edit(t, s.repo, func(e *upstream.Edit) { e.Commit("main", "seen by the first alone", map[string]string{"d": "d"}) })
	arrives(t, s.first, "repox", 2)
	s.lost = s.tip(t, "main")
	s.first.stop()
	return s
}

func (s *succession) tip(t *testing.T, branch string) string {
	t.Helper()
	out, err := s.repo.Git("rev-parse", "refs/heads/"+branch)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// succeed makes the second node the owner, as a leader does.
func (s *succession) succeed() {
	s.mu.Lock()
	s.nodes = []*node{s.second}
	s.second.roles["repox"] = mirror.Owner
	row := s.rows["repox"]
	row.Epoch++
	s.rows["repox"] = row
	s.mu.Unlock()
	s.tell()
}

// back starts the first node again, as a replica.
func (s *succession) back(t *testing.T) {
	t.Helper()
	s.first = startNode(t, s.book, s.first.dir)
	s.mu.Lock()
	s.first.roles["repox"] = mirror.Replica
	s.second.expected = nil
	s.mu.Unlock()
	s.tell()
}

func (s *succession) down() {
	s.up.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "down", http.StatusBadGateway)
		return true
	})
}

func (s *succession) row() mirror.Assignment {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows["repox"]
}

// reaches tells whether a commit is behind a live or kept ref of a copy.
func reaches(t *testing.T, n *node, id, commit string) bool {
	t.Helper()
	c, err := n.engine.Open(id, true)
	if err != nil {
		return false
	}
	for _, r := range c.Table().Refs {
		if _, err := gittest.Try(t, c.Dir(), "merge-base", "--is-ancestor", commit, r.OID); err == nil {
			return true
		}
	}
	return false
}

// The successor asks upstream at once, and knows by the log what it missed.
func TestSuccessorAsksUpstreamAtOnce(t *testing.T) {
	for name, forgets := range map[string]bool{"rebuilt": false, "the log has forgotten": true} {
		t.Run(name, func(t *testing.T) {
			s := newSuccession(t)
			before := s.row()
			gittest.Edit(t, s.repo, func(e *upstream.Edit) { e.Commit("main", "later", map[string]string{"e": "e"}) })
			s.forgets = forgets
			s.second.expected = []mirror.Expected{{Name: "first", Generation: 2}}
			s.succeed()
			testlog.Eventually(t, "upstream's state", func() bool { return same(t, s.second, "repox", s.up, "x.git") })
			log := s.published()
			if len(log) != 3 {
				t.Fatalf("%d publishes, want one after the lost generation", len(log))
			}
			c := log[2]
			base := mirror.Generation{Number: 2, Digest: before.Digest}
			if forgets {
				base = mirror.Generation{Number: 1, Digest: log[0].Digest}
			}
			if !c.Restored || c.Rebuilt == forgets || c.Base != base || c.FromGeneration != 2 || c.Generation != 3 {
				t.Errorf("published %+v", c)
			}
			if c.Complete == forgets {
				t.Errorf("complete is %v: all of the lost generation is here %v, and known to be", c.Complete, !forgets)
			}
			if len(c.Changes) != 1 || c.Changes[0].Kind != refs.Updated {
				t.Errorf("changes %+v", c.Changes)
			}
		})
	}
}

// Changes that do not give the digest of the row are not what it was made of.
func TestABaseIsRebuiltOnlyIfItIsTheRows(t *testing.T) {
	s := newSuccession(t)
	s.mu.Lock()
	changes := s.log[1].Changes
	changes[0].New = s.lost[1:] + "0"
	s.mu.Unlock()
	s.succeed()
	testlog.Eventually(t, "a third generation", func() bool { return s.row().Generation == 3 })
	if c := s.published()[2]; c.Rebuilt || c.Base.Number != 1 {
		t.Errorf("rebuilt: %v, on generation %d; want it made on the first", c.Rebuilt, c.Base.Number)
	}
}

// What the successor cannot have is kept aside by whoever had it, and comes back
// as kept tips.
func TestLostGenerationIsRecoveredFromItsOwner(t *testing.T) {
	for name, gone := range map[string]bool{"upstream has taken it back": false, "upstream is gone": true} {
		t.Run(name, func(t *testing.T) {
			s := newSuccession(t)
			if gone {
				s.down()
			} else if _, err := s.repo.Git("update-ref", "refs/heads/main", s.lost+"^"); err != nil {
				t.Fatal(err)
			}
			s.succeed()
			testlog.Eventually(t, "a third generation", func() bool { return s.row().Generation == 3 })
			if log := s.published(); log[2].Complete {
				t.Error("it is called complete, without the lost commit")
			}
			if lost := s.row().Lost; len(lost) != 1 || lost[0].Number != 2 {
				t.Fatalf("lost: %v, want generation 2", lost)
			}
			s.back(t)
			testlog.Eventually(t, "the lost generation to be recovered", func() bool { return len(s.row().Lost) == 0 })
			for _, n := range []*node{s.first, s.second} {
				testlog.Eventually(t, "the lost commit on both", func() bool { return reaches(t, n, "repox", s.lost) })
				testlog.Eventually(t, "nothing to be aside any more", func() bool {
					left, err := filepath.Glob(filepath.Join(n.dir, "repos", "*", "*", "packed-refs.lost.*"))
					return err == nil && len(left) == 0
				})
			}
			log := s.published()
			if last := log[len(log)-1]; !slices.Equal(last.Recovered, []uint64{2}) || last.PublicDigest != log[2].PublicDigest {
				t.Errorf("recovered by %+v", last)
			}
		})
	}
}

// otherTable offers a table that is not the lost generation, but for its number.
type otherTable struct{ source }

func (o otherTable) Lost(context.Context, uint64) (*refs.Table, error) {
	t, err := o.peer.engine.Lost(o.id, 1)
	if err != nil {
		return nil, err
	}
	other := *t
	other.Generation = 2
	return &other, nil
}

// Numbers name one content: what has another digest is not what was lost.
func TestAnotherTableIsNotTheLostGeneration(t *testing.T) {
	up := gittest.Upstream(t)
	sample(t, up, "x.git")
	b := newBook()
	first := startNode(t, b, t.TempDir())
	owned(t, b, first, map[string]string{"repox": up.URL("x.git")})
	arrives(t, first, "repox", 1)
	var asked atomic.Int64
	owner := startNode(t, b, t.TempDir(), func(c *mirror.Config) {
		c.Locator = locatorOf(func(id string) []mirror.Holder { return []mirror.Holder{asking{otherTable{source{first, id}}, &asked}} })
	})
	row := b.rows["repox"]
	row.Role, row.Lost = mirror.Owner, []mirror.Generation{{Number: 2, Digest: refs.Digest{2}}}
	row.Generation = 1
	owner.assign(row)
	recovered := func() bool {
		return slices.ContainsFunc(b.published(), func(c mirror.Candidate) bool { return len(c.Recovered) > 0 })
	}
	testlog.Eventually(t, "to be asked twice", func() bool { return asked.Load() > 1 || recovered() })
	if recovered() {
		t.Error("another table was taken for the lost one")
	}
}

// asking counts the questions for a lost generation.
type asking struct {
	mirror.Holder
	asked *atomic.Int64
}

func (a asking) Lost(ctx context.Context, generation uint64) (*refs.Table, error) {
	defer a.asked.Add(1)
	return a.Holder.Lost(ctx, generation)
}

// The table is durable before the live one is replaced, and is offered until the
// row no longer names it.
func TestALostTableIsKeptAsideUntilItIsRecovered(t *testing.T) {
	s := newSuccession(t)
	if _, err := s.repo.Git("update-ref", "refs/heads/main", s.lost+"^"); err != nil {
		t.Fatal(err)
	}
	s.succeed()
	testlog.Eventually(t, "a third generation", func() bool { return s.row().Generation == 3 })
	row := s.row()
	row.Role = mirror.Replica
	other := newBook() // the first alone, with the row before anything is recovered
	first := startNode(t, other, s.first.dir)
	first.peers = func() []*node { return []*node{s.second} }
	first.assign(row)
	arrives(t, first, "repox", 3)
	for range 2 {
		table, err := first.engine.Lost("repox", 2)
		if err != nil || table.Digest() != row.Lost[0].Digest {
			t.Fatalf("generation 2 is not offered: %v", err)
		}
		first.stop()
		first = startNode(t, newBook(), s.first.dir)
	}
	row.Lost = nil
	row.Epoch++
	first.assign(row)
	row.Generation++ // something to be settled
	first.assign(row)
	testlog.Eventually(t, "it to be dropped", func() bool { _, err := first.engine.Lost("repox", 2); return err != nil })
}

// While a holder may come back and upstream does not answer, nothing is
// published: the copy serves what it has and says that it is behind.
func TestSuccessorWaitsForAnExpectedHolder(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *succession){
		"it comes back": func(t *testing.T, s *succession) {
			s.back(t)
			arrives(t, s.second, "repox", 2)
			if got := s.row(); got.Generation != 2 || len(got.Lost) != 0 {
				t.Errorf("the row is at generation %d, lost %v", got.Generation, got.Lost)
			}
		},
		"it is given up": func(t *testing.T, s *succession) {
			s.mu.Lock()
			s.second.expected = nil
			s.mu.Unlock()
			arrives(t, s.second, "repox", 3)
			log := s.published()
			if c := log[2]; !c.Restored || c.Rebuilt || c.Complete || c.Digest != log[0].Digest || c.Base.Number != 1 {
				t.Errorf("restored: %+v", c)
			}
			if lost := s.row().Lost; len(lost) != 1 {
				t.Errorf("lost: %v", lost)
			}
			s.up.Intercept(nil)
			s.second.engine.Request("repox")
			testlog.Eventually(t, "upstream's state", func() bool { return same(t, s.second, "repox", s.up, "x.git") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSuccession(t)
			s.down()
			s.mu.Lock()
			row := s.rows["repox"]
			row.Policy.Interval = time.Hour // upstream's turn is far away
			s.rows["repox"] = row
			s.mu.Unlock()
			s.second.expected = []mirror.Expected{{Name: "first", Generation: 2}}
			before := lsRemote(t, s.second.http.URL+"/repox")
			s.succeed()
			testlog.Eventually(t, "the wait to be told", func() bool {
				st, _ := s.second.engine.Status("repox")
				return st.Failure != nil && strings.Contains(st.Failure.Message, "waiting for first") && st.Behind != nil && *st.Behind == mirror.Behind{Have: 1, Published: 2}
			})
			if st, _ := s.second.engine.Status("repox"); st.Failures > 3 {
				t.Errorf("%d failures within moments: upstream gets no rest", st.Failures)
			}
			if log := s.published(); len(log) != 2 {
				t.Errorf("published while waiting: %+v", log[2:])
			}
			if after := lsRemote(t, s.second.http.URL+"/repox"); after != before {
				t.Errorf("what is served has changed:\n%s", after)
			}
			end(t, s)
		})
	}
}

// A copy that is lost or damaged, and is nowhere else, is cloned from upstream
// anew, under the next number.
func TestTheLastCopyHealsFromUpstream(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"gone": func(t *testing.T, dir string) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		},
		"no objects": func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "objects")); err != nil {
				t.Fatal(err)
			}
		},
		"half gone": func(t *testing.T, dir string) {
			for _, f := range []string{"repo.json", "packed-refs"} {
				if err := os.Remove(filepath.Join(dir, f)); err != nil {
					t.Fatal(err)
				}
			}
		},
		"truncated": func(t *testing.T, dir string) {
			path := filepath.Join(dir, "packed-refs")
			info, err := os.Stat(path)
			if err == nil {
				err = os.Truncate(path, info.Size()/2)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"empty": func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, "packed-refs"), 0); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			up := gittest.Upstream(t)
			r := sample(t, up, "x.git")
			b := newBook()
			dir := t.TempDir()
			n := startNode(t, b, dir)
			owned(t, b, n, map[string]string{"repox": up.URL("x.git")})
			arrives(t, n, "repox", 1)
			live := copyDir(t, n, "repox")
			n.stop()
			spoil(t, live)
			b.nodes = nil
			n = startNode(t, b, dir)
			b.mu.Lock()
			n.roles["repox"] = mirror.Owner
			b.mu.Unlock()
			b.tell()
			arrives(t, n, "repox", 2)
			if !same(t, n, "repox", up, "x.git") {
				t.Error("it is not what upstream shows")
			}
			if c := b.published()[1]; !c.Restored || c.Baseline || c.FromGeneration != 1 || c.Base.Number != 0 || !c.Complete {
				t.Errorf("published %+v", c)
			}
			gittest.Edit(t, r, func(e *upstream.Edit) { e.Commit("main", "more", map[string]string{"d": "d"}) })
			testlog.Eventually(t, "the next push", func() bool { return same(t, n, "repox", up, "x.git") })
		})
	}
}

// Without a table to compare with, counts are: what the brake would hold is held.
func TestAHealedCopyIsHeldByCounts(t *testing.T) {
	s := newSuccession(t)
	row := s.row()
	row.Role, row.Refs = mirror.Owner, 12 // 6 are shown
	row.PublicDigest[0]++
	n := startNode(t, newBook(), t.TempDir())
	n.peers = func() []*node { return nil }
	n.assign(row)
	testlog.Eventually(t, "the hold", func() bool {
		st, _ := n.engine.Status("repox")
		return st.Hold != nil && st.Hold.Reason == "mass_delete"
	})
	row.PublicDigest[0]-- // the very refs that were published, whatever the count says
	row.Epoch++
	asked := make(chan mirror.Candidate, 10)
	b := newBook()
	b.fate = func(c mirror.Candidate) mirror.CommitStatus { asked <- c; return mirror.Unknown }
	n = startNode(t, b, t.TempDir())
	n.peers = func() []*node { return nil }
	n.assign(row)
	if c := <-asked; c.PublicDigest != row.PublicDigest {
		t.Errorf("%+v", c)
	}
}

// Upstream is not cloned anew while somebody has a copy, or may come back with
// one.
func TestUpstreamIsNotClonedWhileAHolderIsExpected(t *testing.T) {
	up := gittest.Upstream(t)
	sample(t, up, "x.git")
	b := newBook()
	n := startNode(t, b, t.TempDir())
	row := published("repox", mirror.Owner, 3)
	row.URLs = []string{up.URL("x.git")}
	n.expected = []mirror.Expected{{Name: "first", Generation: 1}}
	n.assign(row)
	testlog.Eventually(t, "the wait to be told", func() bool {
		st, _ := n.engine.Status("repox")
		return st.Failure != nil && strings.Contains(st.Failure.Message, "waiting for first")
	})
	if got := len(up.Requests()); got != 0 {
		t.Errorf("upstream was asked %d times", got)
	}
	b.mu.Lock()
	n.expected = nil
	b.rows["repox"] = row
	n.roles["repox"] = mirror.Owner
	b.mu.Unlock()
	testlog.EventuallyIn(t, time.Minute, "the clone", func() bool { return n.generation("repox") == 4 })
}

// While the log has not decided about what the successor made, nothing else is
// made in its place: the log may have taken it.
func TestAnUndecidedSuccessionIsProposedAgain(t *testing.T) {
	s := newSuccession(t)
	asked := make(chan mirror.Candidate, 100)
	s.mu.Lock()
	s.fate = func(c mirror.Candidate) mirror.CommitStatus { asked <- c; return mirror.Unknown }
	s.mu.Unlock()
	s.succeed()
	first, again := <-asked, <-asked
	if first.ID != again.ID || !again.Restored || again.Base != first.Base || again.Rebuilt != first.Rebuilt || again.Complete != first.Complete {
		t.Errorf("proposed\n%+v\nand then\n%+v", first, again)
	}
}
