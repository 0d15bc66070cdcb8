package coordinator

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

func (w *world) apply4(run string, runs ...string) Applicant {
	return Applicant{Node: &command.Node{Id: id(4), Name: "n4", Peer: "h4:1", Run: run, Format: fsm.Format}, Runs: runs}
}

// code is the code of a refusal, "" for none.
func code(t *testing.T, err error) refusal.Code {
	t.Helper()
	r := refusal.Of(err)
	if err != nil && r == nil {
		t.Fatalf("no refusal: %v", err)
	}
	if r == nil {
		return ""
	}
	return r.Code
}

func TestAnApplicantMustAnswerWhereItSays(t *testing.T) {
	w := newWorld(t, 3)
	for _, c := range []struct {
		name   string
		answer *Process
		edit   func(*command.Node)
		code   refusal.Code
	}{
		{name: "nobody answers", code: refusal.NodeUnreachable},
		{name: "another node answers", answer: &Process{id(2), "x"}, code: refusal.ConflictAddress},
		{name: "another run answers", answer: &Process{id(4), "other"}, code: refusal.NodeCopied},
		{name: "no UUID", answer: &Process{id(4), "r1"}, edit: func(n *command.Node) { n.Id = "four" }, code: "join_invalid"},
		{name: "no run", answer: &Process{id(4), ""}, edit: func(n *command.Node) { n.Run = "" }, code: "join_invalid"},
		{name: "port 0", answer: &Process{id(4), "r1"}, edit: func(n *command.Node) { n.Peer = "127.0.0.1:0" }, code: "join_invalid"},
		{name: "wildcard", answer: &Process{id(4), "r1"}, edit: func(n *command.Node) { n.Peer = "0.0.0.0:7655" }, code: "join_invalid"},
		{name: "no host", answer: &Process{id(4), "r1"}, edit: func(n *command.Node) { n.Peer = ":7655" }, code: "join_invalid"},
		{name: "it answers", answer: &Process{id(4), "r1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.apply4("r1")
			if c.edit != nil {
				c.edit(a.Node)
			}
			w.answers = map[string]Process{}
			if c.answer != nil {
				w.answers[a.Node.Peer] = *c.answer
			}
			before := w.proposals
			if got := code(t, w.c.Join(context.Background(), a)); got != c.code {
				t.Errorf("refused with %q, want %q", got, c.code)
			}
			if c.code != "" && w.proposals != before {
				t.Error("a refused applicant left an entry in the log")
			}
		})
	}
}

// A loopback address leads to another place on each host: members are all at such ones, on
// one host, or none is. Who is a member goes on, and may move to where others reach it.
func TestLoopbackAndOthersAreNotOneCluster(t *testing.T) {
	for name, c := range map[string]struct {
		members []string // peer addresses of nodes 1 and on
		who     int      // which node asks; one more than members is new
		at      string
		code    refusal.Code
		names   string // in what is to try
	}{
		"a newcomer, on one host":             {[]string{"127.0.0.1:1"}, 2, "127.0.0.1:2", "", ""},
		"a newcomer, on several":              {[]string{"10.0.0.1:1"}, 2, "10.0.0.2:1", "", ""},
		"a newcomer at loopback":              {[]string{"10.0.0.1:1"}, 2, "127.0.0.1:1", refusal.JoinInvalid, "start n2 with --peer HOST:7655 --insecure-peers"},
		"a newcomer at localhost":             {[]string{"10.0.0.1:1"}, 2, "localhost:1", refusal.JoinInvalid, "start n2 with --peer"},
		"a newcomer at ::1":                   {[]string{"n1.example:1"}, 2, "[::1]:1", refusal.JoinInvalid, "start n2 with --peer"},
		"a newcomer, where others are at it":  {[]string{"127.0.0.1:1"}, 2, "10.0.0.2:1", refusal.JoinInvalid, "start n1 with --peer"},
		"the only member, to where it was":    {[]string{"127.0.0.1:1"}, 1, "127.0.0.1:2", "", ""},
		"the only member, outwards":           {[]string{"127.0.0.1:1"}, 1, "10.0.0.1:1", "", ""},
		"a member, outwards":                  {[]string{"127.0.0.1:1", "127.0.0.1:2"}, 2, "10.0.0.1:2", "", ""},
		"a member that stays, others outside": {[]string{"10.0.0.1:1", "127.0.0.1:2"}, 2, "127.0.0.1:2", "", ""},
		"a member, inwards":                   {[]string{"10.0.0.1:1", "10.0.0.2:1"}, 2, "127.0.0.1:1", refusal.JoinInvalid, "start n2 with --peer"},
	} {
		w := newWorld(t, 0)
		for i, at := range c.members {
			w.apply(&command.PutNode{Node: &command.Node{Id: id(i + 1), Name: fmt.Sprintf("n%d", i+1), Peer: at, Run: "r", Format: fsm.Format}})
		}
		w.answers = map[string]Process{c.at: {id(c.who), "next"}}
		err := w.c.Join(context.Background(), Applicant{Runs: []string{"r"}, Node: &command.Node{Id: id(c.who), Name: fmt.Sprintf("n%d", c.who), Peer: c.at, Run: "next", Format: fsm.Format}})
		if got := code(t, err); got != c.code || got != "" && !strings.Contains(refusal.Of(err).Hint, c.names) {
			t.Errorf("%s: %v, want %q with %q", name, err, c.code, c.names)
		}
	}
}

