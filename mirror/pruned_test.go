package mirror_test

import (
	"path/filepath"
	"sync"
	"testing"

	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
	"gitmirror/mirror"
)

// What came for a generation that was never published may be pruned before it is needed again,
// and not all of it at once: a tip that is still there says nothing of what it leads to.
func TestWhatWasPrunedBetweenTwoFetchesIsFetchedAgain(t *testing.T) {
	up, b, n := mirrored(t)
	r, err := up.Repo("x.git")
	if err != nil {
		t.Fatal(err)
	}
	replica := startNode(t, b, t.TempDir())
	replica.roles["repox"] = mirror.Replica
	b.tell()
	arrives(t, replica, "repox", 1)
	dirs, err := filepath.Glob(filepath.Join(n.dir, "repos", "*", "repox.git"))
	if err != nil || len(dirs) != 1 {
		t.Fatal(dirs, err)
	}
	var once sync.Once
	pruned := false
	b.mu.Lock()
	b.fate = func(mirror.Candidate) mirror.CommitStatus {
		fate := mirror.Committed
		once.Do(func() {
			fate = mirror.Overtaken
			parent, err := r.Git("rev-parse", "fresh~1")
			if err != nil {
				t.Error(err)
				return
			}
			gittest.Prune(t, dirs[0], parent)
			pruned = true
		})
		return fate
	}
	b.mu.Unlock()
	gittest.Edit(t, r, func(e *upstream.Edit) {
		e.Branch("fresh", "main")
		e.Commit("fresh", "more", map[string]string{"d.txt": "d"})
		e.Commit("fresh", "and more", map[string]string{"e.txt": "e"})
	})
	for _, n := range []*node{n, replica} {
		testlog.Eventually(t, "the new branch", func() bool { return same(t, n, "repox", up, "x.git") })
		clone := filepath.Join(t.TempDir(), "c.git")
		gittest.Run(t, t.TempDir(), "clone", "--quiet", "--mirror", n.http.URL+"/repox", clone)
		gittest.Run(t, clone, "fsck", "--strict")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !pruned {
		t.Error("nothing was pruned")
	}
}
