package cli

import (
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/api"
)

// tended is a node with a repo h/a whose copies are worked on: before each look at the row, step is
// told how many there were, and sets how they are kept.
func tended(t *testing.T, asked api.Asked, step func(n int, copies []api.Copy)) *fake {
	t.Helper()
	var mu sync.Mutex // several repos are asked for at once
	looks := 0
	return fakeNode(t, func(_ int, r request) any {
		if strings.HasPrefix(r.line, "POST ") {
			return asked
		}
		mu.Lock()
		defer mu.Unlock()
		looks++
		is := row("h/a", "ready")
		is.Copies = []api.Copy{{Node: "n1", State: "ready", Generation: 3}, {Node: "n2", State: "ready", Generation: 3}}
		step(looks, is.Copies)
		return is
	})
}

var span = regexp.MustCompile(` in [0-9.]+m?s`)

// What is said of the upkeep of a repo, to the letter: what is asked for, how it goes on, and what
// came of it on each node.
func TestWhatIsSaidOfUpkeep(t *testing.T) {
	was, is := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2030, 1, 1, 1, 0, 0, 0, time.UTC)
	before := func() *api.Upkeep {
		return &api.Upkeep{Read: &was, Checked: &was, Collected: &was, Tidied: &was, Bytes: 9 << 20, Waiting: []string{}}
	}
	after := func() *api.Upkeep {
		return &api.Upkeep{Read: &is, Checked: &is, Collected: &is, Tidied: &is, Bytes: 5 << 20, Waiting: []string{}}
	}
	both := api.Asked{Repo: "h/a", Copies: []api.AskedCopy{{Node: "n1", Upkeep: before()}, {Node: "n2", Upkeep: before()}}}
	one := api.Asked{Repo: "h/a", Copies: []api.AskedCopy{{Node: "n1", Upkeep: before()}, {Node: "n2", Error: "the node is down"}}}
	done := func(_ int, c []api.Copy) { c[0].Upkeep, c[1].Upkeep = after(), after() }
	for _, c := range []struct {
		line     string
		asked    api.Asked
		step     func(int, []api.Copy)
		exit     int
		out, err string
	}{
		{"repo gc h/a", both, func(n int, c []api.Copy) {
			done(n, c)
			if n == 1 {
				c[0].Upkeep = &api.Upkeep{Waiting: []string{"gather"}, Doing: "gather"}
			}
		}, exitOK, "h/a: collected on n1 (5.0 MiB) and n2 (5.0 MiB)\n", "h/a: n1: gather\n"},
		{"repo gc h/a", both, func(n int, c []api.Copy) {
			if done(n, c); n < 3 {
				c[1].Upkeep = &api.Upkeep{Waiting: []string{}, Leaving: true}
			}
			if n == 2 {
				c[0].Upkeep = nil // it does not answer for once
			}
		}, exitOK, "h/a: collected on n1 (5.0 MiB) and n2 (5.0 MiB)\n", ""},
		{"repo gc h/a", both, func(n int, c []api.Copy) { c[0].Upkeep, c[1].Upkeep = before(), after() }, exitOK, "h/a: collected on n1 (9.0 MiB) and n2 (5.0 MiB)\n", ""},
		{"repo verify h/a", both, done, exitOK, "h/a: verified on n1 and n2\n", ""},
		{"repo verify h/a --detach", both, nil, exitOK, "h/a: asked for on n1 and n2\n", ""},
		{"repo gc h/a", both, func(n int, c []api.Copy) {
			done(n, c)
			c[1].Upkeep = before()
			c[1].Upkeep.Error = "gather: packs stay that are of no use: no memory"
		}, exitPartFailed, "", "Error: h/a is not collected on all nodes\nCause: n2: gather: packs stay that are of no use: no memory\nTry:   gitmirror repo show h/a\n"},
		{"repo verify h/a", both, func(n int, c []api.Copy) { c[0].Upkeep, c[1].Upkeep = after(), before() }, exitPartFailed, "", "Error: h/a is not verified on all nodes\nCause: n2: the copy cannot be read\nTry:   gitmirror repo show h/a\n"},
		{"repo verify h/a", both, func(n int, c []api.Copy) { // another job had failed before
			c[0].Upkeep, c[1].Upkeep = after(), before()
			c[1].Upkeep.Error = "gather: this node has no git to do it with"
		}, exitPartFailed, "", "Error: h/a is not verified on all nodes\nCause: n2: the copy cannot be read\nTry:   gitmirror repo show h/a\n"},
		{"repo verify h/a", one, done, exitPartFailed, "", "Error: h/a is not verified on all nodes\nCause: n2: the node is down\nTry:   gitmirror repo show h/a\n"},
		{"repo verify h/a", both, func(n int, c []api.Copy) { c[0].Upkeep, c[1].Upkeep = before(), before() }, exitFailed, "", "Error: h/a is not verified on all nodes\nCause: n1: the copy cannot be read; n2: the copy cannot be read\nTry:   gitmirror repo show h/a\n"},
		{"repo gc h/a --timeout 500ms", both, func(n int, c []api.Copy) { c[0].Upkeep = &api.Upkeep{Waiting: []string{"gather"}} }, exitTimeout, "", "Error: h/a is not collected yet: --timeout ran out\nCause: the work goes on\nTry:   gitmirror repo show h/a\n"},
		{"repo gc h/a --timeout 500ms", both, func(n int, c []api.Copy) {
			done(n, c)
			c[1].Upkeep = &api.Upkeep{Waiting: []string{"gather"}, WaitsFor: api.ForRoom}
		}, exitTimeout, "", "h/a: n2: waits for room on the node's disk\nError: h/a is not collected yet: --timeout ran out\nCause: the work goes on; n2: waits for room on the node's disk\nTry:   gitmirror repo show h/a\n"},
		{"repo verify h/a", both, func(n int, c []api.Copy) { // it was frozen when it was asked, and is called down since
			if done(n, c); n > 1 {
				c[1].Upkeep, c[1].Away = nil, "down"
			} else {
				c[1].Upkeep = nil
			}
		}, exitPartFailed, "", "Error: h/a is not verified on all nodes\nCause: n2: the node is down\nTry:   gitmirror repo show h/a\n"},
	} {
		f := tended(t, c.asked, c.step)
		r := run(t, strings.Fields(c.line)...).want(t, c.exit)
		if out, err := span.ReplaceAllString(r.out, ""), span.ReplaceAllString(r.err, ""); out != c.out || err != c.err {
			t.Errorf("%s says\n%q, %q, want\n%q, %q", c.line, out, err, c.out, c.err)
		}
		if first := f.requests()[0].line; first != "POST /api/v1/repos/h/a:"+strings.Fields(c.line)[1] {
			t.Errorf("%s asks %s", c.line, first)
		}
	}
}

