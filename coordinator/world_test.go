package coordinator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/egress"
	"gitmirror/internal/testlog"
)

// world is a real state machine with everything around the coordinator made
// up: a log without consensus, gossip by decree, agents that do what rows say.
type world struct {
	t          testing.TB
	state      *fsm.State
	index      uint64
	now        time.Time
	alive      map[string]bool
	servers    []Server
	lagging    map[string]bool
	answered   map[string]time.Time
	proposals  int
	promotions int
	handedTo   string                   // whom leadership was given to
	fails      error                    // of the next proposal
	refuses    map[string]bool          // nodes that raft does not take in
	answers    map[string]Process       // by peer address
	clocks     map[string]time.Duration // by peer address: how far ahead of ours
	clockless  map[string]bool          // by peer address: who does not tell
	c          *Coordinator
}

func newWorld(t testing.TB, nodes int) *world {
	policy, err := egress.NewPolicy(nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, state: fsm.New(), now: time.Now(), alive: map[string]bool{}, lagging: map[string]bool{}}
	w.c = New(Config{Self: id(1), ClusterID: "c", State: w.state, Proposer: w, Members: w, Voters: w, Egress: policy,
		ReplaceAfter: 10 * time.Minute, Log: testlog.New(t), Nodes: w, Clock: NewLogClock(w.state, time.Now)})
	w.c.begin()
	w.servers = []Server{{ID: id(1), Addr: "h1:1", Voter: true}}
	for i := range nodes {
		w.join(i + 1)
	}
	return w
}

func id(n int) string { return fmt.Sprintf("00000000-0000-0000-0000-%012d", n) }

func (w *world) join(n int) {
	w.apply(&command.PutNode{Node: &command.Node{Id: id(n), Name: fmt.Sprintf("n%d", n), Peer: fmt.Sprintf("h%d:1", n), Format: fsm.Format}})
	w.alive[id(n)] = true
}

// Propose implements Proposer.
func (w *world) Propose(_ context.Context, msg proto.Message, requestID string) (*command.Outcome, error) {
	if err := w.fails; err != nil {
		w.fails = nil
		return nil, err
	}
	entry, err := fsm.Encode(msg, requestID, w.now)
	if err != nil {
		return nil, err
	}
	if w.c != nil {
		w.c.cfg.Clock.set([]time.Time{w.now}) // w.now is what the leader takes for log time
	}
	w.index++
	w.proposals++
	r := w.state.Apply(w.index, entry)
	return r.Outcome, r.Err
}

func (w *world) apply(msg proto.Message) *command.Outcome {
	out, err := w.Propose(context.Background(), msg, "")
	if err != nil {
		w.t.Fatal(err)
	}
	if err := fsm.AsError(out); err != nil {
		w.t.Fatalf("%T: %v", msg, err)
	}
	return out
}

func (w *world) Alive() map[string]bool          { return maps.Clone(w.alive) }
func (w *world) Answered() map[string]time.Time  { return w.answered }
func (w *world) MembersChanged() <-chan struct{} { return nil }
func (w *world) Servers() ([]Server, error)      { return w.servers, nil }
func (w *world) CaughtUp(id string) bool         { return !w.lagging[id] && w.alive[id] }

func (w *world) server(id string) *Server {
	for i := range w.servers {
		if w.servers[i].ID == id {
			return &w.servers[i]
		}
	}
	return nil
}

// Greet and Clock implement Nodes.
func (w *world) Greet(ctx context.Context, addr string) (Process, error) {
	if p, ok := w.answers[addr]; ok {
		return p, nil
	}
	return Process{}, errors.New("connection refused")
}

func (w *world) Clock(ctx context.Context, addr string) (time.Time, error) {
	if w.clockless[addr] {
		return time.Time{}, errors.New("connection refused")
	}
	return time.Now().Add(w.clocks[addr]), nil
}

func (w *world) AddNonvoter(_ context.Context, id, addr string) error {
	if w.refuses[id] {
		return errors.New("refused by decree")
	}
	for _, s := range w.servers {
		if s.ID != id && s.Addr == addr {
			return fmt.Errorf("found duplicate address in configuration: %v", addr)
		}
	}
	if s := w.server(id); s != nil {
		s.Addr = addr
		return nil
	}
	w.servers = append(w.servers, Server{ID: id, Addr: addr})
	return nil
}

