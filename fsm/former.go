package fsm

import (
	"cmp"
	"slices"
	"strings"

	"gitmirror/internal/asciifold"
)

// What a forge renames keeps the names that it had, as long as nobody else wants them.

// maxFormer is how many of them a claim remembers.
const maxFormer = 8

// formerOf are the names that a claim had before, the latest first.
func formerOf(was, is *Claim) (names []string) {
	has := []string{is.Name, is.Alias}
	for _, name := range append([]string{was.Name, was.Alias}, was.Former...) {
		is := func(n string) bool { return asciifold.Compare(n, name) == 0 }
		if name != "" && !slices.ContainsFunc(has, is) && !slices.ContainsFunc(names, is) {
			names = append(names, name)
		}
	}
	return names[:min(len(names), maxFormer)]
}

// formerly tells whether a row is found by a name only because it was called so before.
func (t *tables) formerly(row *Repo, name string) bool {
	if row.Sourced == nil || row.retired() {
		return false
	}
	return !slices.ContainsFunc(row.Sourced.names(t.claims.on(row.ID), row.upstreamKeys()[0]), func(n string) bool { return asciifold.Compare(n, name) == 0 }) &&
		slices.ContainsFunc(t.claims.on(row.ID), func(c *Claim) bool { return c.wasCalled(name) })
}

func (c *Claim) wasCalled(name string) bool {
	return slices.ContainsFunc(c.Former, func(n string) bool { return asciifold.Compare(n, name) == 0 })
}

// forget has a row be found no more by what it was called before: another wants that.
func (t *tables) forget(e entry, row *Repo, name string) {
	for _, claim := range t.claims.on(row.ID) {
		if claim.wasCalled(name) {
			next := claim.edit()
			next.Former = slices.DeleteFunc(slices.Clone(claim.Former), func(n string) bool { return asciifold.Compare(n, name) == 0 })
			t.claims.put(next)
		}
	}
	next := row.edit()
	next.Aliases = slices.DeleteFunc(slices.Clone(row.Aliases), func(n string) bool { return asciifold.Compare(n, name) == 0 })
	next.pack()
	t.store(e, next)
	t.recordChange(e, row, next)
}

// renamed is the row of what a forge has renamed, where another row has its new address that nobody wants
// any more: what a forge knows by its number keeps its mirror. It is nil for all else.
func (t *tables) renamed(src *Source, was *Claim, has *Repo) *Repo {
	if !src.IsForge() || was == nil || has == nil || !has.retired() {
		return nil
	}
	return t.ownOf(was)
}

// yielded is what the address of a row ends with that has given up its own.
func (r *Repo) yielded() string { return ".retired-" + r.ID }

// hasYielded tells whether a row has no address but what its own was.
func (r *Repo) hasYielded() bool {
	return strings.HasSuffix(r.upstreamKeys()[0], strings.ToLower(r.yielded()))
}

// mayGive tells whether a row has its addresses for nobody: it is retired, or will be as soon as a claim is of another. What only says
// what it was is nobody else's.
func (t *tables) mayGive(row *Repo, was *Claim) bool {
	leaves := was != nil && was.Repo == row.ID && t.alone(row, was) && len(t.claims.on(row.ID)) == 1
	return t.format >= formatCourse && (row.retired() || leaves) && !row.hasYielded()
}

// gives has rows give up addresses that somebody wants: a further one is no more, and what was the first of a row only
// says what it was.
func (t *tables) gives(e entry, keys ...string) {
	for _, key := range keys {
		switch row := t.repoByURLKey(key); {
		case row == nil: // it has given up all of them with its first
		case row.upstreamKeys()[0] == key:
			t.yields(e, row)
		default:
			t.givesFurther(e, row, key)
		}
	}
}

func (t *tables) givesFurther(e entry, row *Repo, key string) {
	keys := row.upstreamKeys()
	next := row.edit()
	at := slices.Index(keys, key)
	next.setURLs(slices.Delete(slices.Clone(row.URLs()), at, at+1), slices.Delete(slices.Clone(keys), at, at+1))
	t.movesTo(e, row, next)
	t.store(e, next)
	t.recordChange(e, row, next)
}

// yields has a row that nobody wants any more give up its address: another is there now. Its own only says
// what it was, and is never asked.
func (t *tables) yields(e entry, row *Repo) {
	mark := row.yielded()
	next, key := row.edit(), mark
	if t.format >= formatCourse {
		key = strings.ToLower(mark) // as of any address: who adds it finds the row
	}
	next.setURLs([]string{strings.TrimSuffix(row.URLs()[0], ".git") + mark}, []string{row.upstreamKeys()[0] + key})
	next.forgetsUpstream()
	next.Moved, next.Fallback = nil, nil
	if was := row.serves(); was != row.upstreamKeys()[0] && row.Generation > 0 && t.format >= formatCourse {
		next.came = cmp.Or(row.came, was)
	}
	next.cameAt = 0 // what it serves is what it was
	t.store(e, next)
	t.recordChange(e, row, next)
}
