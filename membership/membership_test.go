package membership

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/peer"
)

// crowd is other nodes by address; who is not in it does not answer.
type crowd map[string]struct {
	hello  peer.Hello
	refuse error // to say hello
	whois  *peer.Whois
	member *peer.Membership
	pulse  *peer.Pulse
	join   func(peer.JoinRequest) (peer.JoinAnswer, error)
}

var errSilent = errors.New("no answer")

func (c crowd) Hello(_ context.Context, addr string) (peer.Hello, error) {
	if n, ok := c[addr]; ok {
		return n.hello, n.refuse
	}
	return peer.Hello{}, errSilent
}

func (c crowd) Whois(ctx context.Context, addr string, _ peer.Claim) (peer.Whois, error) {
	if n := c[addr]; n.whois != nil {
		return *n.whois, nil
	}
	if addr == "frozen" {
		<-ctx.Done()
	}
	return peer.Whois{}, errSilent
}

func (c crowd) Member(_ context.Context, addr, _ string) (peer.Membership, error) {
	if n := c[addr]; n.member != nil {
		return *n.member, nil
	}
	return peer.Membership{}, errSilent
}

func (c crowd) Join(_ context.Context, addr string, rq peer.JoinRequest) (peer.JoinAnswer, error) {
	if n := c[addr]; n.join != nil {
		return n.join(rq)
	}
	return peer.JoinAnswer{}, errSilent
}

func (c crowd) Pulse(_ context.Context, addr string) (peer.Pulse, error) {
	if n := c[addr]; n.pulse != nil {
		return *n.pulse, nil
	}
	return peer.Pulse{}, errSilent
}

func (c crowd) Meet(_ context.Context, addr string, _ peer.MeetRequest) (peer.MeetAnswer, error) {
	if _, ok := c[addr]; ok {
		return peer.MeetAnswer{}, nil
	}
	return peer.MeetAnswer{}, errSilent
}

func whois(run string, seen ...string) *peer.Whois {
	return &peer.Whois{Known: true, Name: "n4", Run: run, Seen: seen}
}

func TestOnlyOneProcessIsANode(t *testing.T) {
	self := Self{ID: "me", Run: "r3", Runs: []string{"r1", "r2", "r3"}}
	for _, c := range []struct {
		name  string
		crowd crowd
		want  string // part of the refusal, empty for none
	}{
		{"nobody answers", crowd{}, ""},
		{"the row has our last run, which is gone", crowd{"a": {whois: whois("r2", "old")}}, ""},
		{"the row has a run we do not know", crowd{"a": {whois: whois("r9")}}, "another process has run as n4 since"},
		{"one member of two knows of it", crowd{"a": {whois: whois("r2")}, "b": {whois: whois("r9")}}, "another process has run"},
		{"our last run is alive", crowd{"a": {whois: whois("r2", "old")}, "old": {hello: peer.Hello{ID: "me", Name: "n4", Run: "r2"}}}, "which runs at old"},
		{"a member is the twin itself", crowd{"a": {hello: peer.Hello{ID: "me", Name: "n4", Run: "r8"}}}, "which runs at a"},
		{"what was seen there is us", crowd{"a": {whois: whois("r2", "new")}, "new": {hello: peer.Hello{ID: "me", Run: "r3"}}}, ""},
		{"another node is there now", crowd{"a": {whois: whois("r2", "old")}, "old": {hello: peer.Hello{ID: "you", Run: "r2"}}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := OnlyProcess(t.Context(), self, "new", []string{"a", "b"}, c.crowd)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && (!errors.Is(err, ErrCopied) || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want a refusal with %q", err, c.want)
			}
		})
	}
}

func TestAFrozenMemberHoldsUpNoStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := OnlyProcess(t.Context(), Self{ID: "me", Run: "r"}, "", []string{"frozen", "a"}, crowd{"a": {whois: whois("r9")}})
		if !errors.Is(err, ErrCopied) || time.Since(began) > askTimeout {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestTwoThatStartAtOnceHearOfEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Claims
		if others := c.Note(peer.Claim{ID: "me", Run: "r1", Addr: "a"}); len(others) != 0 {
			t.Errorf("the first hears of %v", others)
		}
		c.Note(peer.Claim{ID: "you", Run: "r9", Addr: "y"})
		if others := c.Note(peer.Claim{ID: "me", Run: "r2", Addr: "b"}); len(others) != 1 || others[0] != "a" {
			t.Errorf("the second hears of %v", others)
		}
		if others := c.Note(peer.Claim{ID: "me", Run: "r1", Addr: "a"}); len(others) != 1 || others[0] != "b" {
			t.Errorf("the first, asking again, hears of %v", others)
		}
		time.Sleep(claimFor + time.Second)
		if others := c.Note(peer.Claim{ID: "me", Run: "r3", Addr: "c"}); len(others) != 0 {
			t.Errorf("a claim of long ago is held against %v", others)
		}
	})
}

