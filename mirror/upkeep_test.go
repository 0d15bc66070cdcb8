package mirror_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
	"gitmirror/mirror"
	"gitmirror/mirror/maintain"
)

// Clones, partial ones, fetches and a replica's copies come out whole while packs are joined,
// gathered, charted and deleted behind them as fast as that goes, and upstream is pushed and
// force-pushed to. With GITMIRROR_LONG=1 there are a thousand clones.
func TestReadersKeepWorkingWhilePacksAreReplaced(t *testing.T) {
	clones, workers := int64(16), 3
	if os.Getenv("GITMIRROR_LONG") != "" {
		clones = 1000
	}
	up := gittest.Upstream(t)
	r := sample(t, up, "x.git")
	gittest.Edit(t, r, func(e *upstream.Edit) {
		for i := range 3400 { // large enough for charts
			e.Commit("main", fmt.Sprint(i), map[string]string{fmt.Sprint("d", i%40, "/f", i): fmt.Sprint(i)})
		}
	})
	b := newBook()
	n, replica := startNode(t, b, t.TempDir()), startNode(t, b, t.TempDir())
	owned(t, b, n, map[string]string{"repox": up.URL("x.git")})
	b.mu.Lock()
	replica.roles["repox"] = mirror.Replica
	b.mu.Unlock()
	b.tell()
	arrives(t, n, "repox", 1)
	arrives(t, replica, "repox", 1)

	ctx, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	var rounds atomic.Int64
	for _, n := range []*node{n, replica} {
		others.Go(func() {
			for ctx.Err() == nil {
				n.engine.Maintain("repox", []mirror.Job{maintain.Gather, maintain.Chart})
				testlog.EventuallyIn(t, 2*time.Minute, "the work that was asked for", func() bool {
					s, _ := n.engine.Status("repox")
					return len(s.Upkeep.Wanted) == 0 && s.Upkeep.Doing == "" && !s.Upkeep.Leaving || ctx.Err() != nil
				})
				rounds.Add(1)
			}
		})
	}
	others.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			before := n.generation("repox")
			err := r.Edit(func(e *upstream.Edit) {
				e.Commit("main", fmt.Sprint("push ", i), map[string]string{fmt.Sprint("p", i%7): fmt.Sprint(i)})
				e.Branch("forced", "main")
				e.Commit("forced", fmt.Sprint("forced ", i), map[string]string{"forced": fmt.Sprint(i)})
			})
			if err != nil {
				t.Error(err)
				return
			}
			testlog.Eventually(t, "the push", func() bool { return ctx.Err() != nil || n.generation("repox") > before })
		}
	})
	var next atomic.Int64
	var readers sync.WaitGroup
	for range workers {
		readers.Go(func() {
			for i := next.Add(1); (i <= clones || rounds.Load() < 4) && !t.Failed(); i = next.Add(1) {
				from := []*node{n, replica}[i%2].http.URL + "/repox"
				dir := filepath.Join(t.TempDir(), "c.git")
				args := []string{"clone", "--quiet", "--mirror"}
				partial := i%3 == 0
				if partial {
					args = append(args, "--filter=blob:none")
				}
				if out, err := gittest.Try(t, t.TempDir(), append(args, from, dir)...); err != nil {
					t.Errorf("clone %d: %v\n%s", i, err, out)
					return
				}
				if out, err := gittest.Try(t, dir, "fetch", "--quiet", "origin"); err != nil {
					t.Errorf("fetch %d: %v\n%s", i, err, out)
				}
				walk := []string{"rev-list", "--objects", "--all", "--quiet"}
				if partial {
					walk = append(walk, "--exclude-promisor-objects")
				}
				if out, err := gittest.Try(t, dir, walk...); err != nil {
					t.Errorf("clone %d is not whole: %v\n%s", i, err, out)
				}
				if out, err := gittest.Try(t, dir, "fsck", "--connectivity-only"); err != nil || strings.Contains(out, "missing") {
					t.Errorf("clone %d is not whole: %v\n%s", i, err, out)
				}
				_ = os.RemoveAll(dir)
			}
		})
	}
	readers.Wait()
	stop()
	others.Wait()
	t.Logf("%d clones while packs were replaced %d times, to generation %d", next.Load()-int64(workers), rounds.Load(), n.generation("repox"))
	for _, n := range []*node{n, replica} {
		n.stop() // git's fsck takes a pack that goes while it reads for one that is damaged
		dirs, err := filepath.Glob(filepath.Join(n.dir, "repos", "*", "repox.git"))
		if err != nil || len(dirs) != 1 {
			t.Fatal(dirs, err)
		}
		gittest.Run(t, dirs[0], "-c", "safe.directory=*", "fsck", "--full", "--no-dangling")
	}
}
