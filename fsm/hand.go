package fsm

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gitmirror/fsm/command"
	"gitmirror/internal/asciifold"
	"gitmirror/internal/giturl"
	"gitmirror/internal/policy"
	"gitmirror/internal/refusal"
	"gitmirror/source"
)

// What people want of rows that sources claim.

// byHand notes that people want a row which sources have claimed: under the name that they ask for, too. What is retired is called
// that, and what they called it before: what else it was called is for who lists it again.
func (s *State) byHand(e entry, row *Repo, r *command.NewRepo) *command.Item {
	t := &s.tables
	if taken := t.nameTaken(row.ID, r.GetName()); taken != nil {
		taken.Repo = r.GetId()
		return taken
	}
	of := *row.Sourced
	of.Hand, of.Names, of.Besides = true, []string{r.GetName()}, false
	for _, name := range row.Sourced.Names {
		of.Names = appendName(of.Names, name)
	}
	if n := len(of.names(t.claims.on(row.ID), row.upstreamKeys()[0])) - 1; n > MaxAliases {
		return refuseItem(r.GetId(), refusal.Invalid, "%s would have %d other names, more than %d", r.GetName(), n, MaxAliases)
	}
	t.giveWay(e, row.ID, r.GetName())
	next := row.edit()
	s.asked(next, &of, r)
	next.Sourced = &of
	t.store(e, next)
	s.settle(e, row.ID)
	return ok(row.ID)
}

// calledAsAddress tells whether a name is that of the address which a row has, or had.
func (r *Repo) calledAsAddress(name string) bool {
	key := strings.TrimSuffix(r.upstreamKeys()[0], strings.ToLower(r.yielded()))
	return giturl.CalledAs(name, key)
}

// leavesAddress has a row not be called any more as the address was that it had; but for its first name, which people know it by, and
// what its claims call it. next must come from edit.
func (r *Repo) leavesAddress(next *Repo, list []*Claim) {
	goes := func(name string) bool {
		return r.calledAsAddress(name) && !slices.ContainsFunc(list, func(c *Claim) bool { return asciifold.Compare(c.Name, name) == 0 })
	}
	if !slices.ContainsFunc(next.Aliases, goes) {
		return
	}
	next.Aliases = slices.DeleteFunc(slices.Clone(next.Aliases), goes)
	if next.Sourced == nil || len(next.Sourced.Names) == 0 {
		return
	}
	of, first := *next.Sourced, 1
	if of.Besides {
		first = 0
	}
	of.Names = append(of.Names[:first:first], slices.DeleteFunc(slices.Clone(of.Names[first:]), goes)...)
	next.Sourced = &of
}

// asked gives a row what people ask for who add it: what is not as it usually is counts more than what its
// sources ask. next must come from edit.
func (s *State) asked(next *Repo, of *Sourced, r *command.NewRepo) {
	p, usual, asks := next.Policy.Policy, policy.Policy{}.Resolved(), policyOf(r.GetPolicy()).Resolved()
	if asks.Replicas != usual.Replicas {
		p.Replicas, of.ByHand = asks.Replicas, of.ByHand|setReplicas
	}
	if asks.Interval != usual.Interval {
		p.Interval, of.ByHand = asks.Interval, of.ByHand|setInterval
	}
	if !slices.Equal(asks.RefPrefixes, usual.RefPrefixes) {
		p.RefPrefixes, of.ByHand = asks.RefPrefixes, of.ByHand|setRefs
	}
	next.Policy = s.shared.policy(p)
	if len(r.GetLabels()) > 0 {
		labels := map[string]string{}
		maps.Copy(labels, of.Labels)
		maps.Copy(labels, r.GetLabels())
		of.Labels = s.shared.labelSet(labels)
	}
}

