package lister

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/oneline"
	"gitmirror/internal/refusal"
	"gitmirror/source"
	"gitmirror/source/submodules"
)

// below is what is known of submodules. Who owns a row reads them: what is published of it is on this
// node.
type below struct {
	seen    map[place]sight
	blocked map[place][]block
	next    time.Time // before that nothing is looked at
	tries   map[place]try
}

// try is when submodules are looked for again that could not be read, or not be taken away. A claim that a person
// has approved is another.
type try struct {
	at    time.Time
	claim *fsm.Claim
}

// place is a claim.
type place struct {
	src  fsm.SourceNum
	path string
}

// sight is what was read of a claim's submodules.
type sight struct {
	claim      *fsm.Claim
	repo       string
	generation uint64
}

// How often submodules are looked for: claims with submodules are as many as sources may list.
const (
	belowShare = 20          // one of so many moments
	belowPause = time.Minute // of what could not be read, or not taken away
)

// lookBelow reads the submodules of rows that this node owns and that have changed. It returns how long
// until it wants to look again; 0 where nothing is to be done until the table changes.
func (l *Lister) lookBelow(ctx context.Context) (next time.Duration) {
	view, b := l.cfg.State.View(), &l.below
	if !view.KnowsSubmodules() {
		return 0
	}
	began := time.Now()
	if wait := b.next.Sub(began); wait > 0 {
		return wait
	}
	seen, tries, blocked := map[place]sight{}, map[place]try{}, map[place][]block{}
	for _, src := range view.Sources() {
		if src.Paused || src.Removing {
			continue
		}
		view.Above(src.Num, func(c *fsm.Claim) bool {
			row := view.Repo(c.Repo)
			// What is there of another address names nothing of what this one has.
			if c.Path == "" || !l.owns(view, row) || row.Generation == 0 || row.Estranged() != "" {
				return true
			}
			at, is := place{src.Num, c.Path}, sight{c, row.ID, row.Generation}
			if b.seen[at] == is && !freed(b.blocked[at], view) {
				seen[at] = is
				if list := b.blocked[at]; len(list) > 0 {
					blocked[at] = list
					next = sooner(next, retry(list))
				}
				return true
			}
			if wait := b.tries[at].at.Sub(began); wait > 0 && b.tries[at].claim == c {
				next, tries[at] = sooner(next, wait), b.tries[at]
				return true
			}
			switch list, err := l.listBelow(ctx, view, src, c, row); {
			case err == nil:
				if seen[at] = is; len(list) > 0 {
					blocked[at] = list
				}
			case ctx.Err() != nil:
			case errors.Is(err, ErrNotYet):
				tries[at] = try{began.Add(firstPause), c}
				next = sooner(next, firstPause)
			default:
				l.log.Debug("submodules are not listed now", "source", src.Name, "of", c.Path, "err", err)
				tries[at] = try{began.Add(belowPause), l.cfg.State.View().ClaimOf(src.Num, c.Path)} // as it says so by now
				next = sooner(next, belowPause)
			}
			return ctx.Err() == nil
		})
	}
	b.seen, b.tries, b.blocked = seen, tries, blocked
	b.next = time.Now().Add(belowShare * time.Since(began))
	return next
}

