package fsm

import (
	"maps"
	"slices"

	"gitmirror/fsm/command"
	"gitmirror/internal/asciifold"
	"gitmirror/internal/refusal"
)

func (s *State) changeRepos(e entry, c *command.ChangeRepos) *command.Outcome {
	return batch(c.GetRepos(), func(r *command.RepoChange) *command.Item { return s.changeRepo(e, r) })
}

// changeRepo does all that is asked for of one row, or nothing. A row that is so already
// stays as it is.
func (s *State) changeRepo(e entry, c *command.RepoChange) *command.Item {
	t := &s.tables
	row := t.liveRepo(c.GetRepo())
	if row == nil {
		return refuseItem(c.GetRepo(), refusal.NotFound, "no repo %q", c.GetRepo())
	}
	next := row.edit()
	var err error
	if c.GetPolicy() != nil {
		if next.Policy, err = s.withChange(row.Policy, changeOf(c.GetPolicy())); err != nil {
			return refuseItem(row.ID, refusal.Invalid, "%v", err)
		}
	}
	next.Labels = s.shared.labelSet(relabelled(row.Labels, c))
	if err := checkLabels(next.Labels); err != nil {
		return refuseItem(row.ID, refusal.Invalid, "%v", err)
	}
	if c.Paused != nil {
		next.Paused = c.GetPaused()
	}
	urls, keys := row.URLs(), row.upstreamKeys()
	var gives []string
	if u := c.GetUpstream(); u != nil {
		urls, keys = u.GetUrls(), u.GetKeys()
		if err := checkURLs(urls, keys); err != nil {
			return refuseItem(row.ID, refusal.Invalid, "%v", err)
		}
		var taken *command.Item
		if taken, gives = t.upstreamTaken(row.ID, urls, keys); taken != nil {
			return taken
		}
	}
	if refused := t.rename(next, c); refused != nil {
		return refused
	}
	next.setURLs(urls, keys)
	t.movesTo(e, row, next)
	others := func(name string) bool { return t.nameTaken(row.ID, name) != nil }
	if next.setByHand(c, t.claims.on(row.ID), next.calledAs(), append([]string{row.Name}, row.Aliases...), others); len(next.Aliases) > MaxAliases {
		return refuseItem(row.ID, refusal.Invalid, "%s would have %d other names, more than %d", next.Name, len(next.Aliases), MaxAliases)
	}
	for _, name := range append([]string{next.Name}, next.Aliases...) {
		t.giveWay(e, row.ID, name)
	}
	t.gives(e, gives...)
	next.setURLs(urls, keys) // by what it is called now
	if next.Moved != nil && !slices.Contains(urls, next.Moved.From) {
		next.Moved = nil
	}
	if next.Fallback != nil && !slices.Contains(urls[1:], next.Fallback.URL) {
		next.Fallback = nil
	}
	if !next.same(row) || !next.Sourced.equal(row.Sourced) {
		t.store(e, next)
		t.recordChange(e, row, next)
	}
	return ok(row.ID)
}

// relabelled are the labels that there are from now on.
func relabelled(labels map[string]string, c *command.RepoChange) map[string]string {
	if len(c.GetLabels()) == 0 && len(c.GetUnlabel()) == 0 {
		return labels
	}
	all := maps.Clone(labels)
	if all == nil {
		all = map[string]string{}
	}
	for _, key := range c.GetUnlabel() {
		delete(all, key)
	}
	maps.Copy(all, c.GetLabels())
	return all
}

// rename gives a row the name and the other names that are asked for. The name that it had
// stays one of them, unless it is said which there shall be.
func (t *tables) rename(next *Repo, c *command.RepoChange) *command.Item {
	was, aliases := next.Name, slices.Clone(next.Aliases)
	if c.Name != nil {
		next.Name = c.GetName()
		if asciifold.Compare(was, next.Name) != 0 {
			aliases = append(slices.DeleteFunc(aliases, func(a string) bool { return asciifold.Compare(a, next.Name) == 0 }), was)
		}
	}
	if c.Aliases != nil {
		aliases = c.GetAliases().GetNames()
	}
	if c.Name == nil && c.Aliases == nil {
		return nil
	}
	if len(aliases) > MaxAliases {
		return refuseItem(next.ID, refusal.Invalid, "%s would have %d other names, more than %d", next.Name, len(aliases), MaxAliases)
	}
	for i, name := range append([]string{next.Name}, aliases...) {
		if err := plainName(name); err != nil {
			return refuseItem(next.ID, refusal.Invalid, "%v", err)
		}
		if taken := t.nameTaken(next.ID, name); taken != nil {
			return taken
		}
		if same := func(other string) bool { return asciifold.Compare(other, name) == 0 }; i > 0 && (same(next.Name) || slices.ContainsFunc(aliases[:i-1], same)) {
			return refuseItem(next.ID, refusal.Invalid, "%s would be called %s twice", next.Name, name)
		}
	}
	next.Aliases = slices.Clip(aliases)
	next.pack()
	return nil
}

// same tells whether nothing has become of a row that a change may change.
func (r *Repo) same(was *Repo) bool {
	return r.Policy == was.Policy && r.Paused == was.Paused && r.Name == was.Name && maps.Equal(r.Labels, was.Labels) &&
		slices.Equal(r.Aliases, was.Aliases) && slices.Equal(r.URLs(), was.URLs())
}

// recordChange stores what people may look for later.
func (t *tables) recordChange(e entry, was, is *Repo) {
	if was.Name != is.Name {
		t.record(e, EventRepoRenamed, is, "was "+was.Name)
	}
	if !slices.Equal(was.URLs(), is.URLs()) {
		t.record(e, EventUpstreamMoved, is, is.URLs()[0])
	}
	switch {
	case is.Paused && !was.Paused:
		t.record(e, EventRepoPaused, is, "")
	case was.Paused && !is.Paused:
		t.record(e, EventRepoResumed, is, "")
	}
}
