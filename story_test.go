package main

import (
	"context"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"gitmirror/internal/child"
	"gitmirror/internal/fleet"
	"gitmirror/internal/forgereplay"
	"gitmirror/internal/upstream"
)

// forge serves repositories with a commit and a tag each.
func forge(ts *testscript.TestScript, neg bool, args []string) {
	s, err := upstream.Serve(forgeDir(ts), "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = s.Close() })
	forges.Store(ts.Getenv("WORK"), s)
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

// makeIndex has a repository of the forge, which is made where there is none, consist of the files of a folder.
func makeIndex(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: index NAME FOLDER")
	}
	r, err := upstream.Create(filepath.Join(forgeDir(ts), args[0]))
	ts.Check(err)
	files, folder := map[string]string{}, ts.MkAbs(args[1])
	ts.Check(filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		files[filepath.ToSlash(name)] = strings.ReplaceAll(ts.ReadFile(path), "$FORGE", ts.Getenv("FORGE"))
		return err
	}))
	ts.Check(r.Edit(func(e *upstream.Edit) { e.Replace("main", args[1], files) }))
}

// account has an account of a forge, as its API tells, consist of repositories of the forge: one of that name each
// time, by their order the same ones to it.
func account(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: account KIND NAME REPO...")
	}
	key := ts.Getenv("WORK") + "/" + args[0]
	of, there := apis.Load(key)
	if !there {
		api := forgereplay.New(args[0])
		at := httptest.NewServer(api)
		ts.Defer(at.Close)
		ts.Setenv("API", at.URL)
		of = api
		apis.Store(key, api)
	}
	var has []forgereplay.Repo
	for i, name := range args[2:] {
		if name != "-" { // one that was there is not any more
			has = append(has, forgereplay.Repo{ID: int64(i + 1), Owner: args[1], Name: path.Base(name), Clone: ts.Getenv("FORGE") + "/" + name, Archived: strings.HasSuffix(name, "-old")})
		}
	}
	of.(*forgereplay.Forge).Organisation(args[1], has...)
}

// apis are the forges of all stories that have an API, by the story's directory and their kind.
var apis sync.Map

// moved gives a repository of the forge another name, to which it redirects for good.
func moved(ts *testscript.TestScript, neg bool, args []string) {
	of, ok := forges.Load(ts.Getenv("WORK"))
	if !ok || len(args) != 2 {
		ts.Fatalf("usage: moved NAME OTHER, of a forge")
	}
	s := of.(*upstream.Server)
	ts.Check(os.Rename(filepath.Join(s.Root, args[0]), filepath.Join(s.Root, args[1])))
	s.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		rest, is := strings.CutPrefix(r.URL.Path, "/"+args[0]+"/")
		if is {
			http.Redirect(w, r, s.URL(args[1])+"/"+rest+"?"+r.URL.RawQuery, http.StatusMovedPermanently)
		}
		return is
	})
}

// forges are those of all stories, by the story's directory.
var forges sync.Map

// nodes are those of all stories, by the story's directory and name.
var nodes sync.Map

// spawner has them end with us.
var spawner = sync.OnceValue(child.New)

func nodeKey(ts *testscript.TestScript, name string) string { return ts.Getenv("WORK") + "/" + name }

// startNode runs a node in the background until the story ends.
func startNode(ts *testscript.TestScript, neg bool, args []string) {
	name := args[0]
	n := &fleet.Node{Binary: "gitmirror", Name: name, Dir: ts.MkAbs(name), Log: ts.MkAbs(name + ".log"), Spawner: spawner()}
	if err := n.Start(context.Background(), args[1:]...); err != nil {
		ts.Fatalf("%v\n%s", err, ts.ReadFile(n.Log))
	}
	ts.Defer(n.Kill)
	nodes.Store(nodeKey(ts, name), n)
	ts.Setenv(strings.ToUpper(name)+"_HTTP", n.HTTP)
	ts.Setenv(strings.ToUpper(name)+"_PEER", n.Peer)
}

// startAgain starts a node that has ended as people do later: by its directory.
func startAgain(ts *testscript.TestScript, neg bool, args []string) {
	n, ok := nodes.Load(nodeKey(ts, args[0]))
	if !ok {
		ts.Fatalf("there is no node %s", args[0])
	}
	again := n.(*fleet.Node)
	again.Bare = true
	if err := again.Start(context.Background()); err != nil {
		ts.Fatalf("%v\n%s", err, ts.ReadFile(again.Log))
	}
}

// stopNode sends a signal and waits for the end, which is orderly on TERM.
func stopNode(ts *testscript.TestScript, neg bool, args []string) {
	n, ok := nodes.Load(nodeKey(ts, args[0]))
	switch {
	case !ok:
		ts.Fatalf("there is no node %s", args[0])
	case args[1] == "TERM":
		ts.Check(n.(*fleet.Node).Stop(30 * time.Second))
	case args[1] == "KILL":
		n.(*fleet.Node).Kill()
	default:
		ts.Fatalf("a node ends with TERM or KILL, not %s", args[1])
	}
}
