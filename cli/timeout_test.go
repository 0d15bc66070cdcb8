package cli

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gitmirror/api"

	urfave "github.com/urfave/cli/v2"
)

// --timeout bounds all that a command does; where it goes on until it is interrupted, each call.
func TestATimeoutBoundsTheWholeCommand(t *testing.T) {
	for line, want := range map[string]bool{"x --timeout 4s": true, "x": false, "x --timeout 4s --follow": false} {
		bounded, before := false, time.Now()
		app := &urfave.App{Commands: []*urfave.Command{command{path: "x", flags: []urfave.Flag{&urfave.BoolFlag{Name: "follow"}},
			run: func(ctx context.Context, _ *session, _ *urfave.Context) error {
				var end time.Time
				end, bounded = ctx.Deadline()
				if bounded && end.Before(before.Add(4*time.Second)) {
					t.Errorf("%s: it ends %s after it began", line, end.Sub(before))
				}
				return nil
			}}.build(program{})}}
		if err := app.Run(append([]string{"gitmirror"}, strings.Fields(line)...)); err != nil || bounded != want {
			t.Errorf("%s: %v, bounded %v", line, err, bounded)
		}
	}
}

// A write that nobody decides ends with --timeout: who leads is asked before that.
func TestAWriteThatNobodyDecidesEndsInTime(t *testing.T) {
	writing := make(chan context.Context, 1)
	f := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_, _ = io.Copy(io.Discard, r.Body) // whose end is waited for before that of the request is heard
			writing <- r.Context()
			<-r.Context().Done()
			return
		}
		select {
		case ctx := <-writing:
			if ctx.Err() != nil {
				t.Error("the write had ended when it was asked who leads")
			}
			_, _ = w.Write([]byte(`{"cluster_id":"c","leader":""}`))
		default:
			t.Error("it is asked who leads before the write")
		}
	}))
	defer f.Close()
	r := run(t, "repo", "pause", "h/a", "h/b", "--addr", f.URL, "--timeout", "1s").want(t, exitUnavailable)
	contains(t, "stderr", r.err, "no leader until --timeout ran out")
}

// Nodes, and pages of one, are asked beside each other: one that is frozen holds up no other.
func TestTheBundleAsksNodesBesideEachOther(t *testing.T) {
	var all sync.WaitGroup
	all.Add(2 * len(nodePages))
	var f *httptest.Server
	f = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/api/v1/status"):
			_, _ = w.Write([]byte(`{"cluster_id":"c","nodes":[{"name":"n1","http":"` + f.URL + `"},{"name":"n2","http":"` + f.URL + `"}]}`))
		case strings.HasPrefix(r.URL.Path, "/api/"):
			_, _ = w.Write([]byte(`{"repos":[],"events":[]}`))
		default:
			all.Done()
			all.Wait()
			_, _ = w.Write([]byte("fine"))
		}
	}))
	defer f.Close()
	path := filepath.Join(t.TempDir(), "b.tar.gz")
	r := run(t, "debug", "bundle", path, "--addr", f.URL).want(t, exitOK)
	if strings.Contains(r.err, "Not in it: nodes/") {
		t.Error(r.err)
	}
}

// A shell waits half a second for names: of two nodes the one is asked that answers.
func TestCompletionGoesOnToTheNextNode(t *testing.T) {
	f := fakeNode(t, func(int, request) any { return api.RepoList{Repos: []api.Repo{{Name: "acme/big"}}} })
	frozen, err := net.Listen("tcp", "127.0.0.1:0") // the kernel takes what nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	defer frozen.Close()
	contains(t, "stdout", run(t, "repo", "show", "--addr", frozen.Addr().String()+","+f.URL, "ac", completionMarker).out, "acme/big")
}
