package leader

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/cluster"
	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// group is a raft group of this node and one other.
type group struct {
	leader   string
	state    *fsm.State
	index    uint64
	applied  [][]byte
	failures []error // of the next calls, here or there
}

func (g *group) Leader() (id, addr string)                       { return g.leader, "addr of " + g.leader }
func (g *group) LeaderChanged() <-chan struct{}                  { return nil }
func (g *group) WaitApplied(ctx context.Context, _ uint64) error { return ctx.Err() }
func (g *group) Propose(ctx context.Context, _ string, entry []byte) ([]byte, uint64, error) {
	response, index, err := g.Apply(ctx, entry)
	if err != nil {
		return nil, 0, err
	}
	data, err := proto.Marshal(response.(*command.Outcome))
	return data, index, err
}

func (g *group) Apply(_ context.Context, entry []byte) (any, uint64, error) {
	if len(g.failures) > 0 {
		err := g.failures[0]
		g.failures = g.failures[1:]
		return nil, 0, err
	}
	g.index++
	g.applied = append(g.applied, entry)
	r := g.state.Apply(g.index, entry)
	return r.Outcome, g.index, r.Err
}

// ReadIndex is of this node while it leads.
func (g *group) ReadIndex(context.Context) (uint64, error) { return 100, nil }

// other is the other node.
type other struct{ *group }

func (other) ReadIndex(_ context.Context, addr string) (uint64, error) { return uint64(len(addr)), nil }

var logTime = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

func newReach(leader string) (*Reach, *group) {
	g := &group{leader: leader, state: fsm.New()}
	return &Reach{Self: "me", Consensus: g, Peers: other{g}, Format: func() uint32 { return 1 }, Clock: time.Now, Now: func() time.Time { return logTime }}, g
}

func TestNothingEntersTheLogThatAMemberCannotApply(t *testing.T) {
	r, g := newReach("me")
	if _, _, err := r.Commit(t.Context(), []byte("garbage")); !errors.Is(err, refusal.EntryInvalid) {
		t.Errorf("garbage: %v", err)
	}
	if _, err := r.Propose(t.Context(), &command.Tick{}, ""); !errors.Is(err, refusal.FormatTooOld) {
		t.Errorf("a command of a later format: %v", err)
	}
	if len(g.applied) != 0 {
		t.Errorf("%d entries were appended", len(g.applied))
	}
}

func TestTheLeaderStampsItsOwnTime(t *testing.T) {
	r, g := newReach("me")
	if _, err := r.Propose(t.Context(), &command.FoundCluster{ClusterId: "c"}, ""); err != nil {
		t.Fatal(err)
	}
	if got := g.state.View().Now(); !got.Equal(logTime) {
		t.Errorf("the log says %v, want the leader's %v", got, logTime)
	}
}

func TestAProposalIsRetriedWithTheSameEntry(t *testing.T) {
	r, g := newReach("other")
	g.failures = []error{errors.New("connection refused"), cluster.ErrUnknown}
	out, err := r.Propose(t.Context(), &command.FoundCluster{ClusterId: "c"}, "id")
	if err != nil || out.Code != "" || len(g.applied) != 1 {
		t.Errorf("%v, %v after %d entries", out, err, len(g.applied))
	}
}

func TestARefusalIsNotRetried(t *testing.T) {
	r, g := newReach("other")
	refused := refusal.New(refusal.EntryInvalid, "no")
	g.failures = []error{refused}
	if _, err := r.Propose(t.Context(), &command.FoundCluster{ClusterId: "c"}, ""); !errors.Is(err, refusal.EntryInvalid) || len(g.applied) != 0 {
		t.Errorf("%v after %d entries", err, len(g.applied))
	}
}

func TestAReadIndexIsTheLeaders(t *testing.T) {
	for leader, want := range map[string]uint64{"me": 100, "you": uint64(len("addr of you"))} {
		r, _ := newReach(leader)
		if index, err := r.ReadIndex(t.Context()); err != nil || index != want {
			t.Errorf("led by %s: %d, %v, want %d", leader, index, err, want)
		}
	}
	if r, _ := newReach(""); !errors.Is(second(r.ReadIndex(t.Context())), ErrNone) {
		t.Error("without a leader there is an index")
	}
}

func second(_ uint64, err error) error { return err }

// Each proposal is told once, by what it came to, however often it was tried.
func TestProposalsAreTold(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	found := &command.FoundCluster{ClusterId: "c"}
	for _, c := range []struct {
		want     string
		ctx      context.Context
		failures []error
		msgs     []proto.Message
	}{
		{"applied", t.Context(), nil, []proto.Message{found}},
		{"applied", t.Context(), []error{cluster.ErrUnknown, cluster.ErrUnknown}, []proto.Message{found}},
		{"refused", t.Context(), []error{refusal.New(refusal.EntryInvalid, "no")}, []proto.Message{found}},
		{"refused", t.Context(), nil, []proto.Message{found, &command.FoundCluster{ClusterId: "another"}}}, // by the table
		{"refused", t.Context(), nil, []proto.Message{&command.RemoveRepos{Ids: []string{string(make([]byte, fsm.MaxEntry))}}}},
		{"unknown", ended, []error{cluster.ErrUnknown}, []proto.Message{found}},
	} {
		r, g := newReach("me")
		g.failures = c.failures
		var told []string
		r.Proposed = func(fate string, _ time.Duration) { told = append(told, fate) }
		for _, m := range c.msgs {
			_, _ = r.Propose(c.ctx, m, "")
		}
		if len(told) != len(c.msgs) || told[len(told)-1] != c.want || !slices.Contains(Fates, c.want) {
			t.Errorf("%v and %T: told %v, want %s", c.failures, c.msgs[0], told, c.want)
		}
	}
}
