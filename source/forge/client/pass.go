package client

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gitmirror/source/forge"
)

// whole lists an account until it adds up: what changes between two pages may be on none of them. Where the same
// repositories are shown twice it is not listed again: told is how many the forge tells of, if these are fewer.
func (l *lister) whole(ctx context.Context, of sort) (repos []forge.Repo, told int, err error) {
	var before []int64
	for range passes {
		p, err := l.pass(ctx, of)
		if err != nil {
			return nil, 0, err
		}
		ids := slices.Sorted(maps.Keys(p.found))
		if p.sure || before != nil && slices.Equal(before, ids) {
			if p.cut {
				p.total = max(p.total, len(ids)+1)
			}
			if !p.sure && len(ids) < p.total {
				told = p.total
			}
			return slices.SortedFunc(maps.Values(p.found), func(a, b forge.Repo) int { return cmp.Compare(a.ID, b.ID) }), told, nil
		}
		before = append([]int64{}, ids...)
		l.door.memory = nil // what is the same may tell of a next page, and of a total, that are no more
	}
	e := failed(Changing, "%s changed at %s each time it was listed", l.cfg.Account.Name, l.door.host())
	return nil, 0, e
}

// pass is what asking for all pages once came to.
type pass struct {
	found map[int64]forge.Repo
	total int  // that the forge told last; 0 where it does not
	sure  bool // they are as many as it tells, where it does, and nothing can have been between two pages, or is cut off
	cut   bool // a page that the forge told of has nothing
}

func (l *lister) pass(ctx context.Context, of sort) (*pass, error) {
	found := map[int64]forge.Repo{}
	l.kept = 0
	total, latest := 0, 0 // as the first page tells, so that what goes meanwhile is missed; as the last one does
	asked, stale := 0, 0  // pages; those that may still bring nothing new
	was := 0              // total, as pages that are the same told it
	waits, torn, cut := false, false, false
	var last []numbered // page
	var before []int    // pages
	for n := 1; n != 0; {
		r, err := l.read(ctx, of, n, before, found)
		if err != nil {
			return nil, err
		}
		if r.waited {
			waits, torn, stale = true, torn || r.torn, stale+pagesMeanwhile
		}
		p, had := r.page, len(found)
		for _, p := range append(r.earlier, numbered{n, p}) {
			if err := l.add(p, found); err != nil {
				return nil, err
			}
		}
		more := len(p.repos) == 0 || len(found) > had
		if !more && p.next != 0 {
			if stale--; stale < 0 {
				return nil, failed(Failed, "%s: page %d of %s brings nothing new, and does not say that it is the last", l.door.host(), n, l.cfg.Account.Name)
			}
		}
		if r.waited {
			last = r.earlier
		}
		cut = cut || empty(append([]numbered{{n, p}}, last...))
		last = []numbered{{n, p}}
		was = max(was, p.was)
		total, latest = cmp.Or(total, p.total), cmp.Or(p.total, latest)
		switch asked++; {
		case len(found) > maxRepos:
			return nil, failed(TooMany, "%s has more than %d repositories", l.cfg.Account.Name, maxRepos)
		case asked > maxPages:
			return nil, failed(TooMany, "%s has %s on more than %d pages", l.door.host(), l.cfg.Account.Name, maxPages)
		}
		before = append(before, n)
		switch {
		case len(p.repos) == 0:
			n = 0
		case p.next == 0 && p.untold && len(found) < latest && more: // else it shows the same whatever it is asked for
			n++
		default:
			n = p.next
		}
	}
	if total == 0 {
		total, latest = was, was
	}
	// In hours something changes: what has gone meanwhile may still be among what was found.
	return &pass{found: found, total: latest, cut: cut, sure: !torn && !cut && (total == 0 || len(found) == total || waits && len(found) >= latest)}, nil
}

