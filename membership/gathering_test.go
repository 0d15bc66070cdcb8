package membership

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/internal/advice"
	"gitmirror/internal/testlog"
	"gitmirror/peer"
)

// meeting is a network of nodes that wait for their cluster.
type meeting struct {
	t      *testing.T
	expect int
	line   []string // the addresses that all are given
	mu     sync.Mutex
	at     map[string]*guest                                          // by address
	lost   func(from, to *guest, rq *peer.MeetRequest) bool           // what does not arrive; rq is nil for other calls
	after  func(from, to *guest, rq peer.MeetRequest, did bool) error // an ask was answered; an error: that is not heard
	ended  sync.WaitGroup
}

// guest is one of them.
type guest struct {
	m          *meeting
	name       string
	addrs      []string
	dir        string
	*Gathering // of its process; nil while it has none
	stop       context.CancelFunc
	done       chan struct{} // closed when the process has ended
	waits      string        // what it said last
	cluster    string
	founded    bool
	err        error
}

var errLost = errors.New("lost")

// reach is who is at an address, as another reaches it.
func (g *guest) reach(addr string, rq *peer.MeetRequest) (*guest, *Gathering, error) {
	g.m.mu.Lock()
	to, lost := g.m.at[addr], g.m.lost
	var process *Gathering
	if to != nil {
		process = to.Gathering
	}
	g.m.mu.Unlock()
	if process == nil || lost != nil && lost(g, to, rq) {
		return nil, nil, errLost
	}
	return to, process, nil
}

func (g *guest) Hello(_ context.Context, addr string) (peer.Hello, error) {
	to, process, err := g.reach(addr, nil)
	if err != nil {
		return peer.Hello{}, err
	}
	h := peer.Hello{ID: process.ID.ID, Name: to.name, Run: process.Request.Run, ClusterID: process.ID.Cluster()}
	if h.ClusterID != "" {
		h.Leader = addr
	}
	return h, nil
}

func (g *guest) Meet(_ context.Context, addr string, rq peer.MeetRequest) (peer.MeetAnswer, error) {
	to, process, err := g.reach(addr, &rq)
	if err != nil {
		return peer.MeetAnswer{}, err
	}
	a, err := process.Meet(rq)
	g.m.mu.Lock()
	after := g.m.after
	g.m.mu.Unlock()
	if rq.Asks && after != nil {
		err = errors.Join(err, after(g, to, rq, a.Given))
	}
	return a, err
}

func (g *guest) Join(_ context.Context, addr string, rq peer.JoinRequest) (peer.JoinAnswer, error) {
	_, process, err := g.reach(addr, nil)
	if err != nil {
		return peer.JoinAnswer{}, err
	}
	return peer.JoinAnswer{ClusterID: process.ID.Cluster()}, nil
}

func (g *guest) Whois(context.Context, string, peer.Claim) (peer.Whois, error) {
	return peer.Whois{}, errLost
}
func (g *guest) Member(context.Context, string, string) (peer.Membership, error) {
	return peer.Membership{}, errLost
}
func (g *guest) Pulse(context.Context, string) (peer.Pulse, error) { return peer.Pulse{}, errLost }

// newMeeting is n nodes, of which the i-th has the i-th id; none runs yet.
func newMeeting(t *testing.T, expect, n int) (*meeting, []*guest) {
	m := &meeting{t: t, expect: expect, at: map[string]*guest{}}
	var list []*guest
	for i := range n {
		g := &guest{m: m, name: fmt.Sprintf("n%d", i+1), dir: t.TempDir()}
		g.addrs = []string{g.name + ":1"}
		if err := os.WriteFile(filepath.Join(g.dir, "node.json"), fmt.Appendf(nil, `{"format":1,"id":"00000000-0000-4000-8000-%012d"}`, i+1), 0o600); err != nil {
			t.Fatal(err)
		}
		m.line = append(m.line, g.addrs...)
		list = append(list, g)
	}
	return m, list
}

