package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gitmirror/api"
	"gitmirror/internal/crashpoint"
	"gitmirror/internal/testlog"
)

// An owner is killed at each crash point, on its first generation and on a
// later one. Whatever it had acknowledged is there after the restart, it goes
// on to what upstream shows, and nothing half-done is left on disk.
func TestOwnerKilledAtEachCrashPoint(t *testing.T) {
	for _, label := range crashpoint.Labels {
		for _, passage := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s/%d", label, passage), func(t *testing.T) {
				t.Parallel()
				up := newForge(t)
				up.sample("a")
				f := &cluster{t: t}
				p := f.join("n1", fmt.Sprintf("GITMIRROR_CRASHPOINT=%s:%d:KILL", label, passage))
				p.write(func() error {
					_, err := p.client.Add(t.Context(), api.AddRepo{URL: up.URL("a"), Name: "a", Interval: "1s"}, "a")
					return err
				})
				if passage == 2 {
					p.await("a", "cloned", func(r *api.Repo) bool { return r.Generation == 1 })
					up.push("a", "the second generation")
				}
				p.mustDie(syscall.SIGKILL)
				p.start(nil)
				up.shows("a", []*proc{p})
				p.await("a", "ready", func(r *api.Repo) bool { return r.State == "ready" && r.Generation == uint64(passage) })
				p.clean()
			})
		}
	}
}

// The same for a replica, which passes the points that touch the disk.
func TestReplicaKilledAtEachCrashPoint(t *testing.T) {
	for _, label := range []string{crashpoint.PackMoved, crashpoint.ObjectsMoved, crashpoint.CandidateWritten, crashpoint.TableActivated} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			up := newForge(t)
			up.sample("a")
			f := &cluster{t: t}
			first := f.join("n1")
			first.add(up, "a", 2)
			replica := f.join("n2", fmt.Sprintf("GITMIRROR_CRASHPOINT=%s:1:KILL", label))
			replica.mustDie(syscall.SIGKILL)
			replica.start(nil)
			up.push("a", "after the crash")
			up.shows("a", f.nodes)
			first.await("a", "at one generation on both", func(r *api.Repo) bool { return oneGeneration(r) && len(r.Copies) == 2 })
			if n := up.clones("a"); n != 1 {
				t.Errorf("upstream saw %d clones, want 1", n)
			}
			replica.clean()
		})
	}
}

// mustDie waits for the process to be killed by that signal: a crash point that
// is never passed proves nothing.
func (p *proc) mustDie(by syscall.Signal) {
	p.t.Helper()
	testlog.Eventually(p.t, p.Name+" to be killed at its crash point", func() bool { return !p.Running() })
	status, ok := p.State().Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != by {
		p.t.Fatalf("%s ended with %v, want %v\n%s", p.Name, p.State(), by, p.tail())
	}
}

// clean wants nothing half-done on the node's disk: no lock, no temporary file, no pack without
// its index, no candidate, no staging but of this run, no loose ref. What it is about to write, as it keeps
// its copies, is gone soon.
func (p *proc) clean() {
	p.t.Helper()
	var left []string
	defer func() {
		if len(left) > 0 {
			p.t.Errorf("left behind: %q", left)
		}
	}()
	testlog.Eventually(p.t, p.Name+" to have nothing half-done on its disk", func() bool {
		left = p.halfDone()
		return len(left) == 0
	})
}

func (p *proc) halfDone() (left []string) {
	p.t.Helper()
	err := filepath.WalkDir(filepath.Join(p.Dir, "repos"), func(path string, d os.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // it was there a moment ago
			return nil
		}
		if err != nil {
			return err
		}
		name := d.Name()
		for _, bad := range []string{".lock", ".tmp", ".candidate", ".making", ".keep"} {
			if strings.HasSuffix(name, bad) {
				left = append(left, path)
			}
		}
		if base, ok := strings.CutSuffix(path, ".pack"); ok {
			if _, err := os.Stat(base + ".idx"); err != nil {
				left = append(left, path+" without its index")
			}
		}
		if strings.HasPrefix(name, "tmp_") || strings.Contains(path, ".git/refs/") && !d.IsDir() {
			left = append(left, path)
		}
		return nil
	})
	if err != nil {
		p.t.Error(err)
	}
	runs, err := os.ReadDir(filepath.Join(p.Dir, "staging"))
	if err != nil || len(runs) != 1 {
		left = append(left, fmt.Sprintf("staging of %d runs (%v), want that of this one", len(runs), err))
	}
	for _, run := range runs {
		entries, err := os.ReadDir(filepath.Join(p.Dir, "staging", run.Name()))
		if err != nil {
			p.t.Error(err)
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), "scratch.") {
				left = append(left, "staging/"+e.Name())
			}
		}
	}
	return left
}
