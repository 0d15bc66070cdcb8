package cli

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"gitmirror/api"
)

func heldRow() api.Repo {
	r := row("h/a", "held")
	upstream := "3333333333333333333333333333333333333333"
	r.Hold = &api.Hold{Reason: api.HoldMassDelete, Since: time.Now().Add(-time.Hour), Lost: 3, Settled: 9, Losses: strings.Repeat("1", 40), Observed: strings.Repeat("2", 40),
		First: []api.Change{{Ref: "refs/heads/a\x1b[31m", Old: "1234567890abcdef", Kind: "deleted"}, {Ref: "refs/heads/b", Old: "1234567890abcdef", New: "fedcba0987654321", Kind: "forced"}}}
	r.Pins = []api.Pin{{Ref: "refs/heads/p", OID: "4444444444444444", Upstream: &upstream}}
	return r
}

// What is approved is what was shown.
func TestApproveTakesWhatItShows(t *testing.T) {
	f := fakeNode(t, func(n int, r request) any {
		switch {
		case strings.HasPrefix(r.line, "GET"):
			return heldRow()
		case strings.Contains(r.line, ":sync"):
			return api.SyncOutcome{Repo: "h/a", Outcome: api.SyncChanged, Generation: 7}
		}
		return heldRow()
	})
	r := run(t, "repo", "approve", "h/a").want(t, exitUsage)
	contains(t, "stderr", r.err, "refs/heads/a", "1234567890 -> gone", "refs/heads/b  1234567890 -> fedcba0987", "and 1 more", "refs/heads/p  4444444444 -> 3333333333", "repo approve h/a --yes")
	if strings.Contains(r.err, "\x1b") {
		t.Error("a ref's name reaches the terminal as it is")
	}
	if n := len(f.requests()); n != 1 {
		t.Fatalf("%d requests without a yes, want the question what there is", n)
	}
	r = run(t, "repo", "approve", "h/a", "--yes").want(t, exitOK)
	contains(t, "stdout", r.out, "h/a follows upstream again: generation 7")
	rq := f.requests()[2]
	contains(t, "the request", rq.line+rq.body, "POST /api/v1/repos/h/a:approve", `"losses":"1111`, `"observed":"2222`, `"unpin":["refs/heads/p"]`)
	if rq.key == "" {
		t.Error("a write without a key")
	}
}

func TestNothingToApproveIsAConflict(t *testing.T) {
	f := fakeNode(t, func(int, request) any { return row("h/a", "ready") })
	contains(t, "stderr", run(t, "repo", "approve", "h/a", "--yes").want(t, exitConflict).err, "nothing to approve", "repo show h/a")
	if n := len(f.requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// What upstream took away since is shown, and is a failure.
func TestApproveTellsOfAnotherLoss(t *testing.T) {
	other := heldRow().Hold
	other.Losses = strings.Repeat("9", 40)
	fakeNode(t, func(n int, r request) any {
		switch {
		case strings.HasPrefix(r.line, "GET"):
			return heldRow()
		case strings.Contains(r.line, ":sync"):
			return api.SyncOutcome{Repo: "h/a", Outcome: api.SyncHeld, Hold: other, Error: &api.RepoError{Class: other.Reason, Message: "another loss"}}
		}
		return heldRow()
	})
	contains(t, "stderr", run(t, "repo", "approve", "h/a", "--yes").want(t, exitFailed).err, "another loss", "repo show h/a")
	fakeNode(t, func(n int, r request) any {
		if strings.HasPrefix(r.line, "GET") {
			return heldRow()
		}
		return &api.Problem{Status: http.StatusConflict, Code: "stale_hold", Detail: "it has changed: look again", Hint: "gitmirror repo show h/a"}
	})
	contains(t, "stderr", run(t, "repo", "approve", "h/a", "--yes").want(t, exitConflict).err, "look again", "repo show h/a")
}

func TestRepoRefs(t *testing.T) {
	at := time.Now().Add(-2 * time.Hour)
	f := fakeNode(t, func(n int, _ request) any {
		l := api.RefList{Repo: "h/a", Refs: []api.Ref{{Ref: "refs/heads/main", OID: "1234567890abcdef", Kept: n == 2, ReplacedBy: "fedcba0987654321", At: &at}}}
		if n == 1 {
			l.NextCursor = "next"
		} else {
			l.GivenUp, l.GivenUpAt = 5, &at
		}
		return l
	})
	r := run(t, "repo", "refs", "h/a", "main", "--kept").want(t, exitOK)
	contains(t, "stdout", r.out, "refs/heads/main", "1234567890", "live", "kept, moved to fedcba0987", "2h ago")
	contains(t, "stderr", r.err, "5 kept tips were given up")
	contains(t, "second request", f.requests()[1].line, "cursor=next", "kept=true", "q=main", "limit=500")
}

func TestRestoreAsks(t *testing.T) {
	at := time.Now()
	f := fakeNode(t, func(n int, r request) any {
		switch {
		case strings.Contains(r.line, ":restore"):
			return api.Pin{Ref: "refs/heads/main", OID: "1234567890abcdef"}
		case strings.Contains(r.line, ":refs"):
			return api.RefList{Generation: 3, Refs: []api.Ref{{Ref: "refs/heads/main", OID: "1234567890abcdef", Pinned: true, At: &at}}}
		}
		return row("h/a", "ready")
	})
	contains(t, "stderr", run(t, "repo", "restore", "h/a", "main", "--to", "1234567").want(t, exitUsage).err, "Set main of h/a back to 1234567890, where it was until ", "repo restore h/a main --to 1234567 --yes")
	if n := len(f.requests()); n != 1 {
		t.Fatalf("%d requests without a yes, want the question what is kept", n)
	}
	r := run(t, "repo", "restore", "h/a", "main", "--to", "1234567", "--yes").want(t, exitOK)
	contains(t, "stdout", r.out, "refs/heads/main of h/a is at 1234567890 again", "repo approve h/a")
	contains(t, "request", f.requests()[1].body, `"ref":"main"`, `"to":"1234567"`)
}
