package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gitmirror/api"
	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
)

// onlyOwner brings a fleet of three to where the second generation of "a" is on
// its owner alone: the other holder sleeps since before the push.
func onlyOwner(t *testing.T) (f *cluster, up *forge, owner, replica, third *proc) {
	t.Helper()
	f, up, owner, replica, third = twoHolders(t)
	replica.signal(syscall.SIGSTOP)
	up.push("a", "of the second generation")
	up.shows("a", []*proc{owner})
	third.await("a", "at the second generation", func(r *api.Repo) bool { return r.Generation == 2 })
	return f, up, owner, replica, third
}

// twoHolders is a fleet of three, two of which have a copy of the repo a.
func twoHolders(t *testing.T) (f *cluster, up *forge, owner, replica, third *proc) {
	t.Helper()
	f, up = newCluster(t, 3), newForge(t)
	up.sample("a")
	f.nodes[0].add(up, "a", 2)
	row := f.nodes[0].await("a", "at one generation on both", func(r *api.Repo) bool { return oneGeneration(r) && len(r.Copies) == 2 && r.Owner != "" })
	owner = f.node(row.Owner)
	for _, c := range row.Copies {
		if c.Node != owner.Name {
			replica = f.node(c.Node)
		}
	}
	third = f.others(owner, replica)[0]
	up.shows("a", f.nodes)
	return f, up, owner, replica, third
}

// An upstream that shows something else each time it is asked has one truth here: what the
// owner has published, which is what all copies have.
func TestAnUpstreamOfTwoMinds(t *testing.T) {
	t.Parallel()
	f, up := newCluster(t, 3), newForge(t)
	up.sample("a")
	up.sample("other")
	up.edit("other", func(e *upstream.Edit) { e.Branch("only-there", "main") }) // no object is
	var asked atomic.Int64
	var away atomic.Bool
	up.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		rest, mine := strings.CutPrefix(r.URL.Path, "/minds/")
		if !mine {
			return false
		}
		r.URL.Path = []string{"/a/", "/other/"}[asked.Add(1)%2] + rest
		if away.Load() {
			http.Error(w, "away", http.StatusServiceUnavailable)
		}
		return away.Load()
	})
	row := f.nodes[0].addURL(up.URL("minds"), "minds", 3)
	f.nodes[0].await("minds", "published five times more", func(r *api.Repo) bool { return r.Generation > row.Generation+5 })
	away.Store(true) // whatever it showed last: nobody can ask it again
	var copies []string
	f.nodes[0].await("minds", "at one generation everywhere, and failing", func(r *api.Repo) bool {
		copies = copies[:0]
		for _, c := range r.Copies {
			copies = append(copies, fmt.Sprint(c.State, " ", c.Generation == r.Generation))
		}
		return r.State == "failing" && !slices.ContainsFunc(copies, func(c string) bool { return c != "ready true" })
	})
	first := gittest.LsRemote(t, f.nodes[0].gitURL("minds"))
	for _, p := range f.nodes {
		if got := gittest.LsRemote(t, p.gitURL("minds")); got != first || len(copies) != 3 {
			t.Errorf("%s serves\n%s\n%s serves\n%s", p.Name, got, f.nodes[0].Name, first)
		}
		p.clone("minds")
	}
}

// The owner is frozen for good while the other holder asks it for a table: what
// is pushed afterwards is served by the others.
func TestOwnerFrozenForGood(t *testing.T) {
	_, up, owner, replica, third := onlyOwner(t)
	owner.signal(syscall.SIGSTOP)
	replica.signal(syscall.SIGCONT)
	frozen := time.Now()
	up.push("a", "while the owner is frozen")
	want := gittest.LsRemote(t, up.URL("a"))
	third.await("a", "owned by the other holder", func(r *api.Repo) bool { return r.Owner == replica.Name })
	// Interval and 10 s, from when it is known who polls.
	for _, p := range []*proc{replica, third} {
		testlog.EventuallyIn(t, 11*time.Second, "the push on "+p.Name, func() bool {
			out, err := gittest.Try(t, t.TempDir(), "ls-remote", "--symref", p.gitURL("a"))
			return err == nil && out == want
		})
	}
	t.Logf("served %s after the owner froze", time.Since(frozen).Round(time.Millisecond))
}

// watch looks at what clients are shown until the returned function is called,
// and then wants it to be one of the states that upstream ever was in.
func watch(t *testing.T, nodes []*proc, name string) func(states ...string) {
	t.Helper()
	stop := make(chan struct{})
	var readers sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]string{}
	for _, p := range nodes {
		dir := t.TempDir()
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				out, err := gittest.Try(t, dir, "ls-remote", "--symref", p.gitURL(name))
				if err == nil {
					mu.Lock()
					seen[out] = p.Name
					mu.Unlock()
				}
			}
		})
	}
	return func(states ...string) {
		close(stop)
		readers.Wait()
		for out, node := range seen {
			if !strings.Contains(strings.Join(states, "\x00")+"\x00", out+"\x00") {
				t.Errorf("%s showed what upstream never did:\n%s", node, out)
			}
		}
	}
}

// everywhere wants a commit behind the live or kept refs of each copy.
func everywhere(t *testing.T, nodes []*proc, commit string) {
	t.Helper()
	for _, p := range nodes {
		testlog.EventuallyIn(t, 90*time.Second, fmt.Sprintf("%s behind a ref of the copy on %s", commit, p.Name), func() bool {
			dirs, err := filepath.Glob(filepath.Join(p.Dir, "repos", "*", "*.git"))
			if err != nil || len(dirs) != 1 {
				return false
			}
			out, err := gittest.Try(t, dirs[0], "for-each-ref", "--contains", commit)
			return err == nil && out != ""
		})
	}
}

