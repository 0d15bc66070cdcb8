package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gitmirror/internal/upstream"
)

// Every git child of a run has the environment that one function builds:
// nothing of ours leaks into it, nothing of this machine's git configuration is
// read, and no secret stands in an argument list.
func TestEnvironmentOfEveryGitChild(t *testing.T) {
	dir, records := recorder(t)
	f, up := newCluster(t, 1, "PATH="+dir+":"+os.Getenv("PATH")), newForge(t)
	seen := watchChildren(t, f.nodes[0].Pid())
	for i := range 5 {
		name := fmt.Sprintf("r%d", i)
		up.sample(name)
		up.edit(name, func(e *upstream.Edit) {
			for k := range 40 {
				e.Commit(fmt.Sprintf("b%d", k), "x", map[string]string{"x": strings.Repeat(fmt.Sprint(k), 20000)})
			}
		})
		f.nodes[0].add(up, name, 1)
		up.push(name, "more")
		up.shows(name, f.nodes)
	}
	kinds := map[string]int{}
	check := func(c descendant) {
		kinds[c.what]++
		for _, want := range []string{"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", "GIT_ALLOW_PROTOCOL=http:https", "LC_ALL=C", "GIT_NO_LAZY_FETCH=1"} {
			if !strings.Contains(c.environ, "\x00"+want+"\x00") {
				t.Errorf("%s lacks %s", c.what, want)
			}
		}
		if strings.Contains(c.environ, "CANARY") || strings.Contains(c.environ, "SSH_AUTH_SOCK") {
			t.Errorf("%s inherited our environment", c.what)
		}
		if strings.Contains(c.cmdline, "socks5h") {
			t.Errorf("%s has the proxy's password in its arguments", c.what)
		}
		if !strings.Contains(c.environ, "\x00HOME="+filepath.Join(f.nodes[0].Dir, "home")+"\x00") {
			t.Errorf("%s has another home than ours", c.what)
		}
	}
	for _, c := range records() {
		check(c)
	}
	for _, c := range seen() { // git's own children too, as far as they live long enough
		if c.confirmed {
			check(c)
		}
	}
	if kinds["git fetch"] == 0 {
		t.Fatalf("no git fetch was seen, only %v: nothing is tested", kinds)
	}
}

// recorder makes a git that writes down /proc/<pid>/environ of itself before it
// becomes the real one: none that a node starts is missed.
func recorder(t *testing.T) (dir string, records func() []descendant) {
	t.Helper()
	real, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	dir, notes := t.TempDir(), t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\ncat /proc/$$/environ >%s/$$.$1.env\ncat /proc/$$/cmdline >%s/$$.$1.cmd\nexec %s \"$@\"\n", notes, notes, real)
	if err := os.WriteFile(filepath.Join(dir, "git"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir, func() []descendant {
		files, err := filepath.Glob(filepath.Join(notes, "*.env"))
		if err != nil {
			t.Fatal(err)
		}
		var list []descendant
		for _, f := range files {
			environ, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			cmdline, err := os.ReadFile(strings.TrimSuffix(f, ".env") + ".cmd")
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, descendant{what: "git " + strings.Split(filepath.Base(f), ".")[1], environ: "\x00" + string(environ), cmdline: string(cmdline)})
		}
		return list
	}
}

// descendant is what /proc showed of a process. Only what two looks agreed on counts:
// one look can fall into an exec or an exit, and show a part.
type descendant struct {
	what, environ, cmdline string
	confirmed              bool
}

// watchChildren samples the git descendants of a process until the returned
// function is called.
func watchChildren(t *testing.T, root int) func() map[int]descendant {
	t.Helper()
	seen := map[int]descendant{}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				sample(root, seen)
			}
		}
	}()
	return sync.OnceValue(func() map[int]descendant { close(stop); <-done; return seen })
}

func sample(root int, seen map[int]descendant) {
	procs, _ := filepath.Glob("/proc/[0-9]*")
	parents := map[int]int{}
	for _, dir := range procs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		stat, err := os.ReadFile(dir + "/stat")
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		parents[pid], _ = strconv.Atoi(fields[1])
	}
	for pid := range parents {
		ours := false
		for p := parents[pid]; p > 1; p = parents[p] {
			if p == root {
				ours = true
				break
			}
		}
		if !ours {
			continue
		}
		cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		args := strings.Split(string(cmdline), "\x00")
		// Between fork and exec a child still shows our own image.
		if len(environ) == 0 || len(args) < 2 || !strings.HasPrefix(filepath.Base(args[0]), "git") || strings.HasPrefix(filepath.Base(args[0]), "gitmirror") {
			continue
		}
		now := descendant{what: filepath.Base(args[0]) + " " + args[1], environ: "\x00" + string(environ), cmdline: string(cmdline)}
		was := seen[pid]
		now.confirmed = was.confirmed || was == now
		if !was.confirmed {
			seen[pid] = now
		}
	}
}
