package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"

	"gitmirror/api"
)

// screenOf is a terminal so many columns wide, and what is written to it until read is called.
func screenOf(t *testing.T, columns int) (tty *os.File, read func() string) {
	t.Helper()
	of, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(of, &pty.Winsize{Rows: 40, Cols: uint16(columns)}); err != nil {
		t.Fatal(err)
	}
	all := make(chan string)
	go func() {
		var b bytes.Buffer
		_, _ = io.Copy(&b, of) // ends with EIO, when nobody has the terminal any more
		_ = of.Close()
		all <- b.String()
	}()
	return tty, func() string {
		_ = tty.Close()
		return strings.ReplaceAll(<-all, "\r\n", "\n")
	}
}

// ago is some time before now that is told in the same word for as long as a test takes.
func ago(d time.Duration) *time.Time { t := time.Now().Add(-d - d/100 - time.Second); return &t }

// village is what a fake node knows: something in each of the states that people look at.
func village(addr string) func(int, request) any {
	node := func(name, role, state string) api.Node {
		return api.Node{Name: name, ID: "id-" + name, State: state, Role: role, HTTP: addr, Peer: "10.0.0.1:7655", Owned: 120, Copies: 240, Since: *ago(26 * time.Hour), Version: "v0.1.0"}
	}
	three := 3
	repos := []api.Repo{
		{ID: "1", Name: "github.com/acme/big", URLs: []string{"https://github.com/acme/big"}, State: "ready", Owner: "n1", Epoch: 1, Generation: 117, Durable: true, Refs: 1204, Head: "refs/heads/main",
			RefPrefixes: []string{"refs/heads/", "refs/tags/"}, Policy: api.Policy{Replicas: 2, IntervalMS: 60000}, LastCheck: ago(3 * time.Minute), LastChange: ago(3 * time.Hour),
			Copies: []api.Copy{{Node: "n1", State: "ready", Generation: 117}, {Node: "n2", State: "broken", Generation: 110, Since: ago(5 * time.Hour)}}},
		{ID: "2", Name: "git.example.org/a/very/long/path/to/some-repository-with-a-name", URLs: []string{"https://git.example.org/a/very/long/path/to/some-repository-with-a-name"}, State: "failing", Since: ago(41 * time.Minute), Owner: "n2", Epoch: 1,
			Policy: api.Policy{Replicas: 2, IntervalMS: 60000}, Error: &api.RepoError{Class: "network", Message: "git.example.org does not resolve", Since: *ago(41 * time.Minute), Count: &three},
			Copies: []api.Copy{{Node: "n2", State: "wanted"}}},
	}
	return func(_ int, r request) any {
		switch path, _, _ := strings.Cut(strings.TrimPrefix(r.line, "GET /api/v1/"), "?"); path {
		case "status":
			return api.Status{ClusterID: "01jd3k00", Verdict: api.Degraded, Leader: "n1", AnsweredBy: "n1", Since: ago(2 * time.Hour), Nodes: []api.Node{node("n1", "leader", "up"), node("n2", "voter", "down")},
				Repos:     api.RepoCounts{Total: 2, ByState: map[string]int{"ready": 1, "failing": 1}},
				Attention: []api.Attention{{Message: "n2 is down", Command: "gitmirror node show n2", Since: ago(2 * time.Hour)}, {Message: "upstream git.example.org is unreachable: 1 repository", Command: "gitmirror repo ls --state failing", Since: ago(41 * time.Minute)}}}
		case "repos":
			return api.RepoList{Repos: repos}
		case "repos/github.com/acme/big":
			return repos[0]
		case "nodes":
			return api.NodeList{Nodes: []api.Node{node("n1", "leader", "up"), node("n2", "voter", "down")}}
		case "trash":
			return api.TrashList{Total: 1, Trash: []api.Trashed{{Name: "github.com/acme/gone", RemovedAt: *ago(5 * time.Hour), Until: time.Date(2026, 3, 2, 14, 5, 0, 0, time.Local), Generation: 41, Nodes: []string{"n1", "n3"}}}}
		}
		return &api.Problem{Status: 404, Detail: "there is no repo x", Code: "not_found"}
	}
}

// What people see is pinned: on terminals of 80 and 200 columns, without colour where that is
// said, and through a pipe.
func TestWhatATerminalShows(t *testing.T) {
	for _, look := range []struct {
		name    string
		columns int // 0: a pipe
		env     []string
	}{{"80", 80, nil}, {"200", 200, nil}, {"80-no-color", 80, []string{"NO_COLOR", "1"}}, {"80-dumb", 80, []string{"TERM", "dumb"}}, {"pipe", 0, nil}} {
		t.Run(look.name, func(t *testing.T) {
			t.Setenv("TERM", "xterm")
			t.Setenv("NO_COLOR", "")
			if look.env != nil {
				t.Setenv(look.env[0], look.env[1])
			}
			f := fakeNode(t, village("http://10.0.0.11:7654"))
			var all strings.Builder
			for _, line := range []string{"status", "repo ls", "repo ls -o wide", "repo show github.com/acme/big", "node ls", "trash ls", "repo show x"} {
				fmt.Fprintf(&all, "$ gitmirror %s\n%s\n", line, strings.ReplaceAll(seen(t, look.columns, strings.Fields(line)...), f.URL, "http://NODE"))
			}
			got := all.String()
			if colored := strings.Contains(got, "\x1b"); colored != (look.columns > 0 && look.env == nil) {
				t.Errorf("coloured: %v", colored)
			}
			path := filepath.Join("testdata", "terminal-"+look.name+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got), go test ./cli -run WhatATerminal -update writes it anew:\n%s", path, diff)
			}
		})
	}
}