// empty tells whether, of pages in a row, the last one first, one has nothing although it tells of a next one, or the one
// before it tells of it: a listing that ends there is cut short.
func empty(pages []numbered) bool {
	for i, p := range pages {
		if len(p.repos) == 0 && (p.announces() || i+1 < len(pages) && pages[i+1].announces()) {
			return true
		}
	}
	return false
}

// pagesMeanwhile is how many pages may bring nothing new because others have come before them while a limit
// was waited for.
const pagesMeanwhile = 10

// looksBack is how often it is looked back from one page. A forge that limits every other request has none that
// succeeds.
const looksBack = 3

// numbered is a page that has a number.
type numbered struct {
	n int
	page
}

// reading is a page, and what was behind it when it was read.
type reading struct {
	page
	earlier []numbered // that were read again
	waited  bool       // a limit, meanwhile
	torn    bool       // there was a wait between it and each look at what is before it
}

// read asks for a page. If a limit was waited for, what went meanwhile has moved the rest forward: the pages before
// it are looked at as well, and all of that again if there was a wait between them.
func (l *lister) read(ctx context.Context, of sort, n int, before []int, found map[int64]forge.Repo) (r reading, err error) {
	r.page, r.waited, err = l.page(ctx, of, n)
	if err != nil || !r.waited {
		return r, err
	}
	for look := 1; ; look++ {
		if r.earlier, r.torn, err = l.lookBack(ctx, of, before, found); err != nil || !r.torn || look == looksBack {
			return r, err
		}
		if r.page, _, err = l.page(ctx, of, n); err != nil {
			return r, err
		}
	}
}

// lookBack reads pages before by now, the last one first, until one has something of what was found. waited says that a limit was
// waited for, so that they are not of one time.
func (l *lister) lookBack(ctx context.Context, of sort, before []int, found map[int64]forge.Repo) (read []numbered, waited bool, err error) {
	for _, n := range slices.Backward(before) {
		p, w, err := l.page(ctx, of, n)
		if err != nil {
			return nil, false, err
		}
		waited, read = waited || w, append(read, numbered{n, p})
		if slices.ContainsFunc(p.repos, func(r forge.Repo) bool { _, is := found[r.ID]; return is }) {
			break
		}
	}
	return read, waited, nil
}

// add adds what is on a page.
func (l *lister) add(p numbered, found map[int64]forge.Repo) error {
	clones := map[int64]string{}
	for _, r := range p.repos {
		if was, twice := clones[r.ID]; twice && was != r.Clone {
			return failed(Failed, "%s: page %d of %s has two repositories with the id %d: is it a %s?", l.door.host(), p.n, l.cfg.Account.Name, r.ID, l.cfg.Account.Kind)
		}
		clones[r.ID] = r.Clone
		if r.ID == 0 || r.Name == "" || r.Owner == "" {
			return l.nameless(p.n, &r)
		}
		r.Size = max(r.Size, 0) // some tell of -1
		found[r.ID] = r
	}
	l.found = len(found)
	l.tell(time.Time{})
	return nil
}

// nameless says of a repository that is told of in part what is known of it.
func (l *lister) nameless(n int, r *forge.Repo) error {
	var lacks, has []string
	for _, part := range []struct{ a, is string }{{"an id", fmt.Sprint(r.ID)}, {"an owner", r.Owner}, {"a name", r.Name}} {
		_, what, _ := strings.Cut(part.a, " ")
		if part.is == "" || part.is == "0" && what == "id" {
			lacks = append(lacks, part.a)
			continue
		}
		has = append(has, what+" "+l.door.clean(part.is))
	}
	known := ""
	if len(has) > 0 {
		known = " (" + strings.Join(has, ", ") + ")"
	}
	return failed(Failed, "%s: page %d of %s has a repository without %s%s: is it a %s?", l.door.host(), n, l.cfg.Account.Name, strings.Join(lacks, " and "), known, l.cfg.Account.Kind)
}

// made is a time as package forge has it; the zero time is none.
func made(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.Unix()
}
