package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gitmirror/api"
)

// happened is a page with events of these numbers.
func happened(next, newest uint64, seqs ...uint64) *api.EventList {
	now := time.Now()
	l := &api.EventList{Events: []api.Event{}, Next: next, Newest: newest, LastContact: &now}
	for _, n := range seqs {
		l.Events = append(l.Events, api.Event{Seq: n, At: now, Type: "failing", Repo: "h/a", Node: "n1", Detail: "network: no such host", Changes: []api.Change{}})
	}
	return l
}

func asked(t *testing.T, f *fake, want ...string) {
	t.Helper()
	for i, rq := range f.requests() {
		if i >= len(want) || rq.line != "GET /api/v1/events"+want[i] {
			t.Errorf("request %d: %s, want %q", i+1, rq.line, want)
			return
		}
	}
}

func TestEventsAreTheNewest(t *testing.T) {
	f := fakeNode(t, func(int, request) any { return happened(12, 12, 11, 12) })
	r := run(t, "events").want(t, exitOK)
	if n := strings.Count(r.out, "\n"); n != 2 || r.err != "" {
		t.Errorf("%d lines:\n%s%s", n, r.out, r.err)
	}
	contains(t, "line", r.out, "    11  failing", "    12  failing          h/a  network: no such host  (n1)\n")
	r = run(t, "events", "--repo", "h/a", "--limit", "7", "-o", "json").want(t, exitOK)
	for i, line := range strings.Split(strings.TrimSuffix(r.out, "\n"), "\n") {
		var e api.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Seq != uint64(11+i) || e.Repo != "h/a" {
			t.Errorf("%v: %s", err, line)
		}
	}
	asked(t, f, "?limit=100", "?limit=7&repo=h%2Fa")
}

// Behind a number, all pages are shown, and what is not kept any more is told.
func TestEventsBehindANumber(t *testing.T) {
	f := fakeNode(t, func(n int, _ request) any {
		l := []*api.EventList{happened(6, 9, 5, 6), happened(9, 9, 8, 9)}[n-1]
		if n == 1 {
			l.Dropped = 4
		}
		return l
	})
	r := run(t, "events", "--after", "0", "-q").want(t, exitOK)
	lines := strings.Split(r.out, "\n")
	if len(lines) != 6 || !strings.HasSuffix(lines[0], "     4  dropped          4 events are not kept any more") {
		t.Errorf("%s", r.out)
	}
	asked(t, f, "?after=0&limit=1000", "?after=6&limit=1000")
}

// Who asks for what is behind a number that nothing has is told so.
func TestEventsBeyondTheLast(t *testing.T) {
	for args, want := range map[string]string{"--after 12": "12 is beyond the last event, which is 9.", "--after 9": "Nothing has happened since 9, the last event.", "--after 12 --repo h/a": "12 is beyond"} {
		fakeNode(t, func(int, request) any { return happened(12, 9) })
		contains(t, args, run(t, append([]string{"events"}, strings.Fields(args)...)...).want(t, exitOK).err, want)
	}
}

func TestEventsThatCannotBe(t *testing.T) {
	for _, args := range []string{"--limit 0", "--limit 1001", "--after 5 --limit 10", "--after -1", "--after x", "--repo=", "h/a"} {
		run(t, append([]string{"events"}, strings.Fields(args)...)...).want(t, exitUsage)
	}
	fakeNode(t, func(int, request) any { return problem(http.StatusNotFound, "not_found") })
	run(t, "events", "--repo", "h/b").want(t, exitNotFound)
	run(t, "events", "--repo", "h/b", "-f").want(t, exitNotFound)
}

// Who follows goes on where it was, whatever happens to the nodes, and is told what it has
// missed, even where it wants no remarks.
func TestFollowingEvents(t *testing.T) {
	for _, o := range []struct{ flag, dropped, remarks string }{
		{"-f", "    30  dropped          10 events are not kept any more, of any repository\n", "No leader"},
		{"-f -q", "    30  dropped          10 events are not kept any more, of any repository\n", ""},
		{"-f -o json", `"type":"dropped","repo":"","node":"","generation":0,"changes":[],"changes_total":0,"detail":"10 events are not kept any more, of any repository"`, ""},
	} {
		ctx, interrupt := context.WithCancel(t.Context())
		f := fakeNode(t, func(n int, _ request) any {
			switch n {
			case 1:
				return happened(15, 15, 14, 15)
			case 2: // nothing in its time
				return happened(15, 15)
			case 3:
				return happened(20, 20, 20)
			case 4, 5:
				return problem(http.StatusServiceUnavailable, "not_caught_up")
			case 6: // another, which is behind
				return happened(20, 18)
			case 7:
				l := happened(40, 40, 31, 40)
				l.Dropped = 10
				return l
			}
			interrupt()
			return happened(40, 40)
		})
		r := runFor(ctx, "", append([]string{"events", "--repo", "h/a"}, strings.Fields(o.flag)...)...).want(t, exitInterrupted)
		if n := strings.Count(r.out, "\n"); n != 6 || !strings.Contains(r.out, o.dropped) {
			t.Errorf("%s: %d lines:\n%s", o.flag, n, r.out)
		}
		if o.remarks == "" && r.err != "" && !strings.Contains(r.err, "interrupted") {
			t.Errorf("%s says %q", o.flag, r.err)
		}
		if o.remarks != "" && (strings.Count(r.err, "; trying on") != 1 || strings.Count(r.err, "Event 20 was seen, and the node that answers knows no more than 18") != 1) {
			t.Errorf("%s says %q", o.flag, r.err)
		}
		want := []string{"?limit=100&repo=h%2Fa"}
		for _, after := range []int{15, 15, 20, 20, 20, 20, 40} {
			want = append(want, fmt.Sprintf("?after=%d&limit=1000&repo=h%%2Fa&wait=30s", after))
		}
		asked(t, f, want...)
	}
}

// What would be refused each time ends it.
func TestFollowingEndsWhereItIsRefused(t *testing.T) {
	fakeNode(t, func(n int, _ request) any {
		if n == 1 {
			return happened(15, 15, 15)
		}
		return problem(http.StatusMisdirectedRequest, "host_unknown")
	})
	run(t, "events", "-f").want(t, exitFailed)
}