// A node that does not answer, or has no room, is named, and not waited for until --timeout; of many
// repositories the first alone waits for it.
func TestWhoIsStuckIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k stuck
		look := func(c api.Copy, want string, vain bool) {
			t.Helper()
			if is, hopeless := k.look(c); is != want || hopeless != vain {
				t.Errorf("%s: %q, in vain: %v", c.Node, is, hopeless)
			}
		}
		silent, full := api.Copy{Node: "silent"}, api.Copy{Node: "full", Upkeep: &api.Upkeep{WaitsFor: api.ForRoom}}
		busy := api.Copy{Node: "full", Upkeep: &api.Upkeep{WaitsFor: "a run that is under way"}}
		look(silent, "", false)
		look(full, "waits for room on the node's disk", false)
		time.Sleep(fullLong)
		look(silent, "the node does not answer", false)
		look(full, "waits for room on the node's disk", true)
		look(full, "waits for room on the node's disk", true) // of the next repository
		look(busy, "waits for a run that is under way", false)
		look(full, "waits for room on the node's disk", false) // it has got on since
		time.Sleep(silentLong)
		look(silent, "the node does not answer", true)
		silent.Upkeep = &api.Upkeep{Doing: "read"}
		look(silent, "read", false)
		silent.Upkeep = nil
		look(silent, "", false)
		look(api.Copy{Node: "n", Away: api.NodeDown}, "the node is down", true)
	})
}

// Of several repos too: where each is done on some of its nodes, or some are and others not, part
// has failed.
func TestUpkeepOfSeveralInPart(t *testing.T) {
	is := time.Date(2030, 1, 1, 1, 0, 0, 0, time.UTC)
	asked := api.Asked{Repo: "h/a", Copies: []api.AskedCopy{{Node: "n1"}, {Node: "n2", Error: "the node is down"}}}
	tended(t, asked, func(_ int, c []api.Copy) {
		c[0].Upkeep = &api.Upkeep{Read: &is, Checked: &is, Waiting: []string{}}
	})
	run(t, "repo", "verify", "h/a", "h/b").want(t, exitPartFailed)
	fakeNode(t, func(_ int, r request) any {
		switch {
		case strings.HasPrefix(r.line, "POST /api/v1/repos/h/b"):
			return problem(500, "failed")
		case strings.HasPrefix(r.line, "POST "):
			return asked
		}
		row := row("h/a", "ready")
		row.Copies = []api.Copy{{Node: "n1", Upkeep: &api.Upkeep{Read: &is, Checked: &is, Waiting: []string{}}}, {Node: "n2"}}
		return row
	})
	run(t, "repo", "verify", "h/a", "h/b").want(t, exitPartFailed)
}
