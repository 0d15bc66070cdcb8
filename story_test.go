package main

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"

	"gitmirror/internal/upstream"
)

// forge serves repositories with a commit and a tag each.
func forge(ts *testscript.TestScript, neg bool, args []string) {
	s, err := upstream.Serve(forgeDir(ts), "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = s.Close() })
	for _, name := range args {
		r, err := s.Repo(name)
		ts.Check(err)
		ts.Check(r.Edit(func(e *upstream.Edit) {
			e.Commit("main", "one", map[string]string{"name.txt": name})
			e.Tag("v1", "main", "version one")
		}))
	}
	ts.Setenv("FORGE", strings.TrimSuffix(s.URL(""), "/"))
}

func forgeDir(ts *testscript.TestScript) string { return filepath.Join(ts.Getenv("WORK"), ".forge") }

func push(ts *testscript.TestScript, neg bool, args []string) {
	r := &upstream.Repo{Dir: filepath.Join(forgeDir(ts), args[0])}
	ts.Check(r.Edit(func(e *upstream.Edit) { e.Commit("main", "pushed", map[string]string{"pushed.txt": "pushed"}) }))
}

// nodes are the processes of all stories, by the story's directory and name.
var nodes sync.Map

func nodeKey(ts *testscript.TestScript, name string) string { return ts.Getenv("WORK") + "/" + name }

// startNode runs a node in the background until the story ends.
func startNode(ts *testscript.TestScript, neg bool, args []string) {
	name := args[0]
	cmd := exec.Command("gitmirror", append([]string{"start", "-o", "json", "--name", name, "--data", ts.MkAbs(name),
		"--http", "127.0.0.1:0", "--peer", "127.0.0.1:0", "--allow-upstream", "127.0.0.0/8"}, args[1:]...)...)
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	log, err := os.Create(ts.MkAbs(name + ".log"))
	ts.Check(err)
	cmd.Stderr = log
	ts.Check(cmd.Start())
	nodes.Store(nodeKey(ts, name), cmd)
	ts.Defer(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = log.Close()
	})
	var where struct{ HTTP, Peer string }
	if err := json.NewDecoder(out).Decode(&where); err != nil {
		text, _ := os.ReadFile(log.Name())
		ts.Fatalf("node %s does not serve: %v\n%s", name, err, text)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	ts.Setenv(strings.ToUpper(name)+"_HTTP", where.HTTP)
	ts.Setenv(strings.ToUpper(name)+"_PEER", where.Peer)
}

// stopNode sends a signal and waits for the end, which is orderly on TERM.
func stopNode(ts *testscript.TestScript, neg bool, args []string) {
	v, ok := nodes.Load(nodeKey(ts, args[0]))
	if !ok {
		ts.Fatalf("there is no node %s", args[0])
	}
	cmd := v.(*exec.Cmd)
	ts.Check(cmd.Process.Signal(map[string]syscall.Signal{"TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}[args[1]]))
	if err := cmd.Wait(); args[1] == "TERM" {
		ts.Check(err)
	}
}
