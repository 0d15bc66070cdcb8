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
	contains(t, "stderr", r.err, "refs/heads/a", "1234567890 -> gone", "refs/heads/b  1234567890 -> fedcba0987", "and 1 more", "What was restored stays: refs/heads/p", "repo approve h/a --yes")
	if strings.Contains(r.err, "\x1b") {
		t.Error("a ref's name reaches the terminal as it is")
	}
	if n := len(f.requests()); n != 1 {
		t.Fatalf("%d requests without a yes, want the question what there is", n)
	}
	r = run(t, "repo", "approve", "h/a", "--yes").want(t, exitOK)
	contains(t, "stdout", r.out, "h/a follows upstream again: generation 7")
	rq := f.requests()[2]
	contains(t, "the request", rq.line+rq.body, "POST /api/v1/repos/h/a:approve", `"losses":"1111`, `"observed":"2222`)
	if rq.key == "" || strings.Contains(rq.body, "release") {
		t.Errorf("a write with the key %q of %s", rq.key, rq.body)
	}
}

// What was restored is let go only where it is named, or where all of it is: and then the
// hold stays.
func TestReleaseTakesWhatItNames(t *testing.T) {
	r := heldRow()
	r.Pins = append(r.Pins, api.Pin{Ref: "refs/tags/q", OID: "4444444444444444"})
	f := fakeNode(t, func(_ int, rq request) any {
		if strings.Contains(rq.line, ":sync") {
			return api.SyncOutcome{Repo: "h/a", Outcome: api.SyncHeld, Hold: r.Hold, Error: &api.RepoError{Class: "mass_delete"}}
		}
		return r
	})
	p := `{"ref":"refs/heads/p","upstream":"3333333333333333333333333333333333333333"}`
	q := `{"ref":"refs/tags/q","upstream":null}`
	for args, body := range map[string]string{
		"p": p, "refs/tags/q": q, "p refs/heads/p": p, "p q": p + "," + q, "--restored": p + "," + q,
	} {
		before := len(f.requests())
		line := append([]string{"repo", "approve", "--yes", "h/a"}, strings.Fields(args)...)
		if args == "--restored" {
			line = []string{"repo", "approve", "--yes", "--restored", "h/a"}
		}
		res := run(t, line...).want(t, exitOK)
		contains(t, "stderr", res.err, "The rest stays held")
		contains(t, "stdout", res.out, "is held, as before")
		if rq := f.requests()[before+1]; strings.TrimSpace(rq.body) != `{"release":[`+body+`]}` {
			t.Errorf("%s: %s, want %s", args, rq.body, body)
		}
	}
	contains(t, "stderr", run(t, "repo", "approve", "h/a", "--yes", "q").want(t, exitOK).err, "refs/tags/q  4444444444 -> only where that is no loss")
	contains(t, "stderr", run(t, "repo", "approve", "h/a", "--yes", "main").want(t, exitConflict).err, "main of h/a was not restored")
	run(t, "repo", "approve", "h/a", "--yes", "--restored", "p").want(t, exitUsage)
	r.Hold = nil
	contains(t, "stderr", run(t, "repo", "approve", "h/a", "--yes").want(t, exitConflict).err, "is not held", "refs/heads/p, refs/tags/q", "repo approve h/a refs/heads/p")
}

// An owner that has not heard of it yet is asked again: what it found then is not told.
func TestApproveWaitsUntilTheOwnerHasHeard(t *testing.T) {
	for name, tt := range map[string]struct {
		args  []string
		early api.SyncOutcome
		row   func() api.Repo
	}{
		"of a hold": {[]string{"repo", "approve", "h/a", "--yes"}, api.SyncOutcome{Outcome: api.SyncHeld, Hold: heldRow().Hold, Error: &api.RepoError{}}, func() api.Repo {
			r, now := heldRow(), time.Now()
			r.Hold.Losses, r.Hold.Approved = strings.Repeat("9", 40), &now // another, and it waits
			return r
		}},
		"of a release": {[]string{"repo", "approve", "h/a", "p", "--yes"}, api.SyncOutcome{Outcome: api.SyncUnchanged, Generation: 6}, func() api.Repo {
			r := row("h/a", "ready")
			r.Released = []api.Release{{Ref: "refs/heads/p"}}
			return r
		}},
	} {
		t.Run(name, func(t *testing.T) {
			approved, syncs := false, 0
			fakeNode(t, func(_ int, rq request) any {
				switch {
				case strings.Contains(rq.line, ":approve"):
					approved = true
				case strings.Contains(rq.line, ":sync"):
					if syncs++; syncs == 1 {
						return tt.early
					}
					return api.SyncOutcome{Repo: "h/a", Outcome: api.SyncChanged, Generation: 7}
				case approved && syncs > 1:
					return row("h/a", "ready")
				case approved:
					return tt.row()
				}
				return heldRow()
			})
			contains(t, "stdout", run(t, tt.args...).want(t, exitOK).out, "follows upstream again: generation 7")
		})
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
	contains(t, "stdout", r.out, "refs/heads/main of h/a is at 1234567890 again", "repo approve h/a refs/heads/main")
	contains(t, "request", f.requests()[1].body, `"ref":"main"`, `"to":"1234567"`)
}
