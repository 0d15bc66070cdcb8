package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/peer"
)

func (tb *table) drain(node string) *table {
	return tb.do(&command.SetNodeDrain{Id: node, Draining: true})
}

// seats is a group in which who has which role is decreed.
type seats struct {
	*hearing
	roles map[string]string
}

func (s seats) Roles() map[string]string { return s.roles }

// list is the nodes as they are shown.
func (tb *table) list(roles map[string]string) map[string]api.Node {
	s := New(Config{Consensus: seats{&hearing{led: true}, roles}})
	nodes := map[string]api.Node{}
	for _, n := range s.nodeList(tb.state.View()) {
		nodes[n.Name] = n
	}
	return nodes
}

func TestANodeIsShownDraining(t *testing.T) {
	tb := newTable(t).publish(1).ready("n2", 1).drain("n2")
	n := tb.list(nil)["n2"]
	if n.State != api.NodeDraining || n.Drain == nil || n.Drain.Left != 1 || n.Drain.Done || !n.Live() {
		t.Errorf("it is shown as %+v, drain %+v", n, n.Drain)
	}
	if n := tb.down("n2").list(nil)["n2"]; n.State != api.NodeDown || n.Drain == nil {
		t.Errorf("when it is down as %+v", n)
	}
	if n := tb.list(nil)["n1"]; n.Drain != nil || n.State != api.NodeUp {
		t.Errorf("another is shown as %+v", n)
	}
}

// Who leads is not drained while another could.
func TestADrainedLeaderIsNotDone(t *testing.T) {
	tb := newTable(t).drain("n3")
	for want, roles := range map[bool]map[string]string{
		false: {"n1": "voter", "n2": "voter", "n3": "leader"},
		true:  {"n1": "leader", "n2": "voter", "n3": "voter"},
	} {
		if n := tb.list(roles)["n3"]; n.Drain.Done != want {
			t.Errorf("with %v it is done: %t", roles, n.Drain.Done)
		}
	}
	if n := tb.list(map[string]string{"n3": "leader"})["n3"]; !n.Drain.Done {
		t.Error("where no other votes it waits for ever")
	}
}

func TestWhyACopyWaits(t *testing.T) {
	for why, make := range map[string]func(*table){
		"that on n2 is being made":                                 func(tb *table) {},
		"that on n2 is broken":                                     func(tb *table) { tb.ready("n2", 1).broken("n2") },
		"that on n2 is behind":                                     func(tb *table) { tb.ready("n2", 1).publish(2) },
		"n2 is down, and waited for until --replace-after is over": func(tb *table) { tb.ready("n2", 1).down("n2") },
		"n2 is out of service":                                     func(tb *table) { tb.ready("n2", 1).sick("n2") },
		"n2 is draining":                                           func(tb *table) { tb.ready("n2", 1).drain("n2") },
		"1 of 2 copies elsewhere are as new: no other":             func(tb *table) { tb.ready("n2", 1) },
		"0 of 2 copies elsewhere are as new: n2 is":                func(tb *table) { tb.down("n2") },
	} {
		tb := newTable(t).publish(1).drain("n1")
		make(tb)
		waiting := tb.shape().waiting(tb.state.View().NodeByID("n1"))
		if len(waiting) != 1 || waiting[0].Repo != "r" || !strings.Contains(waiting[0].Why, why) {
			t.Errorf("%+v, want %q", waiting, why)
		}
	}
	tb := newTable(t).publish(1).ready("n2", 1).drain("n1")
	s := New(Config{Consensus: &hearing{}, Now: func() time.Time { return tb.at }})
	if waiting := s.shape(tb.state.View()).waiting(tb.state.View().NodeByID("n1")); len(waiting) != 1 || !strings.HasPrefix(waiting[0].Why, "no leader") {
		t.Errorf("while nobody leads: %+v", waiting)
	}
}

// A node that is drained is no place where a copy is missed, nor one where there could be.
func TestADrainedNodeIsMissedByNoRow(t *testing.T) {
	tb := newTable(t).publish(1).ready("n2", 1)
	tb.do(&command.RaiseFormat{Format: fsm.Format})
	tb.do(&command.ChangeRepos{Repos: []*command.RepoChange{{Repo: "r", Policy: &command.SetPolicy{Replicas: proto.Uint32(3)}}}})
	view := tb.state.View()
	if sh := tb.shape(); !sh.below(view.Repo("r")) || sh.want(view.Repo("r")) != 3 {
		t.Error("two copies of three are all there should be")
	}
	tb.drain("n3")
	view = tb.state.View()
	if sh := tb.shape(); sh.below(view.Repo("r")) || sh.want(view.Repo("r")) != 2 {
		t.Error("a copy on a node that is draining is missed")
	}
}

// A follower that passes a change of leader on does not give up when that comes about.
func TestAChangeOfLeaderIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &group{leader: "other", changed: make(chan struct{})}
		g.peers = transport(func(r *http.Request) (*http.Response, error) {
			g.mu.Lock()
			g.leader = "third"
			close(g.changed)
			g.changed = make(chan struct{})
			g.mu.Unlock()
			synctest.Wait() // whoever would give up has
			if r.Context().Err() != nil {
				return nil, r.Context().Err()
			}
			w := httptest.NewRecorder()
			_ = json.NewEncoder(w).Encode(api.Leader{Leader: "third"})
			return w.Result(), nil
		})
		r := httptest.NewRequest(http.MethodPost, "/api/v1/cluster/leader:transfer", strings.NewReader(`{}`))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		g.server(t).Handler(Open).ServeHTTP(w, r)
		var l api.Leader
		if err := json.Unmarshal(w.Body.Bytes(), &l); err != nil || l.Leader != "third" {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// transport is how calls come to peers.
type transport roundTrip

func (f transport) Transport(time.Duration) http.RoundTripper { return roundTrip(f) }
func (f transport) Maintain(context.Context, string, string, api.Work) (api.Upkeep, error) {
	panic("not asked for")
}
func (f transport) Live(context.Context, string, []string) (peer.LiveAnswer, error) {
	return peer.LiveAnswer{}, errors.New("not asked")
}
func (f transport) Sync(context.Context, string, string, bool) (api.SyncOutcome, error) {
	return api.SyncOutcome{}, errors.New("not asked")
}
func (f transport) Fresh(context.Context, string, string, time.Time) (uint64, error) {
	return 0, errors.New("not asked")
}
func (f transport) Refs(context.Context, string, string, api.RefQuery) (api.RefList, error) {
	return api.RefList{}, errors.New("not asked")
}