func TestADataDirectoryIsOneProcess(t *testing.T) {
	w := newWorld(t, 3)
	at := func(addr, run string) { w.answers[addr] = Process{id(4), run} }
	join := func(a Applicant) refusal.Code { return code(t, w.c.Join(context.Background(), a)) }
	w.answers = map[string]Process{}
	at("h4:1", "r1")
	if got := join(w.apply4("r1")); got != "" {
		t.Fatalf("first join: %q", got)
	}
	// A copy of the directory, elsewhere, while the original runs.
	twin := w.apply4("r2", "r1")
	twin.Node.Peer = "h9:1"
	at("h9:1", "r2")
	if got := join(twin); got != refusal.NodeCopied {
		t.Errorf("a twin of a living node: %q", got)
	}
	// The original is gone: the next run of the directory takes its place.
	delete(w.answers, "h4:1")
	if got := join(twin); got != "" {
		t.Errorf("a restart elsewhere: %q", got)
	}
	// The original comes back, and knows nothing of it.
	back := w.apply4("r3", "r1")
	at("h4:1", "r3")
	delete(w.answers, "h9:1")
	if got := join(back); got != refusal.NodeCopied {
		t.Errorf("a directory that does not know the row's run: %q", got)
	}
	if n := w.state.View().NodeByID(id(4)); n.Run != "r2" || n.Peer != "h9:1" {
		t.Errorf("row %+v", n)
	}
}

func TestANewcomerTakesADeadNodesAddress(t *testing.T) {
	w := newWorld(t, 3)
	w.settle()
	newcomer := Applicant{Node: &command.Node{Id: id(7), Name: "n7", Peer: "h2:1", Run: "r", Format: fsm.Format}}
	w.answers = map[string]Process{"h2:1": {id(7), "r"}}
	if got := code(t, w.c.Join(context.Background(), newcomer)); got != refusal.NodeUnreachable {
		t.Errorf("at the address of a node that is up, or not known to be down yet: %q", got)
	}
	w.alive[id(2)] = false
	w.settle()
	if got := code(t, w.c.Join(context.Background(), newcomer)); got != "" {
		t.Fatalf("at the address of a node that is down: %q", got)
	}
	w.alive[id(7)] = true
	w.settle()
	if s := w.server(id(7)); s == nil || s.Addr != "h2:1" {
		t.Errorf("the newcomer is in consensus as %+v", s)
	}
	if s := w.server(id(2)); s == nil || s.Addr != nowhere(id(2)) || !s.Voter {
		t.Errorf("the dead voter is in consensus as %+v, want it without an address", s)
	}
}