// start runs a node's process until it has a cluster, or ends.
func (m *meeting) start(list ...*guest) {
	for _, g := range list {
		id, err := LoadIdentity(nil, g.dir, 1, nil)
		if err != nil {
			m.t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(m.t.Context())
		done := make(chan struct{})
		m.mu.Lock()
		g.stop, g.done, g.err = cancel, done, nil
		g.Gathering = &Gathering{Expect: m.expect, Applicant: &Applicant{ID: id, Call: g, Log: testlog.New(m.t), Waits: func(s string) { m.mu.Lock(); g.waits = s; m.mu.Unlock() },
			Request: peer.JoinRequest{ID: id.ID, Name: g.name, Peer: g.addrs[0], Run: fmt.Sprintf("%p", ctx)}}}
		for _, a := range g.addrs {
			m.at[a] = g
		}
		gathering := g.Gathering
		m.mu.Unlock()
		m.ended.Go(func() {
			defer close(done)
			cluster, founded, err := gathering.Run(ctx, m.line)
			if err == nil && !founded {
				err = id.Enter(cluster, false)
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			if g.err = err; err == nil {
				g.cluster, g.founded = cluster, founded
			}
		})
	}
}

// kill ends a process as SIGKILL does: its disk stays.
func (m *meeting) kill(g *guest) {
	m.mu.Lock()
	g.Gathering = nil
	m.mu.Unlock()
	g.stop()
	<-g.done
}

// set says what is lost from now on.
func (m *meeting) set(lost func(from, to *guest, rq *peer.MeetRequest) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lost = lost
}

// together wants all to be in one cluster, that one of them has founded, after a while.
func (m *meeting) together(within time.Duration, list ...*guest) {
	m.t.Helper()
	time.Sleep(within)
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	founders := 0
	for _, g := range list {
		if g.err != nil || g.cluster == "" || g.cluster != list[0].cluster {
			m.t.Errorf("%s is in %q, %v; it waited: %s", g.name, g.cluster, g.err, g.waits)
		}
		if g.founded {
			founders++
		}
	}
	if founders != 1 {
		m.t.Errorf("%d have founded a cluster", founders)
	}
}

// apart wants none to have a cluster after a while, and returns what one of them says.
func (m *meeting) apart(within time.Duration, of *guest, list ...*guest) string {
	m.t.Helper()
	time.Sleep(within)
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, g := range list {
		if g.cluster != "" {
			m.t.Errorf("%s has a cluster", g.name)
		}
	}
	return of.waits
}

// meet runs a test in a bubble, and ends what it has started.
func meet(t *testing.T, expect, n int, test func(t *testing.T, m *meeting, n []*guest)) {
	synctest.Test(t, func(t *testing.T) {
		m, list := newMeeting(t, expect, n)
		defer m.ended.Wait()
		defer func() {
			for _, g := range list {
				if g.stop != nil {
					g.stop()
				}
			}
		}()
		test(t, m, list)
	})
}

// asks are calls for a word by one node of another.
func asks(from, to string) func(*guest, *guest, *peer.MeetRequest) bool {
	return func(f, t *guest, rq *peer.MeetRequest) bool {
		return f.name == from && t.name == to && rq != nil && rq.Asks
	}
}

func TestGatherInAnyOrder(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		for _, pause := range []time.Duration{0, 50 * time.Millisecond, time.Minute} {
			t.Run(fmt.Sprint(order, pause), func(t *testing.T) {
				meet(t, 3, 3, func(t *testing.T, m *meeting, n []*guest) {
					for _, i := range order {
						m.start(n[i])
						time.Sleep(pause)
					}
					m.together(10*time.Second, n...)
					if !n[0].founded {
						t.Error("the smallest has not founded it")
					}
				})
			})
		}
	}
}

func TestTheSmallestComesLast(t *testing.T) {
	meet(t, 3, 4, func(t *testing.T, m *meeting, n []*guest) {
		m.start(n[1:]...)
		time.Sleep(10 * time.Second)
		m.start(n[0])
		m.together(10*time.Second, n...)
		if !n[1].founded {
			t.Error("n2 did not found it while n1 was not there")
		}
	})
}

// n2 has the word of n3, and not yet that of n4, when n1 comes.
func TestWordsCross(t *testing.T) {
	meet(t, 3, 4, func(t *testing.T, m *meeting, n []*guest) {
		m.set(asks("n2", "n4"))
		m.start(n[1:]...)
		if said := m.apart(5*time.Second, n[1], n[1:]...); !strings.Contains(said, "n3's word is n2's") {
			t.Errorf("n2 says: %s", said)
		}
		// n1 gets that of n4 first: n3's is with n2 until n2 sees n1.
		m.set(func(f, to *guest, rq *peer.MeetRequest) bool {
			return f.name == "n2" && to.name == "n1" || asks("n2", "n4")(f, to, rq)
		})
		m.start(n[0])
		if said := m.apart(5*time.Second, n[0], n...); !strings.Contains(said, "n3's word is n2's") || !strings.Contains(said, "n4's word is n1's") {
			t.Errorf("n1 says: %s", said)
		}
		m.set(nil)
		m.together(10*time.Second, n...)
		if !n[0].founded {
			t.Error("n2 has not yielded to n1")
		}
	})
}

// A node under two addresses is one.
func TestOneThatIsThereTwiceIsOne(t *testing.T) {
	meet(t, 3, 3, func(t *testing.T, m *meeting, n []*guest) {
		n[1].addrs = append(n[1].addrs, "n2-again:1")
		m.line = append(m.line, "n2-again:1")
		m.start(n[:2]...)
		if said := m.apart(time.Minute, n[0], n[:2]...); !strings.Contains(said, "2 of 3 nodes are here: n1 (this node), n2; 1 missing; n3:1: lost") {
			t.Errorf("n1 says: %s", said)
		}
		m.start(n[2])
		m.together(10*time.Second, n...)
	})
}

// A copy of a node's directory is no other node either.
func TestACopyOfOneThatWaitsEnds(t *testing.T) {
	meet(t, 3, 3, func(t *testing.T, m *meeting, n []*guest) {
		m.start(n[0])
		time.Sleep(time.Second)
		if err := os.CopyFS(n[1].dir+"/copy", os.DirFS(n[0].dir)); err != nil {
			t.Fatal(err)
		}
		n[1].dir += "/copy"
		m.start(n[1])
		m.apart(10*time.Second, n[1], n...)
		if !errors.Is(n[1].err, ErrCopied) {
			t.Errorf("it ended with %v", n[1].err)
		}
	})
}

func TestHalvesThatCannotSeeEachOther(t *testing.T) {
	meet(t, 3, 4, func(t *testing.T, m *meeting, n []*guest) {
		half := func(g *guest) bool { return g.name <= "n2" }
		m.set(func(f, to *guest, _ *peer.MeetRequest) bool { return half(f) != half(to) })
		m.start(n...)
		if said := m.apart(time.Minute, n[2], n...); !strings.Contains(said, "2 of 3 nodes are here: n3 (this node), n4; 1 missing") {
			t.Errorf("n3 says: %s", said)
		}
		m.set(nil)
		m.together(10*time.Second, n...)
	})
}

// The founder dies with the words of all, before it has founded anything. Nobody else founds;
// when it comes back it does.
func TestTheFounderDiesWithTheWords(t *testing.T) {
	meet(t, 3, 4, func(t *testing.T, m *meeting, n []*guest) {
		given := map[*guest]bool{}
		m.after = func(from, to *guest, _ peer.MeetRequest, did bool) error {
			if !did {
				return nil
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			if given[to] = true; len(given) == 2 && from.Gathering != nil {
				from.stop()
				from.Gathering = nil
			}
			return errLost // it hears of neither
		}
		m.start(n[0], n[1], n[2])
		time.Sleep(5 * time.Second)
		<-n[0].done
		m.mu.Lock()
		m.after = nil
		m.mu.Unlock()
		m.start(n[3])
		said := m.apart(time.Minute, n[3], n[1:]...)
		for _, want := range []string{"n2's word is n1's (n1:1), which is not here: bring it back, or, where it is gone for good, empty the --data directory of n2", "n1:1: lost"} {
			if !strings.Contains(said, want) {
				t.Errorf("n4 does not say %q: %s", want, said)
			}
		}
		for _, g := range n[1:3] { // they die too, and know it still
			m.kill(g)
			m.start(g)
		}
		m.apart(time.Minute, n[3], n[1:]...)
		m.start(n[0])
		m.together(10*time.Second, n...)
		if !n[0].founded {
			t.Error("n1 has not founded it")
		}
	})
}

// The founder is gone for good: those that wait for it are emptied, and found one without it.
func TestTheFounderIsGoneForGood(t *testing.T) {
	meet(t, 3, 4, func(t *testing.T, m *meeting, n []*guest) {
		m.set(asks("n1", "n3"))
		m.start(n[:3]...)
		m.apart(3*time.Second, n[0], n[:3]...)
		m.kill(n[0])
		m.set(nil)
		m.start(n[3])
		m.apart(time.Minute, n[1], n[1:]...) // n2's word is n1's, so that it does not ask
		m.kill(n[1])
		if err := os.Remove(filepath.Join(n[1].dir, "node.json")); err != nil {
			t.Fatal(err)
		}
		m.start(n[1])
		m.together(10*time.Second, n[1:]...)
	})
}

// One address is enough for all to find each other.
func TestOneAddressIsEnough(t *testing.T) {
	meet(t, 4, 5, func(t *testing.T, m *meeting, n []*guest) {
		m.line = []string{"n3:1"}
		m.start(n...)
		m.together(10*time.Second, n...)
	})
}

func TestWhatKeepsThemApartIsSaid(t *testing.T) {
	meet(t, 3, 3, func(t *testing.T, m *meeting, n []*guest) {
		m.start(n[:2]...)
		m.expect = 2
		m.start(n[2])
		if said := m.apart(10*time.Second, n[0], n...); !strings.Contains(said, "n3 has --bootstrap-expect 2, this node 3") {
			t.Errorf("n1 says: %s", said)
		}
		w := n[2].me()
		w.Word, w.Calls = peer.Word{Founder: w.ID, Call: 1}, 1
		if a, err := n[0].Gathering.Meet(peer.MeetRequest{Waiting: w, Asks: true}); err != nil || a.Given {
			t.Errorf("n1 gives its word to one that expects another number: %+v, %v", a, err)
		}
	})
	meet(t, 2, 4, func(t *testing.T, m *meeting, n []*guest) {
		m.set(func(*guest, *guest, *peer.MeetRequest) bool { return true })
		m.start(n...)
		m.apart(time.Second, n[0], n...)
		m.set(nil)
		if said := m.apart(10*time.Second, n[0], n...); !strings.Contains(said, "--bootstrap-expect 3") {
			t.Errorf("n1 says: %s", said)
		}
	})
}

// A word is on the disk before it is given, and a node that has given it founds nothing alone.
func TestAWordIsKept(t *testing.T) {
	meet(t, 3, 3, func(t *testing.T, m *meeting, n []*guest) {
		m.after = func(_, to *guest, rq peer.MeetRequest, did bool) error {
			if id, err := LoadIdentity(nil, to.dir, 1, nil); did && (err != nil || id.Promise.Word.Founder != rq.Waiting.ID || id.Promise.Word.Name != "n1") {
				t.Errorf("%s has given its word, and on its disk is %+v, %v", to.name, id.Promise, err)
			}
			return nil
		}
		m.set(asks("n1", "n3"))
		m.start(n...)
		m.apart(5*time.Second, n[0], n...)
		id, err := LoadIdentity(nil, n[1].dir, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		var e *advice.Error
		if err := id.Alone(); !errors.As(err, &e) || e.ExitCode() != 6 || !strings.Contains(e.Error(), "its word to n1") {
			t.Errorf("alone: %v", err)
		}
		own, err := LoadIdentity(nil, n[0].dir, 1, nil)
		if err != nil || own.Alone() != nil {
			t.Errorf("n1, whose word is its own: %v, %v", own.Alone(), err)
		}
		m.set(nil)
		m.together(10*time.Second, n...)
		for _, g := range n {
			if id, err := LoadIdentity(nil, g.dir, 1, nil); err != nil || id.Promise != (Promise{}) || id.ClusterID != g.cluster || id.Founding != g.founded {
				t.Errorf("%s keeps %+v, %v", g.name, id, err)
			}
		}
	})
}

// Strangers get no word, and no more than some addresses are learned from them.
func TestWhatStrangersSayIsBounded(t *testing.T) {
	meet(t, 2, 2, func(t *testing.T, m *meeting, n []*guest) {
		m.set(func(*guest, *guest, *peer.MeetRequest) bool { return true })
		m.start(n[0])
		time.Sleep(time.Second)
		synctest.Wait()
		good := peer.Waiting{ID: "00000000-0000-4000-8000-000000000009", Name: "x", Peer: "x:1", Expect: 2, Calls: 1}
		good.Word = peer.Word{Founder: good.ID, Call: 1}
		for name, change := range map[string]func(*peer.Waiting){
			"no id": func(w *peer.Waiting) { w.ID = "x" }, "no address": func(w *peer.Waiting) { w.Peer = "x" }, "long": func(w *peer.Waiting) { w.Name = strings.Repeat("x", 301) },
			"another's word": func(w *peer.Waiting) { w.Word.Founder = n[1].name }, "no call": func(w *peer.Waiting) { w.Word.Call = 0 },
		} {
			w := good
			change(&w)
			if a, err := n[0].Gathering.Meet(peer.MeetRequest{Waiting: w, Asks: true}); err == nil || a.Given {
				t.Errorf("%s: %+v", name, a)
			}
		}
		if a, err := n[0].Gathering.Meet(peer.MeetRequest{Waiting: good, Asks: true}); err != nil || a.Given {
			t.Errorf("one that it does not see has its word: %+v, %v", a, err)
		}
		for i := range 3 * maxLearned {
			w := good
			w.Peer = fmt.Sprintf("x:%d", i)
			if _, err := n[0].Gathering.Meet(peer.MeetRequest{Waiting: w}); err != nil {
				t.Fatal(err)
			}
		}
		n[0].mu.Lock()
		learned := len(n[0].learned)
		n[0].mu.Unlock()
		if learned > maxLearned {
			t.Errorf("%d addresses are learned", learned)
		}
		if !slices.Contains(m.line, "n1:1") {
			t.Error("the line has changed")
		}
	})
}

// A word that cannot be kept is not given, and a node with a cluster gives none; nor does it
// found one when its word is another's by then.
func TestAWordThatIsNotGiven(t *testing.T) {
	dir := t.TempDir()
	id, err := LoadIdentity(nil, dir, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	give := func(p Promise) (Promise, bool) { return p.Give(peer.Word{Founder: "f", Call: 1}) }
	if err := os.Remove(filepath.Join(dir, "node.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "node.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	if p, given, err := id.promise(give); err == nil || given || p != (Promise{}) || id.Promised() != (Promise{}) {
		t.Errorf("on a disk that does not take it: %+v, %v, %v", p, given, err)
	}
	never := func(Promise) bool { return false }
	if entered, err := id.enterAsFounder("c", never); err != nil || entered || id.Cluster() != "" {
		t.Errorf("it has entered: %v, %v", entered, err)
	}
	if entered, err := id.enterAsFounder("c", func(Promise) bool { return true }); err == nil || entered || id.Cluster() != "" {
		t.Errorf("on a disk that does not take it, it has entered: %v, %v", entered, err)
	}
	if err := os.Remove(filepath.Join(dir, "node.json")); err != nil {
		t.Fatal(err)
	}
	if err := id.Enter("c", false); err != nil {
		t.Fatal(err)
	}
	if _, given, err := id.promise(give); err != nil || given {
		t.Errorf("with a cluster: %v, %v", given, err)
	}
	if entered, err := id.enterAsFounder("d", func(Promise) bool { return true }); err != nil || entered || id.Cluster() != "c" {
		t.Errorf("it has entered another: %v, %v", entered, err)
	}
}