// listBelow reads what a row has in .gitmodules, and has the difference to what is claimed written
// down. It returns what blocks those that were refused.
func (l *Lister) listBelow(ctx context.Context, view *fsm.View, src *fsm.Source, claim *fsm.Claim, row *fsm.Repo) ([]block, error) {
	ctx, cancel := context.WithTimeout(ctx, listBound)
	defer cancel()
	base := row.URLs()[0]
	id, data, err := l.cfg.Indexes.File(row.ID, row.Generation, submodules.File, submodules.MaxFile)
	if err != nil && errors.Is(err, ErrNotYet) {
		return nil, err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%x", id, base, claim.Hash))
	read := string(sum[:16])
	listing := &source.Listing{}
	switch {
	case err != nil:
		read = "" // once more in a while
		listing.Flaws, listing.Unknown = []source.Flaw{{File: submodules.File, Why: err.Error()}}, []string{"/"}
	case claim.SubmodulesRead == read && claim.SubmodulesFlaw == "":
		return nil, nil
	case id != "" && data == nil:
		listing.Flaws, listing.Unknown = []source.Flaw{{File: submodules.File, Why: fmt.Sprintf("it has more than %d bytes", submodules.MaxFile)}}, []string{"/"}
	default:
		listing = submodules.Read(data, base)
		l.dropAbove(listing, view, claim)
		if n := len(listing.Entries); n > 0 && source.Depth(claim.Path) >= source.MaxUnder {
			listing.Entries, listing.Flaws = nil, []source.Flaw{{File: submodules.File, Why: fmt.Sprintf("it has %d, which are deeper than %d", n, source.MaxUnder)}}
		}
		l.deny(listing)
	}
	for i := range listing.Entries {
		listing.Entries[i].Asks = asksOf(claim)
	}
	changes := source.Compare(listing, claimsUnder(view, src, claim.Path), nil)
	if err == nil && id == "" && changes.Empty() && claim.SubmodulesRead == "" && claim.SubmodulesFlaw == "" {
		return nil, nil // there are none, and there have been none
	}
	t, state := target{src, row, &claim.Path, nil}, &command.Listed{}
	refused, blocked, perr := l.put(ctx, t, listing, changes, state, func(e *source.Entry) *command.Entry { return l.entryUnder(claim, e) })
	if perr != nil {
		return nil, perr
	}
	flaws := append(listing.Flaws, flawsOf(view, src, refused)...)
	whole := func(paths []string) []string {
		all := make([]string, len(paths))
		for i, path := range paths {
			all[i] = source.Under(claim.Path, path)
		}
		return all
	}
	gone := whole(changes.Gone)
	var approved []byte
	hold := holdOf(gone, whole(changes.Lost), nil)
	if claim.Approved != "" && claim.Approved == string(hold.GetDigest()) {
		approved = hold.GetDigest()
	}
	var terr error = refusal.SourceHeld
	if approved != nil || !exceeds(view, src, len(changes.Lost)) {
		if terr = l.take(ctx, t, gone, approved, state); errors.Is(terr, refusal.SourceHeld) {
			hold = holdOf(gone, lost(l.cfg.State.View(), src, gone), nil)
		}
	}
	if !errors.Is(terr, refusal.SourceHeld) {
		hold = nil
	} else {
		read, flaws = "", append(flaws, source.Flaw{File: submodules.File, Why: fmt.Sprintf("%d would go (%s), and %s may not lose so many within 24 hours: they stay until it may, or somebody approves it", hold.GetLost(), first(hold.GetFirst()), src.Name)})
	}
	if terr != nil && hold == nil {
		return nil, terr
	}
	if hold != nil {
		hold.First = hold.First[:min(len(hold.First), mostShownBelow)]
	}
	if !view.KnowsCourse() {
		hold = nil // a person cannot be asked yet
	}
	if flaw := inShort(flaws); claim.SubmodulesRead != read || claim.SubmodulesFlaw != flaw || string(claim.Held.GetDigest()) != string(hold.GetDigest()) {
		if err := l.propose(ctx, t, &command.Listing{Submodules: &command.Submodules{Of: claim.Path, Done: true, Read: []byte(read), Flaw: flaw, Hold: hold}}); err != nil {
			return nil, err
		}
	}
	if read == "" {
		return nil, errors.New("they are to be read again: " + inShort(flaws))
	}
	if state.Added+state.Changed+state.Gone > 0 {
		l.log.Info("submodules are listed", "source", src.Name, "of", claim.Path, "added", state.Added, "changed", state.Changed, "gone", state.Gone, "flaws", len(flaws))
	}
	return blocked[:min(len(blocked), mostBlocks)], nil
}

// dropAbove leaves out what names itself, or what it hangs on: there is no end to these.
func (l *Lister) dropAbove(listing *source.Listing, view *fsm.View, claim *fsm.Claim) {
	above := map[string]bool{claim.Keys[0]: true}
	for path, is := source.Above(claim.Path); is; path, is = source.Above(path) {
		if c := view.ClaimOf(claim.Source, path); c != nil {
			above[c.Keys[0]] = true
		}
	}
	kept := listing.Entries[:0]
	for _, e := range listing.Entries {
		if !above[e.Keys[0]] {
			kept = append(kept, e)
		}
	}
	listing.Entries = kept
}

// asksOf is how submodules are mirrored: as what names them.
func asksOf(claim *fsm.Claim) source.Asks {
	asks := source.Asks{Replicas: claim.Asks.Replicas, RefPrefixes: claim.Asks.RefPrefixes, Labels: claim.Labels, Submodules: true}
	if claim.Learned || claim.Asks.Interval != 0 {
		asks.Interval = &claim.Asks.Interval
	}
	return asks
}

// claimsUnder are the submodules of a claim, by their own paths.
func claimsUnder(view *fsm.View, src *fsm.Source, above string) func(func(source.Claim) bool) {
	prefix := source.Under(above, "")
	return func(yield func(source.Claim) bool) {
		view.Claims(src.Num, prefix, func(c *fsm.Claim) bool {
			path, is := strings.CutPrefix(c.Path, prefix)
			return is && yield(source.Claim{Path: path, File: c.File, Keys: c.Keys, Hash: c.Hash})
		})
	}
}

// entryUnder is a submodule in the words of the log. It has no name but its upstream's.
func (l *Lister) entryUnder(claim *fsm.Claim, e *source.Entry) *command.Entry {
	out := l.entry(&fsm.Source{}, e)
	out.Repo.Name, out.Alias = e.Path, e.Path // the table takes neither for a name of the source's
	out.Path = source.Under(claim.Path, e.Path)
	return out
}

// mostShownBelow is how many submodules are named that are held, of each that names them.
const mostShownBelow = 20

// first are the first of some names.
func first(names []string) string {
	const shown = 10
	if len(names) > shown {
		return strings.Join(names[:shown], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// inShort is the first of the flaws, in one line.
func inShort(flaws []source.Flaw) string {
	const shown = 20
	var list []string
	for _, f := range flaws[:min(len(flaws), shown)] {
		list = append(list, f.Why)
	}
	if more := len(flaws) - len(list); more > 0 {
		list = append(list, fmt.Sprintf("and %d more", more))
	}
	return oneline.Clip(strings.Join(list, "; "), 1000)
}
