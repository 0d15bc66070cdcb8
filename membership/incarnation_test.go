package membership

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/internal/advice"
	"gitmirror/peer"
)

func newer(former ...string) peer.Hello {
	return peer.Hello{ClusterID: "d", ID: "other", Name: "n1", Former: former}
}

func TestWhoIsOfANewerIncarnation(t *testing.T) {
	for _, c := range []struct {
		name  string
		crowd crowd
		ends  bool
	}{
		{"nobody answers", crowd{}, false},
		{"a member of the same", crowd{"a": {hello: peer.Hello{ClusterID: "c"}}}, false},
		{"another cluster", crowd{"a": {hello: newer("x")}}, false},
		{"an older incarnation", crowd{"a": {hello: peer.Hello{ClusterID: "b"}}}, false},
		{"the next", crowd{"a": {hello: newer("c")}}, true},
		{"a later one", crowd{"b": {hello: newer("b", "c", "c2")}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Superseded(t.Context(), "c", []string{"a", "b"}, c.crowd)
			if errors.Is(err, ErrSuperseded) != c.ends || c.ends && !strings.Contains(err.Error(), "n1, at ") {
				t.Errorf("%v", err)
			}
		})
	}
}

// A node that has no leader asks; one that has asks when somebody says so, and believes the
// members that it knows alone.
func TestANodeLearnsOfANewerIncarnation(t *testing.T) {
	for _, c := range []struct {
		name       string
		led, claim bool
		crowd      crowd
		ends       bool
	}{
		{"without a leader", false, false, crowd{"a": {hello: newer("c")}}, true},
		{"with a leader", true, false, crowd{"a": {hello: newer("c")}}, false},
		{"told, with a leader", true, true, crowd{"a": {hello: newer("c")}}, true},
		{"told by a stranger", true, true, crowd{"a": {hello: peer.Hello{ClusterID: "c"}}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				claims := make(chan struct{}, 1)
				if c.claim {
					claims <- struct{}{}
				}
				err := Outlook{Self: Self{ID: "me", Run: "r1"}, Cluster: func() string { return "c" }, Led: func() bool { return c.led },
					Members: func() []string { return []string{"a"} }, Call: c.crowd, Claims: claims}.Run(ctx)
				if errors.Is(err, ErrSuperseded) != c.ends {
					t.Errorf("it came to %v", err)
				}
			})
		})
	}
}

// A recovery that was interrupted goes on as the same incarnation, and no node starts in
// between.
func TestAnInterruptedRecoveryGoesOn(t *testing.T) {
	dir := t.TempDir()
	if _, err := Of(nil, dir, 1); err == nil {
		t.Error("an empty directory is a node's")
	}
	load := func() *Identity {
		t.Helper()
		id, err := LoadIdentity(nil, dir, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	if err := load().Enter("c", false); err != nil {
		t.Fatal(err)
	}
	if err := load().BeginRecovery("d"); err != nil {
		t.Fatal(err)
	}
	var refused *advice.Error
	if err := load().Whole(); !errors.As(err, &refused) || refused.Code != 6 || !strings.Contains(refused.Try, "cluster recover --data "+dir) {
		t.Errorf("a start in between: %v", err)
	}
	id := load()
	if err := id.BeginRecovery("e"); err != nil {
		t.Fatal(err)
	}
	if err := id.EndRecovery(); err != nil {
		t.Fatal(err)
	}
	id = load()
	if former := id.Incarnations(); id.Cluster() != "d" || len(former) != 1 || former[0] != "c" || id.Whole() != nil {
		t.Errorf("it is of %s, before %v", id.Cluster(), former)
	}
}

// Who joins remembers what the cluster was called before, for those who ask it.
func TestANewcomerRemembersIncarnations(t *testing.T) {
	dir := t.TempDir()
	id, err := LoadIdentity(nil, dir, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	a := &Applicant{Request: peer.JoinRequest{ID: "me", Peer: "h:1"}, ID: id, Call: crowd{
		"seed": {hello: peer.Hello{ClusterID: "d", ID: "s", Leader: "leader"}},
		"leader": {join: func(peer.JoinRequest) (peer.JoinAnswer, error) {
			return peer.JoinAnswer{ClusterID: "d", Former: []string{"c"}}, nil
		}},
	}}
	cluster, err := a.Join(t.Context(), []string{"seed"})
	if err != nil {
		t.Fatal(err)
	}
	if err := id.Enter(cluster, false); err != nil {
		t.Fatal(err)
	}
	if id, err = LoadIdentity(nil, dir, 1, nil); err != nil || len(id.Incarnations()) != 1 || id.Incarnations()[0] != "c" {
		t.Errorf("it remembers %v (%v)", id.Former, err)
	}
}
