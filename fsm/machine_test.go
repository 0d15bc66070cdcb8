package fsm

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

var epoch = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// machine is a state machine and the log it is fed from.
type machine struct {
	t     testing.TB
	state *State
	index uint64
	now   time.Time
}

func newMachine(t testing.TB) *machine {
	return &machine{t: t, state: New(), now: epoch}
}

// cluster is a machine with nodes a, b and c.
func cluster(t testing.TB) *machine {
	m := newMachine(t)
	m.ok(&command.FoundCluster{ClusterId: "the-cluster"})
	for _, name := range []string{"a", "b", "c"} {
		m.ok(putNode(name))
	}
	return m
}

// do applies a command, a second after the last one.
func (m *machine) do(msg proto.Message) *command.Outcome { return m.request("", msg) }

func (m *machine) request(id string, msg proto.Message) *command.Outcome {
	m.t.Helper()
	m.now = m.now.Add(time.Second)
	m.index++
	data, err := Encode(msg, id, m.now)
	if err != nil {
		m.t.Fatal(err)
	}
	result := m.state.Apply(m.index, data)
	if result.Err != nil {
		m.t.Fatal(result.Err)
	}
	return result.Outcome
}

// ok wants the command and each of its rows done.
func (m *machine) ok(msg proto.Message) {
	m.t.Helper()
	outcome := m.do(msg)
	if outcome.Code != "" {
		m.t.Fatalf("%T: %s: %s", msg, outcome.Code, outcome.Message)
	}
	for _, item := range outcome.Items {
		if item.Code != "" {
			m.t.Fatalf("%T: item %s: %s: %s", msg, item.Repo, item.Code, item.Message)
		}
	}
}

// refused wants the command, or its only row, refused, and no row changed.
func (m *machine) refused(code refusal.Code, msg proto.Message) *command.Outcome {
	m.t.Helper()
	before := m.rows()
	outcome := m.do(msg)
	got := refusal.Code(outcome.Code)
	if got == "" && len(outcome.Items) == 1 {
		got = refusal.Code(outcome.Items[0].Code)
	}
	if got != code {
		m.t.Fatalf("%T: code %q (%v), want %q", msg, got, outcome, code)
	}
	if after := m.rows(); after != before {
		m.t.Fatalf("%T was refused but changed something:\n%s\nafter:\n%s", msg, before, after)
	}
	return outcome
}

// rows renders everything but the index and the clock.
func (m *machine) rows() string {
	v := m.state.View()
	var s bytes.Buffer
	fmt.Fprintln(&s, v.ClusterID(), v.Len(), v.RemovedLen())
	for _, n := range v.Nodes() {
		fmt.Fprintf(&s, "%+v\n", *n)
	}
	v.Repos("", func(r *Repo) bool {
		fmt.Fprintf(&s, "%+v %+v %+v\n", *r, r.Error, r.Hold)
		return true
	})
	v.Trashed(func(r *Trashed) bool {
		fmt.Fprintf(&s, "%+v %d\n", *r.Repo, r.removedMS)
		return true
	})
	for _, src := range v.Sources() {
		fmt.Fprintf(&s, "%+v\n", *src)
		v.Claims(src.Num, "", func(c *Claim) bool {
			fmt.Fprintf(&s, "%+v\n", *c)
			return true
		})
	}
	fmt.Fprintln(&s, len(v.Events(0)))
	return s.String()
}

func (m *machine) repo(id string) *Repo {
	m.t.Helper()
	row := m.state.View().Repo(id)
	if row == nil {
		m.t.Fatalf("no repo %s", id)
	}
	return row
}

func (m *machine) copyState(id, node string) CopyState {
	m.t.Helper()
	c, _ := m.repo(id).Copy(m.state.View().NodeByID(node).Num)
	return c.State
}

func (m *machine) snapshot() []byte { return encoded(m.t, m.state) }

func encoded(t testing.TB, s *State) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.Capture().Persist(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// eventTypes lists the types of all events about a repo or node name.
func (m *machine) eventTypes(name string) []string {
	var types []string
	for _, e := range m.state.View().Events(0) {
		if e.Name == name {
			types = append(types, e.Type)
		}
	}
	return types
}

func putNode(name string) *command.PutNode {
	return &command.PutNode{Node: &command.Node{Id: name, Name: "node-" + name, Peer: name + ":7655", Http: "http://" + name + ":7654"}}
}

func setNode(id string, state command.NodeState) *command.SetNodeState {
	return &command.SetNodeState{Id: id, State: state}
}

// newRepo is a row with copies on nodes a and b, owned by a.
func newRepo(id string) *command.NewRepo {
	return &command.NewRepo{
		Id: id, Name: "host/Acme/" + id,
		Urls: []string{"https://host/Acme/" + id}, UrlKeys: []string{"host/acme/" + id},
		Copies: []string{"b", "a"}, Owner: "a",
	}
}

func addRepos(repos ...*command.NewRepo) *command.AddRepos { return &command.AddRepos{Repos: repos} }

func digest(b byte) []byte { return bytes.Repeat([]byte{b}, len(Digest{})) }

// publish is generation gen of a repo, by node a in epoch 1.
func publish(repo string, gen uint64) *command.Publish {
	return &command.Publish{
		Repo: repo, Node: "a", Epoch: 1, FromGeneration: gen - 1, Generation: gen,
		Candidate: fmt.Sprintf("%s-%d", repo, gen), Digest: digest(byte(gen)), RefsDigest: digest(byte(gen + 100)),
		Refs: 3, Head: "ref: refs/heads/main", Baseline: gen == 1,
	}
}

func reportCopy(node, repo string, state command.CopyState, generation uint64) *command.Report {
	return &command.Report{Node: node, Copies: []*command.CopyReport{{Repo: repo, State: state, Generation: generation}}}
}

func reportReady(node, repo string, generation uint64) *command.Report {
	return reportCopy(node, repo, command.CopyState_COPY_STATE_READY, generation)
}

func reportGone(node, repo string) *command.Report {
	return &command.Report{Node: node, Copies: []*command.CopyReport{{Repo: repo, State: command.CopyState_COPY_STATE_LEAVING, Gone: true}}}
}

func assign(repo string, epoch uint64, owner string) *command.AssignOwners {
	return &command.AssignOwners{Rows: []*command.Ownership{{Repo: repo, Epoch: epoch, Owner: owner}}}
}

// placing changes a row as it is now.
func (m *machine) placing(repo string, add, leave []string) *command.Place {
	return &command.Place{Rows: []*command.Placement{{Repo: repo, RowVersion: m.repo(repo).Version, Add: add, Leave: leave}}}
}