// letGo is what people do who do not want a row any more that sources claim: it stays for these.
func (s *State) letGo(e entry, row *Repo, list []*Claim) *command.Item {
	t := &s.tables
	if !row.Sourced.Hand {
		var names []string
		for _, c := range list {
			if name := t.sources.byNum(c.Source).Name; !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		item := refuseItem(row.ID, refusal.Claimed, "%s is wanted by %s", row.Name, strings.Join(names[:min(len(names), 5)], ", "))
		if i := slices.IndexFunc(list, func(c *Claim) bool { return c.Path == "" }); i >= 0 {
			item.Message = fmt.Sprintf("%s is the index of the source %s", row.Name, t.sources.byNum(list[i].Source).Name)
		}
		item.Existing = names[0]
		return item
	}
	next := row.edit()
	next.Sourced = &Sourced{}
	t.store(e, next)
	s.settle(e, row.ID)
	t.relist(e, row.ID)
	return ok(row.ID)
}

// relist has claims on a row taken up anew by their sources that say another address than it has: since only people had
// them share it, or what they were moved away with is gone. What a forge has moved has another claim of the same number, that says it.
func (t *tables) relist(e entry, id string) {
	row, list := t.liveRepo(id), t.claims.on(id)
	if t.format < formatCourse || row == nil || row.Sourced == nil || row.Sourced.Hand || row.Sourced.ByHand&setUpstream != 0 {
		return
	}
	follows := func(c *Claim) bool { return c.Keys[0] == row.upstreamKeys()[0] }
	for _, c := range list {
		src := t.sources.byNum(c.Source)
		if c.Path == "" || follows(c) || slices.ContainsFunc(list, func(o *Claim) bool {
			return follows(o) && o.Path == c.Path && src.atForge(t.sources.byNum(o.Source))
		}) {
			continue
		}
		t.anew(c)
		if path, below := source.Above(c.Path); !below {
			again := *src
			again.Again++
			t.putSource(e, &again)
		} else if above := t.claims.get(c.Source, path); above != nil { // else it is about to be put anew, or to be gone with all below it
			next := above.edit()
			next.SubmodulesRead = ""
			t.claims.put(next)
		}
	}
}

// anew has a claim be another than what is listed of it, whatever that is.
func (t *tables) anew(c *Claim) {
	next := c.edit()
	next.Hash = source.Hash{}
	t.claims.put(next)
}

// setByHand notes which of a row's settings are people's from now on: the names that it has by its
// claims it keeps, but for those that are others' by now. key is of the first url that it has from now on, called is what it was called. The receiver must come
// from edit.
func (r *Repo) setByHand(c *command.RepoChange, list []*Claim, key string, called []string, others func(name string) bool) {
	if r.Sourced == nil {
		return
	}
	of := *r.Sourced
	if p := c.GetPolicy(); p != nil {
		if p.Replicas != nil {
			of.ByHand |= setReplicas
		}
		if p.IntervalMs != nil {
			of.ByHand |= setInterval
		}
	}
	if c.GetUpstream() != nil {
		of.ByHand |= setUpstream
	}
	if len(c.GetLabels())+len(c.GetUnlabel()) > 0 {
		of.Labels = relabelled(of.Labels, c)
		unlabel := append(slices.Clone(of.Unlabel), c.GetUnlabel()...)
		slices.Sort(unlabel)
		of.Unlabel = slices.DeleteFunc(slices.Compact(unlabel), func(key string) bool { _, set := c.GetLabels()[key]; return set })
		if len(of.Unlabel) > maxLabels {
			of.Unlabel = of.Unlabel[:maxLabels]
		}
	}
	if c.Name != nil || c.Aliases != nil {
		was, theirs, besides := of.Names, (&Sourced{}).names(list, key), of.Besides
		of.Names, of.Besides = nil, true
		is := func(name string) func(string) bool {
			return func(n string) bool { return asciifold.Compare(n, name) == 0 }
		}
		for i, name := range append([]string{r.Name}, r.Aliases...) {
			switch named := i == 0 && c.Name != nil; {
			case named && !of.Hand && len(theirs) > 0 && is(name)(theirs[0]): // it is called as its source calls it again
				continue
			case named, slices.ContainsFunc(was, is(name)):
			case r.retired() && slices.ContainsFunc(called, is(name)): // which is there for whoever wants it
				continue
			case slices.ContainsFunc(theirs, is(name)), slices.ContainsFunc(list, func(c *Claim) bool { return c.wasCalled(name) }):
				continue
			}
			of.Names = append(of.Names, name)
			if i == 0 && (c.Name != nil || !besides) {
				of.Besides = false
			}
		}
		of.Besides = of.Besides && len(of.Names) > 0
	}
	if !r.retired() && (c.Name != nil || c.Aliases != nil || c.GetUpstream() != nil) {
		if names := of.called(list, key, others); len(names) > 0 {
			r.Name, r.Aliases = names[0], slices.Clip(names[1:])
			r.pack()
		}
	}
	r.Sourced = &of
}

// forgetsUpstream has a row follow what its claims say from now on: the address that people have set is another's, or what has it is
// asked for anew. The receiver must come from edit.
func (r *Repo) forgetsUpstream() {
	if r.Sourced == nil || r.Sourced.ByHand&setUpstream == 0 {
		return
	}
	of := *r.Sourced
	of.ByHand &^= setUpstream
	r.Sourced = &of
}

// giveWay takes a name from a row that nobody claims any more, or that was only called so before: another wants it. It has its other
// names, or, where it has none, one that only says what it was.
func (t *tables) giveWay(e entry, id, name string) {
	row := t.repoNamed(name)
	if row != nil && row.ID != id && t.formerly(row, name) {
		t.forget(e, row, name)
		return
	}
	if row == nil || row.ID == id || !row.retired() {
		return
	}
	next := row.edit()
	names := slices.DeleteFunc(append([]string{row.Name}, row.Aliases...), func(n string) bool { return asciifold.Compare(n, name) == 0 })
	if len(names) == 0 {
		names = []string{t.lastName(row)}
	}
	urls, keys := row.URLs(), row.upstreamKeys()
	next.Name, next.Aliases = names[0], slices.Clip(names[1:])
	next.pack()
	next.setURLs(urls, keys)
	t.store(e, next)
	t.recordChange(e, row, next)
}

// lastName is what a row is called of whose names others want every one.
func (t *tables) lastName(row *Repo) string {
	name := retiredName(row.ID)
	for i := 2; ; i++ {
		if other := t.repoNamed(name); other == nil || other.ID == row.ID {
			return name
		}
		name = fmt.Sprintf("%s-%d", retiredName(row.ID), i)
	}
}

func retiredName(id string) string { return "retired/" + id }

// hasLastName tells whether a row has no name that another could want: only such a one as lastName gives.
func (r *Repo) hasLastName() bool {
	return len(r.Aliases) == 0 && strings.HasPrefix(r.Name, retiredName(r.ID))
}

// retired tells whether nobody claims the row any more.
func (r *Repo) retired() bool { return !r.Sourced.RetiredAt().IsZero() }