// A generation that was served is not given up because its owner was away for a
// few seconds, whatever upstream does meanwhile.
func TestServedGenerationSurvivesItsOwnersRestart(t *testing.T) {
	for name, gone := range map[string]bool{"upstream has gone": true, "upstream has taken it back": false} {
		t.Run(name, func(t *testing.T) {
			f, up, owner, replica, third := onlyOwner(t)
			second := gittest.LsRemote(t, up.URL("a"))
			lost, err := up.repos["a"].Git("rev-parse", "refs/heads/main")
			if err != nil {
				t.Fatal(err)
			}
			lost = strings.TrimSpace(lost)
			if gone {
				up.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
					http.Error(w, "down", http.StatusBadGateway)
					return true
				})
			} else if _, err := up.repos["a"].Git("update-ref", "refs/heads/main", lost+"^"); err != nil {
				t.Fatal(err)
			}
			first := "" // what was there before the push is what is there after the taking back
			if !gone {
				first = gittest.LsRemote(t, up.URL("a"))
			}
			owner.Kill()
			replica.signal(syscall.SIGCONT)
			verify := watch(t, []*proc{replica, third}, "a")
			third.await("a", "owned by the other holder", func(r *api.Repo) bool { return r.Owner == replica.Name })
			if !gone {
				third.await("a", "what upstream shows now", func(r *api.Repo) bool { return r.Generation == 3 })
			}
			owner.start(nil)
			f.settled(3)
			everywhere(t, []*proc{owner, replica}, lost)
			row := third.await("a", "at one generation on both", func(r *api.Repo) bool {
				return len(r.Copies) == 2 && r.Copies[0].Generation == r.Generation && r.Copies[1].Generation == r.Generation
			})
			if gone {
				if shown := gittest.LsRemote(t, third.gitURL("a")); row.Generation != 2 || shown != second {
					t.Errorf("generation %d shows\n%s\nwant the second:\n%s", row.Generation, shown, second)
				}
				verify(second, firstOf(t, up))
			} else {
				up.shows("a", f.nodes)
				verify(first, second)
			}
		})
	}
}

// firstOf is what the sample showed before anything was pushed to it.
func firstOf(t *testing.T, up *forge) string {
	t.Helper()
	up.Intercept(nil)
	if _, err := up.repos["a"].Git("update-ref", "refs/heads/main", "refs/heads/main^"); err != nil {
		t.Fatal(err)
	}
	return gittest.LsRemote(t, up.URL("a"))
}

// An orderly stop leaves its newest generation to a holder that is there.
func TestOrderlyStopLeavesASecondCopy(t *testing.T) {
	_, up, owner, replica, third := twoHolders(t)
	// The stop begins before anybody takes the other holder for dead: nobody would
	// wait for it then.
	replica.signal(syscall.SIGSTOP)
	up.push("a", "of the second generation")
	if out, err := owner.client.Sync(t.Context(), "a", 30*time.Second); err != nil || out.Generation != 2 {
		t.Fatalf("%+v, %v", out, err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		owner.stop()
	}()
	// It stops while the other holder is still asleep, and must wait for it.
	testlog.Eventually(t, "the owner to take no new requests", func() bool {
		_, err := owner.client.Status(t.Context())
		return err != nil
	})
	replica.signal(syscall.SIGCONT)
	<-ended
	up.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "down", http.StatusBadGateway)
		return true
	})
	row := third.await("a", "on the other holder", func(r *api.Repo) bool {
		for _, c := range r.Copies {
			if c.Node == replica.Name && c.Generation == 2 {
				return true
			}
		}
		return false
	})
	if row.Generation != 2 {
		t.Errorf("generation %d, want the second", row.Generation)
	}
}

// A copy that is nowhere else is cloned anew, without anybody's doing.
func TestLastCopyHeals(t *testing.T) {
	f, up := newCluster(t, 1), newForge(t)
	up.sample("a")
	p := f.nodes[0]
	p.add(up, "a", 1)
	for i, spoil := range []func(dir string) error{
		os.RemoveAll,
		func(dir string) error { return os.Truncate(filepath.Join(dir, "packed-refs"), 100) },
	} {
		dirs, err := filepath.Glob(filepath.Join(p.Dir, "repos", "*", "*.git"))
		if err != nil || len(dirs) != 1 {
			t.Fatal(dirs, err)
		}
		p.stop()
		if err := spoil(dirs[0]); err != nil {
			t.Fatal(err)
		}
		p.start(nil)
		up.shows("a", f.nodes)
		p.await("a", "ready under the next number", func(r *api.Repo) bool { return r.State == "ready" && r.Generation == uint64(i+2) })
	}
	up.push("a", "after it has healed")
	up.shows("a", f.nodes)
}

// Both copies are lost while their nodes are away.
func TestAllCopiesWiped(t *testing.T) {
	f, up := newCluster(t, 3), newForge(t)
	up.sample("a")
	f.nodes[0].add(up, "a", 2)
	row := f.nodes[0].await("a", "at one generation on both", func(r *api.Repo) bool { return oneGeneration(r) && len(r.Copies) == 2 })
	var holders []*proc
	for _, c := range row.Copies {
		holders = append(holders, f.node(c.Node))
	}
	all(holders, (*proc).Kill)
	for _, p := range holders {
		if err := os.RemoveAll(filepath.Join(p.Dir, "repos")); err != nil {
			t.Fatal(err)
		}
	}
	all(holders, func(p *proc) { p.start(nil) })
	f.settled(3)
	up.shows("a", f.nodes)
	f.nodes[0].await("a", "ready again", func(r *api.Repo) bool { return oneGeneration(r) && len(r.Copies) == 2 })
}