func TestClaimsOfStrangersAreBounded(t *testing.T) {
	var c Claims
	c.Note(peer.Claim{ID: "me", Run: "long", Addr: strings.Repeat("x", 1<<20)})
	if len(c.known) != 0 {
		t.Error("a claim of a megabyte is remembered")
	}
	for i := range 2 * maxClaims {
		c.Note(peer.Claim{ID: "me", Run: fmt.Sprint(i), Addr: "a"})
	}
	if others := c.Note(peer.Claim{ID: "me", Run: "mine", Addr: "b"}); len(c.known) > maxClaims || len(others) > maxTold {
		t.Errorf("%d claims are remembered, %d told", len(c.known), len(others))
	}
}

func TestANodeThatIsOutKnowsIt(t *testing.T) {
	in, out := &peer.Membership{In: true, Run: "r1"}, &peer.Membership{}
	member := func(cluster, leader string) peer.Hello {
		return peer.Hello{ID: "other", ClusterID: cluster, Leader: leader}
	}
	for _, c := range []struct {
		name  string
		crowd crowd
		led   bool
		out   bool
	}{
		{"nobody answers", crowd{}, false, false},
		{"no member knows a leader", crowd{"a": {hello: member("c", "")}}, false, false},
		{"the leader has it", crowd{"a": {hello: member("c", "lead")}, "lead": {member: in}}, false, false},
		{"the leader cannot make sure that it leads", crowd{"a": {hello: member("c", "lead")}, "lead": {}}, false, false},
		{"the leader does not have it", crowd{"a": {hello: member("c", "lead")}, "lead": {member: out}}, false, true},
		{"the leader of another cluster", crowd{"a": {hello: member("x", "lead")}, "lead": {member: out}}, false, false},
		{"while it is led nobody is asked", crowd{"a": {hello: member("c", "lead")}, "lead": {member: out}}, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				o := Outlook{Self: Self{ID: "me", Run: "r2", Runs: []string{"r1", "r2"}}, Cluster: func() string { return "c" }, Led: func() bool { return c.led },
					Members: func() []string { return []string{"a", "b"} }, Call: c.crowd}
				began := time.Now()
				err := o.Run(ctx)
				if got := errors.Is(err, ErrOut); got != c.out || (err != nil) != c.out {
					t.Errorf("Run returned %v", err)
				}
				if d := time.Since(began); c.out && (d < 5*time.Second || d > 8*time.Second) {
					t.Errorf("it took %s", d)
				}
			})
		})
	}
}

// counting counts the questions to leaders.
type counting struct {
	crowd
	asked *atomic.Int64
}

func (c counting) Member(ctx context.Context, addr, id string) (peer.Membership, error) {
	c.asked.Add(1)
	return c.crowd.Member(ctx, addr, id)
}

// However many members name the leader, it is asked once: an answer costs it an entry
// of the log.
func TestALeaderIsAskedOnce(t *testing.T) {
	all := crowd{"lead": {member: &peer.Membership{In: true, Run: "r1"}}}
	var members []string
	for i := range 50 {
		addr := fmt.Sprint("m", i)
		all[addr] = crowd{"": {hello: peer.Hello{ID: addr, ClusterID: "c", Leader: "lead"}}}[""]
		members = append(members, addr)
	}
	var asked atomic.Int64
	o := Outlook{Self: Self{ID: "me", Run: "r1"}, Cluster: func() string { return "c" }, Members: func() []string { return members }, Call: counting{all, &asked}}
	if err := o.ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the leader was asked %d times", n)
	}
}

