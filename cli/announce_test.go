package cli

import (
	"context"
	"strings"
	"testing"

	"gitmirror/node"
)

// The line that a node prints is one that the next node starts with: on this host with
// addresses of its own, elsewhere with those that are to be filled in. No loopback address
// is for another host.
func TestTheLineByWhichTheNextNodeJoins(t *testing.T) {
	for _, c := range []struct {
		cfg  node.Config
		info node.Info
		line string
		on   string
	}{
		{node.Config{Dir: "d1"}, node.Info{Name: "n1", HTTP: "http://127.0.0.1:7654", Peer: "127.0.0.1:7655"},
			"gitmirror start --name n2 --data d2 --http 127.0.0.1:7664 --peer 127.0.0.1:7665 --join 127.0.0.1:7655", "on this host"},
		{node.Config{Dir: "/var/lib/git mirror/"}, node.Info{Name: "host", HTTP: "http://127.0.0.1:65530", Peer: "[::1]:7655"},
			"gitmirror start --name host-2 --data '/var/lib/git mirror-2' --http 127.0.0.1:65520 --peer [::1]:7665 --join [::1]:7655", "on this host"},
		{node.Config{Dir: "d1"}, node.Info{Name: "n1", HTTP: "http://10.0.0.11:7654", Peer: "10.0.0.11:7655"},
			"gitmirror start --peer HOST:7655 --insecure-peers --http HOST:7654 --join 10.0.0.11:7655", "on another host"},
		{node.Config{Dir: "d1", Timing: "slow", AllowUpstream: []string{"10.0.0.0/8", "fd00::/8"}}, node.Info{Name: "n1", HTTP: "http://127.0.0.1:7654", Peer: "n1.example:7655"},
			"gitmirror start --peer HOST:7655 --insecure-peers --raft-timing slow --allow-upstream 10.0.0.0/8 --allow-upstream fd00::/8 --join n1.example:7655", "on another host"},
	} {
		if c.cfg.Timing == "" {
			c.cfg.Timing = "normal"
		}
		line, where, note := joinLine(c.cfg, c.info)
		if line != c.line || !strings.HasPrefix(where, c.on) || (c.on == "on this host") != strings.Contains(note, "Other hosts do not reach") {
			t.Errorf("%s:\n%s, want\n%s", where, line, c.line)
		}
		if _, err := arrange(program{}.app(), strings.Fields(line)); err != nil {
			t.Error(err)
		}
	}
}

// Who ends a node that waits to be let in by Ctrl-C is told nothing; one that is ended
// otherwise has ended well.
func TestEndOfANodeThatWaitsToBeLetIn(t *testing.T) {
	for cause, want := range map[error]int{nil: exitInterrupted, ErrTerminated: exitOK} {
		ctx, cancel := context.WithCancelCause(t.Context())
		waits := &watchedStream{seen: func() { cancel(cause) }}
		var out strings.Builder
		code := program{Streams: Streams{In: strings.NewReader(""), Out: &out, Err: waits}}.main(ctx,
			[]string{"gitmirror", "start", "--name", "n1", "--data", t.TempDir(), "--http", "127.0.0.1:0", "--peer", "127.0.0.1:0", "--join", "127.0.0.1:1"})
		if code != want || out.Len() > 0 || strings.Count(waits.said.String(), "\n") != 1 {
			t.Errorf("ended by %v: exit code %d, want %d\n%s%s", cause, code, want, out.String(), waits.said.String())
		}
	}
}

// watchedStream is a stream that tells when somebody has said to wait.
type watchedStream struct {
	said strings.Builder
	seen func()
}

func (w *watchedStream) Write(b []byte) (int, error) {
	w.said.Write(b)
	if strings.Contains(string(b), "not joined yet") {
		w.seen()
	}
	return len(b), nil
}
