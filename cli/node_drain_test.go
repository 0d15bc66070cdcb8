package cli

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"gitmirror/api"
)

// draining is a fake cluster whose n2 has so many copies left at each look; after the last it
// stays so.
func draining(t *testing.T, before *api.Drain, left ...int) *fake {
	t.Helper()
	looks := -1
	node := func(d *api.Drain) api.Node {
		return api.Node{Name: "n2", State: api.NodeUp, Role: "voter", Drain: d}
	}
	return fakeNode(t, func(_ int, r request) any {
		switch {
		case strings.HasSuffix(r.line, ":drain"), looks >= 0:
			n := left[min(max(looks, 0), len(left)-1)]
			looks++
			return node(&api.Drain{Left: n, Done: n == 0, Waiting: []api.DrainWaiting{{Repo: "a/b", Why: "n3 is down"}}})
		}
		return node(before)
	})
}

func TestADrainEndsWhenNothingIsLeft(t *testing.T) {
	f := draining(t, nil, 2, 1, 0)
	r := run(t, "node", "drain", "n2").want(t, exitOK)
	contains(t, "stdout", r.out, "n2 is drained after")
	contains(t, "stderr", r.err, "gitmirror node rm n2 --yes", "gitmirror node undrain n2")
	if asked := f.requests(); len(asked) < 4 || asked[1].line != "POST /api/v1/nodes/n2:drain" || asked[1].key == "" {
		t.Errorf("it asked %v", asked)
	}

	draining(t, &api.Drain{Left: 4}, 0)
	contains(t, "stderr", run(t, "node", "drain", "n2").want(t, exitOK).err, "n2 is draining already")

	draining(t, &api.Drain{Done: true}, 0)
	contains(t, "stderr", run(t, "node", "drain", "n2").want(t, exitOK).err, "n2 is drained already")

	draining(t, nil, 3)
	r = run(t, "node", "drain", "n2", "--detach", "-o", "json").want(t, exitOK)
	var n api.Node
	if err := json.Unmarshal([]byte(r.out), &n); err != nil || n.Drain == nil || n.Drain.Left != 3 {
		t.Errorf("%v in %s", err, r.out)
	}
	draining(t, nil, 0)
	if r := run(t, "node", "drain", "n2", "-q").want(t, exitOK); r.out != "" || r.err != "" {
		t.Errorf("with -q it says %q and %q", r.out, r.err)
	}
}

func TestADrainThatDoesNotEnd(t *testing.T) {
	draining(t, nil, 7)
	r := run(t, "node", "drain", "n2", "--deadline", "50ms").want(t, exitTimeout)
	contains(t, "stderr", r.err, "Error: n2 is not drained: --deadline 50ms is over", "n2 goes on draining: 7 copies left", "a/b: n3 is down", "gitmirror node undrain n2")

	ctx, cancel := context.WithCancel(t.Context())
	f := draining(t, nil, 7)
	go func() {
		defer cancel()
		for len(f.requests()) < 3 {
			if !sleep(t.Context(), time.Millisecond) {
				return
			}
		}
	}()
	r = runFor(ctx, "", "node", "drain", "n2").want(t, exitInterrupted)
	contains(t, "stderr", r.err, "Error: interrupted", "goes on draining", "gitmirror node drain n2")
}

func TestWhatBecomesOfADrainMeanwhile(t *testing.T) {
	for want, then := range map[int]any{
		exitNotFound: problem(404, "not_found"),
		exitConflict: api.Node{Name: "n2"},
	} {
		n := 0
		fakeNode(t, func(_ int, r request) any {
			if n++; n <= 4 {
				return api.Node{Name: "n2", Drain: &api.Drain{Left: 1}}
			}
			return then
		})
		run(t, "node", "drain", "n2").want(t, want)
	}
	fakeNode(t, func(_ int, r request) any {
		if strings.HasSuffix(r.line, ":drain") {
			return problem(409, "drain_impossible")
		}
		return api.Node{Name: "n2"}
	})
	run(t, "node", "drain", "n2").want(t, exitConflict)
	run(t, "node", "drain", "n2", "--deadline", "1h", "--detach").want(t, exitUsage)
	run(t, "node", "drain", "n2", "--deadline", "-1s").want(t, exitUsage)
}

func TestUndrainAndTransfer(t *testing.T) {
	f := fakeNode(t, func(_ int, r request) any {
		if strings.Contains(r.line, "transfer") {
			return api.Leader{Leader: "n3"}
		}
		return api.Node{Name: "n2"}
	})
	contains(t, "stdout", run(t, "node", "undrain", "n2").want(t, exitOK).out, "n2 is not draining")
	contains(t, "stdout", run(t, "cluster", "transfer-leader", "n3").want(t, exitOK).out, "n3 leads")
	contains(t, "stdout", run(t, "cluster", "transfer-leader", "-o", "json").want(t, exitOK).out, `"leader": "n3"`)
	if asked := f.requests(); asked[1].body != `{"to":"n3"}` || asked[2].body != `{"to":""}` {
		t.Errorf("it asked %v", asked)
	}
}

func TestALossIsAcceptedInSoManyWords(t *testing.T) {
	f := fakeNode(t, func(_ int, r request) any {
		if strings.HasPrefix(r.line, "GET") {
			return api.Node{Name: "n2", State: api.NodeDown, Copies: 4}
		}
		return nil
	})
	contains(t, "stderr", run(t, "node", "rm", "n2", "--accept-loss").want(t, exitUsage).err, "kept history is lost", "Try:   gitmirror node rm n2 --yes --accept-loss")
	run(t, "node", "rm", "n2", "--accept-loss", "--yes").want(t, exitOK)
	if asked := f.requests(); asked[len(asked)-1].line != "DELETE /api/v1/nodes/n2?accept_loss=true" {
		t.Errorf("it asked %v", asked)
	}
}