func TestWhoIsOutvotedEnds(t *testing.T) {
	pulse := func(id, sum string) *peer.Pulse {
		return &peer.Pulse{ID: id, Marks: []peer.Mark{{Index: 1000, Sum: sum}}}
	}
	voters := map[string]string{"me": "m", "a": "a", "b": "b"}
	for _, c := range []struct {
		name     string
		crowd    crowd
		voters   map[string]string
		outvoted bool
		doubt    bool
	}{
		{"all agree", crowd{"a": {pulse: pulse("a", "x")}, "b": {pulse: pulse("b", "x")}}, voters, false, false},
		{"two against", crowd{"a": {pulse: pulse("a", "y")}, "b": {pulse: pulse("b", "y")}}, voters, true, false},
		{"one against", crowd{"a": {pulse: pulse("a", "y")}, "b": {pulse: pulse("b", "x")}}, voters, false, true},
		{"three opinions", crowd{"a": {pulse: pulse("a", "y")}, "b": {pulse: pulse("b", "z")}}, voters, false, true},
		{"one against, one silent", crowd{"a": {pulse: pulse("a", "y")}}, voters, false, true},
		{"one without a vote against two", crowd{"a": {pulse: pulse("a", "y")}, "b": {pulse: pulse("b", "y")}}, map[string]string{"a": "a", "b": "b"}, true, false},
		{"one that does not vote", crowd{"a": {pulse: pulse("stranger", "y")}, "b": {pulse: pulse("b", "x")}}, voters, false, false},
		{"another index", crowd{"a": {pulse: &peer.Pulse{ID: "a", Marks: []peer.Mark{{Index: 2000, Sum: "y"}}}}}, voters, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := &Agreement{ID: "me", Marks: func() []peer.Mark { return []peer.Mark{{Index: 1000, Sum: "x"}} },
				Voters: func() map[string]string { return c.voters }, Call: c.crowd}
			err := a.compare(t.Context())
			if errors.Is(err, ErrOutvoted) != c.outvoted {
				t.Errorf("compare: %v", err)
			}
			if doubt, _ := a.Doubt(); (doubt != "") != c.doubt {
				t.Errorf("doubt %q", doubt)
			}
		})
	}
}

func TestAProcessThatWasReplacedWhileAwayKnowsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Outlook{Self: Self{ID: "me", Run: "r2", Runs: []string{"r1", "r2"}}, Cluster: func() string { return "c" },
			Led: func() bool { return false }, Members: func() []string { return []string{"a"} },
			Call: crowd{"a": {hello: peer.Hello{ID: "other", ClusterID: "c", Leader: "lead"}}, "lead": {member: &peer.Membership{In: true, Run: "r9"}}}}
		if err := o.Run(t.Context()); !errors.Is(err, ErrCopied) {
			t.Errorf("Run returned %v", err)
		}
	})
}

func TestALeaderMayEndOnlyWhenTheOthersCanGoOn(t *testing.T) {
	well := func(id string) *peer.Pulse { return &peer.Pulse{ID: id} }
	hangs := func(id string) *peer.Pulse { return &peer.Pulse{ID: id, LogHangs: true} }
	three := map[string]string{"me": "m", "a": "a", "b": "b"}
	for _, c := range []struct {
		name   string
		crowd  crowd
		voters map[string]string
		want   bool
	}{
		{"both are well", crowd{"a": {pulse: well("a")}, "b": {pulse: well("b")}}, three, true},
		{"one is dead", crowd{"a": {pulse: well("a")}}, three, false},
		{"one hangs too", crowd{"a": {pulse: well("a")}, "b": {pulse: hangs("b")}}, three, false},
		{"one shared disk", crowd{"a": {pulse: hangs("a")}, "b": {pulse: hangs("b")}}, three, false},
		{"alone", crowd{}, map[string]string{"me": "m"}, false},
		{"who answers is no voter", crowd{"a": {pulse: well("a")}, "b": {pulse: well("x")}}, three, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hanging := false
				s := &Standby{ID: "me", Hangs: func() bool { return hanging }, Voters: func() map[string]string { return c.voters }, Call: c.crowd}
				if s.Enough() {
					t.Error("enough before anybody was asked")
				}
				hanging = true
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				_ = s.Run(ctx)
				if s.Enough() != c.want {
					t.Errorf("enough: %v, want %v", s.Enough(), c.want)
				}
				hanging = false
				again, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				_ = s.Run(again)
				if s.Enough() {
					t.Error("enough, though nothing hangs")
				}
			})
		})
	}
}