func (w *world) Promote(_ context.Context, id string) error {
	if !w.CaughtUp(id) {
		w.t.Errorf("%s got a vote while it lags", id)
	}
	w.server(id).Voter = true
	w.promotions++
	return nil
}

func (w *world) Demote(_ context.Context, id string) error {
	w.server(id).Voter = false
	return nil
}

func (w *world) TransferTo(_ context.Context, id string) error {
	if s := w.server(id); s == nil || !s.Voter || !w.alive[id] {
		w.t.Errorf("leadership went to %s, which cannot lead", id)
	}
	w.handedTo = id
	return nil
}

func (w *world) RemoveServer(_ context.Context, id string) error {
	var rest []Server
	for _, s := range w.servers {
		if s.ID != id {
			rest = append(rest, s)
		}
	}
	w.servers = rest
	return nil
}

func (w *world) voters() int {
	n := 0
	for _, s := range w.servers {
		if s.Voter {
			n++
		}
	}
	return n
}

func (w *world) look() {
	w.t.Helper()
	if err := w.c.reconcile(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

// work is a moment of every live agent: new copies are made from a live ready
// one, or by the owner from upstream, and those that leave are deleted.
func (w *world) work() {
	view := w.state.View()
	view.Repos("", func(r *fsm.Repo) bool {
		live := func(n fsm.NodeNum) bool { return view.Node(n) != nil && w.alive[view.Node(n).ID] }
		if cp, ok := r.Copy(r.Owner); ok && live(r.Owner) && r.Generation == 0 && cp.State == fsm.CopyWanted {
			w.publish(r)
			r = w.state.View().Repo(r.ID)
		}
		source := false
		for _, cp := range r.Copies {
			source = source || live(cp.Node) && cp.State == fsm.CopyReady && cp.Generation == r.Generation
		}
		for _, cp := range r.Copies {
			switch {
			case !live(cp.Node):
			case cp.State == fsm.CopyLeaving:
				w.report(cp.Node, &command.CopyReport{Repo: r.ID, State: command.CopyState_COPY_STATE_LEAVING, Gone: true})
			case source && (cp.State != fsm.CopyReady || cp.Generation != r.Generation):
				w.report(cp.Node, &command.CopyReport{Repo: r.ID, State: command.CopyState_COPY_STATE_READY, Generation: r.Generation})
			}
		}
		return true
	})
}

func (w *world) report(n fsm.NodeNum, c *command.CopyReport) {
	w.apply(&command.Report{Node: w.state.View().Node(n).ID, Copies: []*command.CopyReport{c}})
}

func (w *world) publish(r *fsm.Repo) {
	digest := make([]byte, 20)
	digest[0] = byte(r.Generation + 1)
	w.apply(&command.Publish{Repo: r.ID, Node: w.state.View().Node(r.Owner).ID, Epoch: r.Epoch, FromGeneration: r.Generation,
		Generation: r.Generation + 1, Candidate: fmt.Sprintf("%s-%d-%d", r.ID, r.Generation+1, r.Epoch), Digest: digest, RefsDigest: digest, Baseline: r.Generation == 0})
}

// settle runs coordinator and agents until nothing is proposed any more.
func (w *world) settle() {
	w.t.Helper()
	for range 60 {
		before := w.proposals
		w.look()
		w.work()
		if w.proposals == before {
			return
		}
	}
	w.t.Fatal("the coordinator does not come to rest")
}

func (w *world) add(n int) {
	w.t.Helper()
	var repos []NewRepo
	for i := range n {
		repos = append(repos, NewRepo{URLs: []string{fmt.Sprintf("https://example.org/%d/%d", w.index, i)}})
	}
	results, err := w.c.Add(context.Background(), repos, fmt.Sprintf("add-%d", w.index))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil {
			w.t.Fatal(r.Err)
		}
	}
}

func (w *world) rows() []*fsm.Repo {
	var rows []*fsm.Repo
	w.state.View().Repos("", func(r *fsm.Repo) bool { rows = append(rows, r); return true })
	return rows
}
