package fetch_test

import (
	"net/http"
	"testing"
	"time"

	"gitmirror/mirror"
	"gitmirror/mirror/fetch"
	"gitmirror/mirror/git"
	"gitmirror/mirror/gogit"
	"gitmirror/mirror/maintain"
	"gitmirror/mirror/sync"
)

// objects are what an engine brings, and tells of: of mirror.Objects all but how packs are put in
// order.
type objects interface {
	sync.Objects
	maintain.Walker
	mirror.Reader
}

// engine is one of those that a node may have. Each test of this package that is of no engine's
// own insides is run for both, by the same table: what one of them does not do stands there as
// what it comes to instead.
type engine struct {
	name string
	make func(t *testing.T, stall time.Duration, memory int64) objects
}

var engines = []engine{
	{"git", func(t *testing.T, stall time.Duration, memory int64) objects {
		runner, err := git.New(t.Context(), git.Config{Home: t.TempDir(), Memory: memory})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(runner.Close)
		return gits{fetch.New(runner, nil, stall), maintain.NewGit(runner, nil)}
	}},
	{"go-git", func(t *testing.T, stall time.Duration, memory int64) objects {
		peers := &http.Transport{}
		t.Cleanup(peers.CloseIdleConnections)
		return gogit.New(gogit.Config{Peers: peers, Stall: stall, Memory: memory})
	}},
}

type gits struct {
	*fetch.Fetcher
	maintain.Walker
}

// with tells which of two things, of git and of go-git, is this engine's.
func with[T any](e engine, git, gogit T) T {
	if e.name == "git" {
		return git
	}
	return gogit
}

// both runs a test for both engines.
func both(t *testing.T, test func(t *testing.T, of engine)) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel() // to the other
			test(t, e)
		})
	}
}
