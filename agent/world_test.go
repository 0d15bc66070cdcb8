package agent

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/testlog"
	"gitmirror/mirror"
)

// world is a real state machine with a log of its own, and an agent of node a
// on top of it.
type world struct {
	t     *testing.T
	agent *Agent
	state *fsm.State
	disk  *disk

	caughtUp chan struct{}
	mu       sync.Mutex
	index    uint64
	now      time.Time
	log      []proto.Message
}

// disk stands in for the mirror: what it was told, and what it says it has.
type disk struct {
	mu       sync.Mutex
	assigned map[string]mirror.Assignment
	status   map[string]mirror.Status
	removed  []string
	trash    map[string]mirror.Status // what TakeBack finds
	alone    bool
	returns  int

	condition mirror.Condition
}

func (d *disk) Alone(alone bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.alone = alone
}

func (d *disk) Returned() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.returns++
}

func (d *disk) returned() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.returns
}

func (d *disk) isAlone() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.alone
}

func (d *disk) Condition() mirror.Condition {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.condition
}

func (d *disk) Assign(a mirror.Assignment) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.assigned[a.ID] = a
}

func (d *disk) Unassign(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.assigned, id)
}

func (d *disk) Remove(_ context.Context, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.removed = append(d.removed, id)
	delete(d.status, id)
	return nil
}

func (d *disk) TakeBack(id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s, there := d.trash[id]; there && d.assigned[id].ID == "" {
		d.status[id] = s
		delete(d.trash, id)
	}
	return nil
}

func (d *disk) Status(id string) (mirror.Status, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.status[id]
	return s, ok
}

// newWorld has the nodes a, b and c, and a row of each of these repos, with
// copies on all three, that a owns.
func newWorld(t *testing.T, repos ...string) *world {
	t.Helper()
	w := &world{t: t, state: fsm.New(), now: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), disk: &disk{status: map[string]mirror.Status{}, assigned: map[string]mirror.Assignment{}}}
	w.caughtUp = make(chan struct{})
	w.agent = New(Config{Self: "a", Leader: &group{led: true}, CaughtUp: w.caughtUp, State: w.state, Proposer: w, Log: testlog.New(t), ReplaceAfter: 10 * time.Minute})
	w.agent.mirror = w.disk
	for _, n := range []string{"a", "b", "c"} {
		w.do(&command.PutNode{Node: &command.Node{Id: n, Name: n, Peer: n + ":1", Format: fsm.Format}})
	}
	for _, id := range repos {
		w.do(&command.AddRepos{Repos: []*command.NewRepo{{Id: id, Name: id, Urls: []string{"https://x/" + id}, UrlKeys: []string{"x/" + id},
			Policy: &command.Policy{Replicas: 3, IntervalMs: 60000, RefPrefixes: []string{"refs/heads/"}}, Copies: []string{"a", "b", "c"}, Owner: "a"}}})
	}
	return w
}

func (w *world) Propose(_ context.Context, msg proto.Message, requestID string) (*command.Outcome, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(time.Second)
	data, err := fsm.Encode(msg, requestID, w.now)
	if err != nil {
		return nil, err
	}
	w.index++
	w.log = append(w.log, msg)
	r := w.state.Apply(w.index, data)
	return r.Outcome, r.Err
}

// do wants the command done.
func (w *world) do(msg proto.Message) {
	w.t.Helper()
	out, err := w.Propose(w.t.Context(), msg, "")
	if err == nil {
		err = fsm.AsError(out)
	}
	for _, i := range out.GetItems() {
		if err == nil {
			err = fsm.ItemError(i)
		}
	}
	if err != nil {
		w.t.Fatalf("%T: %v", msg, err)
	}
}

func (w *world) row(id string) *fsm.Repo { return w.state.View().Repo(id) }

// candidate is the next generation of a row, as the mirror prepares it.
func (w *world) candidate(id string) mirror.Candidate {
	r := w.row(id)
	return mirror.Candidate{ID: fmt.Sprintf("candidate-%s-%d", id, r.Generation+1), Repo: id, Epoch: r.Epoch, FromGeneration: r.Generation,
		Generation: r.Generation + 1, Head: "ref: refs/heads/main", Complete: true}
}