// seen is what a command line shows: on a terminal so many columns wide, or to pipes.
func seen(t *testing.T, columns int, args ...string) string {
	t.Helper()
	if columns == 0 {
		r := run(t, args...)
		return r.out + r.err
	}
	tty, read := screenOf(t, columns)
	p := program{Streams: Streams{In: strings.NewReader(""), Out: tty, Err: tty}, patience: testPatience, every: time.Millisecond}
	p.main(t.Context(), append([]string{"gitmirror"}, args...))
	return read()
}

// A line of progress fits the terminal, however narrow it is: what tells least is left out.
func TestProgressFitsTheTerminal(t *testing.T) {
	percent, all := 62, int64(190_000)
	r := &api.Repo{Name: "github.com/acme/quite-large", State: "cloning", Owner: "n1", Policy: api.Policy{Replicas: 2}, Copies: []api.Copy{{Node: "n1", State: "wanted",
		Progress: &api.Progress{Upstream: "github.com", Phase: api.PhaseReceiving, Percent: &percent, Objects: 120_000, AllObjects: &all, Bytes: 1_395_864_371, Rate: 39_845_888}}}}
	for width, want := range map[int]string{
		0:   "github.com/acme/quite-large: Cloning 62%  1.3 GiB  38 MiB/s  objects 120,000/190,000  1m0s",
		120: "github.com/acme/quite-large: Cloning  62% ████████████▍         1.3 GiB  38 MiB/s  objects 120,000/190,000  1m0s",
		95:  "github.com/acme/quite-large: Cloning 62%  1.3 GiB  38 MiB/s  objects 120,000/190,000  1m0s",
		80:  "github.com/acme/quite-large: Cloning 62%  1.3 GiB  38 MiB/s  1m0s",
		64:  "github.com/acme/quite-large: Cloning 62%  1.3 GiB  1m0s",
		48:  "github.com/acme/quite-large: Cloning 62%  1m0s",
		40:  "github.…/quite-large: Cloning 62%  1m0s",
		20:  "gith…rge: Cloning 62%  1m0s",
	} {
		got := ready.waiting([]string{r.Name}, []*api.Repo{r}, time.Now().Add(-time.Minute), width)
		if got != want {
			t.Errorf("%d columns: %q, want %q", width, got, want)
		}
	}
	if got := ready.waiting([]string{"a", r.Name}, []*api.Repo{nil, r}, time.Now(), 60); !strings.HasPrefix(got, "0 of 2 ready; github.com/acme/quite-large: Cloning 62%  ") {
		t.Errorf("of two: %q", got)
	}

	tty, read := screenOf(t, 40)
	p := newProgress(&session{program: program{Streams: Streams{Err: tty}}})
	t.Setenv("TERM", "xterm")
	p.part(1, 3, "lines")
	if err := pty.Setsize(tty, &pty.Winsize{Rows: 40, Cols: 20}); err != nil { // somebody makes the window smaller
		t.Fatal(err)
	}
	p.part(2, 3, "lines")
	p.update("x: failing, because of a reason that is long")
	p.end()
	want := "\r[======              ] 1 of 3 lines\x1b[K\r2 of 3 lines\x1b[K\rx: failing, becaus…\x1b[K\r\x1b[K"
	if got := read(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A question is asked on a terminal alone, and yes is the only answer by which anything is done.
func TestAQuestionOnATerminal(t *testing.T) {
	for answer, code := range map[string]int{"y": exitOK, "YES": exitOK, "n": exitFailed, "": exitFailed, "yes please": exitFailed} {
		done := false
		f := fakeNode(t, func(_ int, r request) any {
			if strings.HasPrefix(r.line, "DELETE") {
				done = true
				return nil
			}
			return api.Node{Name: "n2"}
		})
		of, tty, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintln(of, answer+"\nn"); err != nil {
			t.Fatal(err)
		}
		var said bytes.Buffer
		p := program{Streams: Streams{In: tty, Out: io.Discard, Err: &said}, patience: testPatience}
		if got := p.main(t.Context(), []string{"gitmirror", "node", "rm", "n2", "--addr", f.URL}); got != code || done != (code == exitOK) {
			t.Errorf("%q: exit code %d, done %v\n%s", answer, got, done, said.String())
		}
		contains(t, "stderr", said.String(), "Go on? [y/N]")
		said.Reset()
		done = false
		if got := p.main(t.Context(), []string{"gitmirror", "node", "rm", "n2", "--addr", f.URL, "-o", "json"}); got != exitUsage || done || strings.Contains(said.String(), "Go on?") {
			t.Errorf("for a program: exit code %d, done %v\n%s", got, done, said.String())
		}
		_ = tty.Close()
		_ = of.Close()
	}
}
