package fsm

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// running is a batch that says how far a listing of acme has come.
func (m *machine) running(c *command.Course) *command.Listing {
	l := m.listing("acme", nil, nil)
	l.Course = c
	return l
}

func TestHowFarAListingHasCome(t *testing.T) {
	m := forged(t)
	is := func() *Underway { return m.state.View().Underway(m.state.View().SourceByID("acme")) }
	begun := func() {
		t.Helper()
		m.ok(m.running(&command.Course{RanMs: 5000, Pages: 12, Found: 1200, Changed: 7, RestMs: 60_000}))
		if u := is(); u == nil || u.By.ID != "a" || u.Pages != 12 || u.Found != 1200 || u.Changed != 7 || u.Until.Sub(u.Since) != 65*time.Second || m.state.View().Now().Sub(u.Since) != 5*time.Second {
			t.Fatalf("%+v", u)
		}
	}
	if is() != nil {
		t.Error("one is under way")
	}
	begun()
	m.ok(m.running(&command.Course{RanMs: -1, RestMs: 1 << 62}))
	if u := is(); u.Since.After(m.state.View().Now()) || u.Until.Sub(u.Since) > 31*24*time.Hour {
		t.Errorf("%+v", u)
	}
	// It is over when it is done, has failed, or is not wanted.
	for what, msg := range map[string]proto.Message{
		"done": m.listed("acme", &command.Listed{Generation: 1}), "failed": m.listed("acme", &command.Listed{Error: "502"}), "paused": &command.SetSource{Id: "acme", Paused: proto.Bool(true)},
	} {
		begun()
		m.ok(msg)
		m.ok(&command.SetSource{Id: "acme", Paused: proto.Bool(false)})
		if u := is(); u != nil {
			t.Errorf("%s: %+v", what, u)
		}
	}
	// Who made it is away, or does not list any more.
	begun()
	m.ok(&command.SetNodeState{Id: "a", State: command.NodeState_NODE_STATE_DOWN})
	if is() != nil {
		t.Error("a node that is down lists")
	}
	m.ok(&command.SetNodeState{Id: "a", State: command.NodeState_NODE_STATE_UP})
	late := m.running(&command.Course{})
	m.ok(&command.OwnSource{Id: "acme", Epoch: 1, Owner: "b"})
	if is() != nil {
		t.Error("who listed it before lists")
	}
	m.refused(refusal.StaleEpoch, late)
	m.ok(&command.OwnSource{Id: "acme", Epoch: 2, Owner: "a"})
	if is() != nil {
		t.Error("who is to list it again still lists as before")
	}
	// It came to nothing, and the node says so.
	begun()
	m.ok(m.running(&command.Course{}))
	if src := m.state.View().SourceByID("acme"); is() != nil || src.Told() != 0 {
		t.Errorf("%+v, told by %d", is(), src.Told())
	}
	// Who made it may list no more: it cannot use the credential, or another has one.
	for _, c := range []*command.PutCredentials{{Node: "a", Unusable: []*command.Unusable{{Source: "acme", Why: "others may read it"}}}, {Node: "b", Sources: []string{"acme"}}} {
		begun()
		m.ok(c)
		if is() != nil {
			t.Errorf("who may not list lists, after %v", c)
		}
		m.ok(&command.PutCredentials{Node: c.Node})
	}
}

// An index is read by who owns its row.
func TestHowFarAnIndexIsRead(t *testing.T) {
	m := sourced(t)
	l := m.listing("kernel", nil, nil)
	l.Course = &command.Course{RanMs: 1000, Changed: 40}
	m.ok(l)
	is := func() *Underway { return m.state.View().Underway(m.state.View().SourceByID("kernel")) }
	if u := is(); u == nil || u.By.ID != l.Node || u.Changed != 40 {
		t.Fatalf("%+v", u)
	}
	row := m.row("host/Acme/index-kernel")
	for _, other := range []string{"a", "b", "c"} {
		if other != l.Node {
			m.ok(&command.AssignOwners{Rows: []*command.Ownership{{Repo: row.ID, Epoch: row.Epoch, Owner: other}}})
			break
		}
	}
	if u := is(); u != nil {
		t.Errorf("%+v", u)
	}
}

// An error lasts since the first attempt that failed, whatever each of them says.
func TestSinceWhenASourceFails(t *testing.T) {
	m := forged(t)
	m.ok(m.listed("acme", &command.Listed{Error: "502"}))
	since := m.state.View().SourceByID("acme").ErrorAt
	m.ok(m.listed("acme", &command.Listed{Error: "503"}))
	if got := m.state.View().SourceByID("acme"); !got.ErrorAt.Equal(since) || got.Error != "503" {
		t.Errorf("%s, since %s, not %s", got.Error, got.ErrorAt, since)
	}
	m.ok(m.listed("acme", &command.Listed{Generation: 1}))
	m.ok(m.listed("acme", &command.Listed{Error: "503"}))
	if got := m.state.View().SourceByID("acme"); !got.ErrorAt.After(since) {
		t.Errorf("since %s", got.ErrorAt)
	}
}
