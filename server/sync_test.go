package server

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/testlog"
	"gitmirror/peer"
)

// checked is an owner whose checks come to that.
type checked struct{ out api.SyncOutcome }

func (checked) Maintain(string, api.Work) (api.Upkeep, error)  { return api.Upkeep{}, nil }
func (checked) Live(context.Context, []string) peer.LiveAnswer { return peer.LiveAnswer{} }
func (checked) Refs(context.Context, string, api.RefQuery) (api.RefList, error) {
	return api.RefList{}, nil
}
func (c checked) Sync(context.Context, string, bool) (api.SyncOutcome, error) { return c.out, nil }
func (c checked) Fresh(context.Context, string, time.Time) (uint64, error) {
	return c.out.Generation, nil
}

// Who is told what a check came to may act on it: the table here knows it by then.
func TestSyncAnswersWhenTheTableKnows(t *testing.T) {
	digest := bytes.Repeat([]byte{7}, 20)
	losses := fsm.Digest(digest).String()
	oid := "00112233445566778899aabbccddeeff00112233"
	report := func(h *command.HealthReport) *command.Report {
		h.Repo, h.Epoch = "r", 1
		return &command.Report{Node: "n1", Health: []*command.HealthReport{h}}
	}
	held := func(heard uint64) *command.Report {
		return report(&command.HealthReport{HoldReason: "mass_delete", HoldLosses: digest, HoldLost: 3, Heard: heard})
	}
	release := func(tb *table) {
		tb.do(&command.Pin{Repo: "r", Ref: "refs/heads/x", Oid: oid}).do(&command.Approve{Repo: "r", Release: []*command.Release{{Ref: "refs/heads/x"}}})
	}
	counts := api.SyncOutcome{Outcome: api.SyncHeld, Hold: &api.Hold{Reason: "empty", Losses: fsm.Digest{}.String(), Observed: losses}}
	heldOut := api.SyncOutcome{Outcome: api.SyncHeld, Hold: &api.Hold{Reason: "mass_delete", Losses: losses}}
	for name, c := range map[string]struct {
		before func(*table)
		out    api.SyncOutcome
		news   *command.Report // nil: it is known
	}{
		"a hold":                      {func(*table) {}, heldOut, held(0)},
		"a hold that is known":        {func(tb *table) { tb.do(held(0)) }, heldOut, nil},
		"the end of a hold":           {func(tb *table) { tb.do(held(0)) }, api.SyncOutcome{Outcome: api.SyncUnchanged}, report(&command.HealthReport{})},
		"a release that was heard":    {release, api.SyncOutcome{Outcome: api.SyncUnchanged, Heard: 99}, report(&command.HealthReport{Heard: 99})},
		"a release that was not":      {release, api.SyncOutcome{Outcome: api.SyncUnchanged}, nil},
		"a hold of counts":            {func(*table) {}, counts, report(&command.HealthReport{HoldReason: "empty", HoldDigest: digest})},
		"a failure":                   {func(tb *table) { tb.do(held(0)) }, api.SyncOutcome{Outcome: api.SyncFailed}, nil},
		"an approval that was no use": {func(tb *table) { tb.do(held(0)).do(&command.Approve{Repo: "r", Losses: digest}) }, func() api.SyncOutcome { o := heldOut; o.Heard = 99; return o }(), held(99)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tb := newTable(t)
				tb.do(&command.RaiseFormat{Format: fsm.Format})
				c.before(tb)
				g := &group{leader: "n1"}
				s := New(Config{Self: "n1", State: tb.state, Consensus: g, Writer: g, Local: checked{c.out}, Now: time.Now, Hosts: []string{"example.com"}, Log: testlog.New(t)})
				answered := make(chan *httptest.ResponseRecorder, 1)
				go func() {
					w := httptest.NewRecorder()
					r := httptest.NewRequest(http.MethodPost, "/api/v1/repos/r:sync?wait=30s", http.NoBody)
					r.Header.Set("Content-Type", "application/json")
					s.Handler(Open).ServeHTTP(w, r)
					answered <- w
				}()
				synctest.Wait()
				if c.news != nil {
					if len(answered) > 0 {
						t.Fatalf("it answers before that is known: %s", (<-answered).Body)
					}
					tb.do(c.news)
					synctest.Wait()
				}
				if len(answered) == 0 {
					t.Fatal("it does not answer")
				}
				if w := <-answered; w.Code != http.StatusOK {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			})
		})
	}
}
