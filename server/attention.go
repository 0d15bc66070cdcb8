package server

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"gitmirror/api"
)

// tooMany tells whether so many repos fail that it is no matter of their upstreams alone.
func tooMany(failing, total int) bool { return failing*10 > total }

// upstreams lists the hosts that fail, those of most repos first, and says how many repos
// that are, those of hosts that are not listed too.
func upstreams(fails map[failing]lasting) (list []api.FailingUpstream, repos int) {
	list = []api.FailingUpstream{}
	for of, n := range fails {
		list = append(list, api.FailingUpstream{Host: of.host, Class: of.class, Repos: n.repos, Since: timeOf(n.since)})
		repos += n.repos
	}
	slices.SortFunc(list, func(a, b api.FailingUpstream) int {
		return cmp.Or(cmp.Compare(b.Repos, a.Repos), strings.Compare(a.Host, b.Host), strings.Compare(a.Class, b.Class))
	})
	return list[:min(len(list), api.MostUpstreams)], repos
}

// since is when the first of what makes the verdict began, as far as that has a date.
func since(st *api.Status) *time.Time {
	var first time.Time
	add := func(t time.Time) {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	switch {
	case st.Verdict == api.Healthy:
		return nil
	case st.Verdict == api.NoQuorum:
		return st.LastContact
	}
	for _, n := range st.Nodes {
		if n.Role != roleNonvoter && !n.Live() {
			add(n.Since)
		}
		for _, i := range []*api.Impairment{n.Disk, n.Sick} {
			if i != nil {
				add(i.Since)
			}
		}
	}
	for _, t := range st.Trouble {
		add(t.Since)
	}
	return timeOf(first)
}

// shownUpstreams is how many failing hosts have a line of their own.
const shownUpstreams = 5

// attention lists what somebody should look at: first what clients do not get. held is since
// when the first of those is that are shown as held.
func attention(st *api.Status, failing int, held time.Time, moved moved, now time.Time) []api.Attention {
	list := []api.Attention{}
	since := func(at time.Time, command, format string, args ...any) {
		list = append(list, api.Attention{Message: fmt.Sprintf(format, args...), Command: "gitmirror " + command, Since: timeOf(at)})
	}
	add := func(command, format string, args ...any) { since(time.Time{}, command, format, args...) }
	state := func(s api.State, at time.Time) {
		if n := st.Repos.ByState[s.Name]; n > 0 && s.Alert != "" {
			since(at, "repo ls --state "+s.Name, "%s %s", count(n, "repository", "repositories"), s.Alert)
		}
	}
	if st.CatchingUp {
		add("status", "%s has started and not caught up yet: what it shows is incomplete", st.AnsweredBy)
	}
	state(api.StateOf(api.StateUnserved), time.Time{})
	if st.Leader == "" {
		knew := ""
		if st.LastContact != nil {
			knew = fmt.Sprintf(", and this is what %s knew %s ago", st.AnsweredBy, short(now.Sub(*st.LastContact)))
		}
		add("node ls", "no leader: writes are refused%s", knew)
	}
	for _, n := range st.Nodes {
		if !n.Live() && n.State != api.NodeLeft {
			since(n.Since, "node show "+n.Name, "%s is %s", n.Name, n.State)
		}
		switch {
		case n.Drain == nil:
		case n.Drain.Left == 0:
			since(n.Drain.Since, "node show "+n.Name, "%s is drained, and gets nothing new", n.Name)
		default:
			since(n.Drain.Since, "node show "+n.Name, "%s is draining, %s left", n.Name, count(n.Drain.Left, "copy", "copies"))
		}
		if n.Disk != nil {
			since(n.Disk.Since, "node show "+n.Name, "the disk of %s is %s", n.Name, n.Disk.Class)
		}
		if n.Sick != nil {
			since(n.Sick.Since, "node show "+n.Name, "the copies on %s are out of service", n.Name)
		}
	}
	for _, t := range st.Trouble {
		about := t.Step
		if t.Subject != "" {
			about += " of " + t.Subject
		}
		since(t.Since, "node ls", "%s fails at %s: %s", t.Node, about, t.Message)
	}
	for _, s := range api.States {
		switch s.Name {
		case api.StateUnserved:
		case api.StateFailing:
			list = append(list, failingHosts(st.Upstreams, failing)...)
		case api.StateHeld:
			state(s, held)
		default:
			state(s, time.Time{})
		}
	}
	if tooMany(failing, st.Repos.Total) && failing > 0 {
		add("repo ls --state failing", "%s of %s failing: more than a tenth", humanize.Comma(int64(failing)), count(st.Repos.Total, "repository", "repositories"))
	}
	if moved.one != nil {
		list = append(list, follow(moved))
	}
	if st.Repos.Stale > 0 {
		add("repo ls --stale", "%s not checked for three intervals", count(st.Repos.Stale, "repository", "repositories"))
	}
	if len(st.Nodes) == 1 && st.Nodes[0].Peer != "" {
		add("start --join "+st.Nodes[0].Peer, "one node alone: its loss stops everything; run on another host")
	}
	return list
}

// longestCommand is how long a line is shown that somebody else has made up, in bytes.
const longestCommand = 300

// follow has an upstream followed to where it says that it is; the next is shown when it is done.
func follow(m moved) api.Attention {
	is := api.Moved{From: m.one.Moved.From, To: m.one.Moved.To}
	a := api.Attention{Message: "the upstream of " + m.one.Name + " has moved for good", Command: is.Follow(m.one.Name, m.one.URLs()), Since: timeOf(m.one.Moved.Since)}
	if m.repos > 1 {
		a.Message = fmt.Sprintf("%s have moved for good, as that of %s", count(m.repos, "upstream", "upstreams"), m.one.Name)
	}
	if len(a.Command) > longestCommand || m.one.Sourced != nil && !m.one.Sourced.Hand { // or who lists it follows it, or does not
		a.Command = "gitmirror repo show " + m.one.Name
	}
	return a
}

// failingHosts are the first upstreams that fail, and how many there are besides.
func failingHosts(hosts []api.FailingUpstream, failing int) (list []api.Attention) {
	add := func(since *time.Time, format string, args ...any) {
		list = append(list, api.Attention{Message: fmt.Sprintf(format, args...), Command: "gitmirror repo ls --state failing", Since: since})
	}
	for i, h := range hosts {
		if i == shownUpstreams {
			add(nil, "%s of other upstreams failing", count(failing, "repository", "repositories"))
			break
		}
		add(h.Since, "upstream %s %s: %s", h.Host, api.FailureWords(h.Class), count(h.Repos, "repository", "repositories"))
		failing -= h.Repos
	}
	return list
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return humanize.Comma(int64(n)) + " " + many
}

// short is a duration in its largest unit.
func short(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if d >= u.unit {
			return fmt.Sprintf("%d%s", d/u.unit, u.name)
		}
	}
	return fmt.Sprintf("%ds", max(d, 0)/time.Second)
}
