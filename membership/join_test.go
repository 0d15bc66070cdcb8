package membership

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/internal/advice"
	"gitmirror/internal/refusal"
	"gitmirror/internal/testlog"
	"gitmirror/peer"
)

func applicant(t *testing.T, c crowd) *Applicant {
	id, err := LoadIdentity(nil, t.TempDir(), 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Applicant{Request: peer.JoinRequest{ID: "me", Name: "n4", Peer: "10.0.0.4:7655"}, ID: id, Call: c, Log: testlog.New(t)}
}

func leads(answers ...error) func(peer.JoinRequest) (peer.JoinAnswer, error) {
	return func(peer.JoinRequest) (peer.JoinAnswer, error) {
		err := answers[0]
		answers = append(answers[1:], err)
		return peer.JoinAnswer{ClusterID: "c"}, err
	}
}

// A process joins through the first seed that knows a leader that takes it; what may
// pass is tried again, and a refusal that stays ends it with what to do.
func TestJoin(t *testing.T) {
	knows := crowd{"": {hello: peer.Hello{ID: "a", Leader: "lead"}}}[""]
	for _, c := range []struct {
		name  string
		crowd crowd
		code  int           // of the exit, 0 for joined
		after time.Duration // at least
	}{
		{"the first seed is silent", crowd{"b": knows, "lead": {join: leads(nil)}}, 0, 0},
		{"the leader cannot reach it yet", crowd{"a": knows, "lead": {join: leads(refusal.NodeUnreachable, refusal.NodeUnreachable, nil)}}, 0, 2 * joinEvery},
		{"its name is taken", crowd{"a": knows, "lead": {join: leads(refusal.New(refusal.ConflictNode, "n4 is there"))}}, 6, 0},
		{"it was removed", crowd{"a": knows, "lead": {join: leads(refusal.NodeRemoved)}}, 6, 0},
		{"it is too old", crowd{"a": knows, "lead": {join: leads(refusal.FormatTooOld)}}, 1, 0},
		{"the seed is an API", crowd{"a": {refuse: refusal.New(refusal.HTTPPort, "no")}}, 2, 0},
		{"the seed is an API of an older release", crowd{"a": {refuse: refusal.New(refusal.HostUnknown, "no")}}, 2, 0},
		{"the leader is at loopback", crowd{"a": {hello: peer.Hello{ID: "a", Leader: "127.0.0.1:7655"}}, "127.0.0.1:7655": {join: leads(nil)}}, 2, 0},
		{"it asks what cannot be", crowd{"a": knows, "lead": {join: leads(refusal.JoinInvalid)}}, 2, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				id, err := applicant(t, c.crowd).Join(t.Context(), []string{"a", "b"})
				var e *advice.Error
				switch {
				case c.code == 0 && (err != nil || id != "c"):
					t.Errorf("joined %q, %v", id, err)
				case c.code != 0 && (!errors.As(err, &e) || e.ExitCode() != c.code || e.Try == "" && c.code != 2):
					t.Errorf("got %v, want a refusal with exit code %d", err, c.code)
				}
				if d := time.Since(began); d < c.after || d > c.after+joinEvery {
					t.Errorf("it took %s", d)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := applicant(t, crowd{"a": {hello: peer.Hello{ID: "me", Leader: "lead"}}, "lead": {join: leads(nil)}}).Join(ctx, []string{"a"}); err == nil {
			t.Error("it has joined through itself")
		}
	})
}

// A directory of one cluster is not started into another.
func TestSeedsOfAnotherCluster(t *testing.T) {
	a := applicant(t, crowd{"a": {hello: peer.Hello{ClusterID: "c"}}, "x": {hello: peer.Hello{ClusterID: "other"}}, "new": {}})
	if err := a.ID.Enter("c", false); err != nil {
		t.Fatal(err)
	}
	for seed, want := range map[string]bool{"a": true, "x": false, "silent": true, "new": true} {
		if err := a.CheckSeeds(t.Context(), []string{seed}); (err == nil) != want {
			t.Errorf("%s: %v", seed, err)
		}
	}
}

// What is true of a node is told until the table says it, to whoever leads; where none is
// heard of, by way of those who were members.
func TestAnnouncement(t *testing.T) {
	for _, c := range []struct {
		name   string
		leader string
		crowd  crowd
		err    bool
		told   string // by which way
	}{
		{"the leader is elsewhere", "other", crowd{"lead": {join: leads(nil)}}, false, "lead"},
		{"it leads itself", "me", crowd{}, false, "itself"},
		{"it has moved", "", crowd{"old": {hello: peer.Hello{ID: "o", ClusterID: "c", Leader: "lead"}}, "lead": {join: leads(nil)}}, false, "lead"},
		{"another cluster is where members were", "", crowd{"old": {hello: peer.Hello{ID: "o", ClusterID: "x", Leader: "lead"}}, "lead": {join: leads(nil)}}, false, ""},
		{"its row has moved on", "other", crowd{"lead": {join: leads(refusal.StaleRun, nil)}}, false, "lead"},
		{"it was removed", "other", crowd{"lead": {join: leads(refusal.NodeRemoved)}}, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				told := ""
				if n := c.crowd["lead"]; n.join != nil {
					ask := n.join
					n.join = func(rq peer.JoinRequest) (peer.JoinAnswer, error) {
						a, err := ask(rq)
						if err == nil && rq.ClusterID == "c" {
							told = "lead"
						}
						return a, err
					}
					c.crowd["lead"] = n
				}
				a := Announcement{Applicant: applicant(t, c.crowd), Told: func() bool { return told != "" },
					Leader: func() (string, string) { return c.leader, "lead" },
					Itself: func(context.Context, peer.JoinRequest) error { told = "itself"; return nil },
					Seeds:  func() []string { return []string{"silent", "old"} }}
				if err := a.ID.Enter("c", false); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				if err := a.Run(ctx); (err != nil) != c.err || told != c.told {
					t.Errorf("told by %q, %v; want %q", told, err, c.told)
				}
			})
		})
	}
}

// A refusal that stays ends the start; a row that has moved on is looked at again, and
// so is whoever is not there.
func TestWhichRefusalsStay(t *testing.T) {
	for code, want := range map[refusal.Code]bool{refusal.StaleRun: false, refusal.NodeRemoved: true, refusal.JoinInvalid: true, refusal.ConflictName: true, refusal.NodeUnreachable: false, refusal.Failed: false} {
		if got := stays(refusal.New(code, "no")); got != want {
			t.Errorf("%s: %v", string(code), got)
		}
	}
}

// What the table says is noted once, and a format never goes back.
func TestIdentityNotesWhatIsNews(t *testing.T) {
	dir := t.TempDir()
	id, err := LoadIdentity(nil, dir, 5, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		format uint32
		others []string
	}{{4, []string{"a"}}, {3, []string{"a", "b"}}} {
		if err := id.Note(step.format, step.others); err != nil {
			t.Fatal(err)
		}
	}
	if id, err = LoadIdentity(nil, dir, 5, nil); err != nil || id.ClusterFormat != 4 || !slices.Equal(id.Others(), []string{"a", "b"}) {
		t.Errorf("read back: %+v, %v", id, err)
	}
	if _, err := LoadIdentity(nil, dir, 3, nil); err == nil {
		t.Error("a binary that speaks less than the directory's cluster is taken")
	}
}
