// Package lister brings the table to what index repositories list. Of each source the node that owns
// its index works: it reads the index as it was published, compares all of it with what the source
// claims, and has the difference written down, in batches that are refused of anybody else. It is
// level-triggered: a batch that was lost, or a node that was killed between two, costs time and not
// truth.
package lister

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/clock"
	"gitmirror/internal/giturl"
	"gitmirror/internal/oneline"
	"gitmirror/internal/refusal"
	"gitmirror/source"
	"gitmirror/source/index"
)

// Indexes opens the files of repositories that this node has.
type Indexes interface {
	// Index opens the files of a repository's generation, of the commit that a ref leads to; empty:
	// HEAD. done must be called. It blocks for the disk.
	Index(repo string, generation uint64, ref string) (files index.Tree, done func(), err error)
	// File reads the file of that name in the root folder, of the commit that HEAD leads to: id is
	// empty where there is none, and data nil where it has more than most bytes. It blocks for the disk.
	File(repo string, generation uint64, name string, most int64) (id string, data []byte, err error)
	// Sync asks the upstream of a repository that this node owns, and returns when what it has is
	// published. well is false where that is held, or there was no answer.
	Sync(ctx context.Context, repo string) (well bool, err error)
}

// ErrNotYet says that what is here of an index is not what was published, which will be so in a moment.
var ErrNotYet = errors.New("the index is not here yet")

// Proposer proposes commands to the log and returns when they are applied on this node.
type Proposer interface {
	Propose(ctx context.Context, msg proto.Message, requestID string) (*command.Outcome, error)
}

// Config is what a Lister needs.
type Config struct {
	Self     string // node id
	State    *fsm.State
	Proposer Proposer
	Indexes  Indexes
	Forges   Forges
	NewID    func() string    // of a row
	Now      func() time.Time // log time
	// Alone tells whether this node hears of no leader: another may list its sources by now, and nothing that it found
	// would be written down. turns is closed when that changes. Nil: it never is.
	Alone func() (alone bool, turns <-chan struct{})
	// Deny says why an upstream is not asked, nil where it is. It is of the url's scheme, host and port.
	Deny func(url string) error
	Log  *slog.Logger
}

// Lister works for this node.
type Lister struct {
	cfg     Config
	log     *slog.Logger
	readers map[string]*index.Reader // by source
	pauses  map[string]pause
	blocked map[string][]block // by source, as it was listed last
	asked   map[string]*ask    // by source
	answers chan struct{}      // one of asked is done
	below   below
}

// pause is when a source is read again that could not be read, as long as it is asked for as it was.
type pause struct {
	until time.Time
	last  time.Duration
	of    reading
}

// reading is what there was to read, and who wanted it: where one of these is another, it is read at once.
type reading struct {
	index      string
	generation uint64
	ref, path  string
	again      uint64
}

// New returns a Lister.
func New(cfg Config) *Lister {
	return &Lister{cfg: cfg, log: cfg.Log, readers: map[string]*index.Reader{}, pauses: map[string]pause{}, blocked: map[string][]block{}, asked: map[string]*ask{}, answers: make(chan struct{}, 1)}
}

// How soon an index is read again that could not be.
const (
	firstPause = time.Second
	lastPause  = 5 * time.Minute
	listBound  = 10 * time.Minute // of one listing, in which its index is held
)

// Run lists until ctx ends.
func (l *Lister) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if alone, turns := l.alone(); alone {
			select {
			case <-turns:
			case <-ctx.Done():
			}
			continue
		}
		changed := l.cfg.State.Changed()
		next := l.look(ctx)
		next = sooner(next, l.lookBelow(ctx))
		var later <-chan time.Time
		if next > 0 {
			later = time.After(next)
		}
		select {
		case <-changed:
			// What is published comes in crowds, and hardly any of it is an index.
			if clock.Sleep(ctx, clock.System, 50*time.Millisecond) != nil {
				return nil
			}
		case <-later:
		case <-l.answers:
		case <-ctx.Done():
		}
	}
	return nil
}

// look reads every source that wants it and whose index this node owns. It returns how long until the
// next that could not be read; 0 where there is none.
func (l *Lister) look(ctx context.Context) (next time.Duration) {
	view := l.cfg.State.View()
	there := map[string]bool{}
	for _, src := range view.Sources() {
		row := view.Repo(src.Index)
		if l.owns(view, row) {
			next = sooner(next, l.ends(ctx, view, target{src: src, row: row}))
		}
		if !l.owns(view, row) || !src.Wants(row) && (row.Generation == 0 || !l.unblocked(view, src)) {
			if l.owns(view, row) && !src.Paused {
				next = sooner(next, retry(l.blocked[src.ID]))
			}
			continue
		}
		there[src.ID] = true
		p, now := l.pauses[src.ID], reading{row.ID, row.Generation, src.Ref, src.Path, src.Again}
		if p.of != now {
			p = pause{of: now}
		}
		wait := time.Until(p.until)
		if wait > 0 && unasked(src, row) {
			next = sooner(next, wait)
			continue
		}
		if l.asking(ctx, src, row) {
			continue
		}
		if wait > 0 {
			next = sooner(next, wait)
			continue
		}
		var err error
		if unasked(src, row) && !l.asked[src.ID].well {
			delete(l.asked, src.ID)
			err = notUpstreams(row)
		} else {
			err = l.list(ctx, view, src, row)
		}
		if err == nil || ctx.Err() != nil {
			delete(l.pauses, src.ID)
			continue
		}
		if p.last = min(max(2*p.last, firstPause), lastPause); errors.Is(err, ErrNotYet) {
			p.last = firstPause
		}
		p.until = time.Now().Add(p.last)
		l.pauses[src.ID] = p
		next = sooner(next, p.last)
		l.fails(ctx, src, row, err)
	}
	left := func(id string) bool {
		s := view.SourceByID(id)
		return s == nil || !l.owns(view, view.Repo(s.Index))
	}
	maps.DeleteFunc(l.readers, func(id string, _ *index.Reader) bool { return left(id) })
	maps.DeleteFunc(l.asked, func(id string, _ *ask) bool { return left(id) })
	maps.DeleteFunc(l.blocked, func(id string, _ []block) bool { return left(id) })
	maps.DeleteFunc(l.pauses, func(id string, _ pause) bool { return !there[id] })
	return next
}

// sooner is the shorter one, where 0 is never.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

func (l *Lister) owns(view *fsm.View, row *fsm.Repo) bool {
	n := view.NodeByID(l.cfg.Self)
	return n != nil && row != nil && row.Owner == n.Num
}

// passing are errors that say nothing of a source: another owns it by now, or nobody could decide.
var passing = []error{ErrNotYet, refusal.StaleEpoch, refusal.NotFound, refusal.FormatTooOld, context.Canceled, context.DeadlineExceeded}

// fails says in the table why a source is not read: once, while it is the same. What another does by
// now, or what will be so in a moment, is nothing to tell.
func (l *Lister) fails(ctx context.Context, src *fsm.Source, row *fsm.Repo, err error) {
	if slices.ContainsFunc(passing, func(p error) bool { return errors.Is(err, p) }) {
		l.log.Debug("a source is not listed now", "source", src.Name, "err", err)
		return
	}
	why := oneline.Clip(err.Error(), 300)
	if src.Error == why {
		return
	}
	l.log.Warn("a source cannot be listed", "source", src.Name, "err", err)
	if err := l.propose(ctx, target{src, row, nil, nil}, &command.Listing{Done: &command.Listed{Error: why}}); err != nil {
		l.log.Debug("that it cannot is not written down", "source", src.Name, "err", err)
	}
}

// list reads an index and has the difference written down.
func (l *Lister) list(ctx context.Context, view *fsm.View, src *fsm.Source, row *fsm.Repo) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, listBound)
	defer cancel()
	t := target{src, row, nil, newCourse()}
	defer l.telling(ctx, t)()
	files, done, err := l.cfg.Indexes.Index(row.ID, row.Generation, src.Ref)
	if err != nil {
		return err
	}
	defer done()
	reader := l.readers[src.ID]
	if reader == nil {
		reader = new(index.Reader)
		l.readers[src.ID] = reader
	}
	listing, err := reader.Read(files, src.Path)
	if err != nil {
		return err
	}
	l.deny(listing)
	changes := compare(view, src, listing)
	joiningFirst(view, listing, changes.Changed)
	state := &command.Listed{Generation: row.Generation, Ref: src.Ref, Path: src.Path, Again: src.Again, Entries: uint32(len(listing.Entries)), Kept: uint32(changes.Kept)}
	if err := l.bring(ctx, view, t, listing, changes, state); err != nil {
		return err
	}
	now := l.cfg.State.View()
	reader.Fresh(func(e *source.Entry) { share(now.ClaimOf(src.Num, e.Path), e) })
	l.log.Info("a source is listed", "source", src.Name, "generation", row.Generation, "entries", state.Entries, "added", state.Added, "changed", state.Changed, "gone", state.Gone,
		"flaws", state.FlawsTotal, "held", state.GetHold().GetLost(), "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// share has an entry that is kept have the texts of its claim, where these are equal: the table has them anyway.
func share(c *fsm.Claim, e *source.Entry) {
	if c == nil || !slices.Equal(c.URLs, e.URLs) || !slices.Equal(c.Keys, e.Keys) {
		return
	}
	e.Path, e.URLs, e.Keys = c.Path, c.URLs, c.Keys
	if name, is := strings.CutSuffix(c.Name, e.Name); is {
		e.Name = c.Name[len(name):]
	}
}

// bring has the difference between a listing and what is claimed written down, and how it went.
func (l *Lister) bring(ctx context.Context, view *fsm.View, t target, listing *source.Listing, changes source.Changes, state *command.Listed) error {
	gone := changes.Gone
	left, to, approved := l.guard(view, t.src, listing, &changes, state)
	if t.src.IsForge() {
		var free, held []string // what makes room; what may not
		if state.Hold != nil {
			held = gone
		}
		if free, changes.Gone = makingRoom(view, t.src, listing, changes); len(free) > 0 {
			if err := l.take(ctx, t, free, approved, state); errors.Is(err, refusal.SourceHeld) {
				changes.Gone = append(changes.Gone, free...)
				slices.Sort(changes.Gone)
				free, held = nil, changes.Gone
			} else if err != nil {
				return err
			}
		}
		changes = stay(view, t.src, listing, changes, free, held)
		changes.Changed = inOrder(view, t.src, listing, changes.Changed)
		state.Kept = uint32(changes.Kept)
	}
	refused, blocked, err := l.put(ctx, t, listing, changes, state, func(e *source.Entry) *command.Entry { return l.entry(t.src, e) })
	if err != nil {
		return err
	}
	now := l.cfg.State.View()
	for _, i := range left { // but for those that were refused, or whose row went along
		if row := now.Repo(view.ClaimOf(t.src.Num, listing.Entries[i].Path).Repo); row == nil || !row.Sourced.RetiredAt().IsZero() {
			state.Left++
		}
	}
	if kept := kept(now, t.src, listing, changes, refused); len(kept) > 0 {
		changes.Gone = slices.DeleteFunc(slices.Clone(changes.Gone), func(path string) bool { return kept[path] })
		state.Kept += uint32(len(kept))
	}
	err = l.take(ctx, t, changes.Gone, approved, state)
	if errors.Is(err, refusal.SourceHeld) { // more is lost than could be told before
		gone := lost(l.cfg.State.View(), t.src, changes.Gone)
		hold := holdOf(gone, gone, to)
		if t.src.Approved == string(hold.GetDigest()) {
			approved = hold.GetDigest()
			err = l.take(ctx, t, changes.Gone, approved, state)
		} else {
			state.Hold, err = hold, nil
		}
	}
	if err != nil {
		return err
	}
	if t.src.IsForge() && state.Hold != nil {
		state.Hold.First = filesOf(view, t.src, state.Hold.First)
	}
	listing.Flaws = append(listing.Flaws, flawsOf(l.cfg.State.View(), t.src, refused)...)
	listing.SortFlaws()
	tell(state, listing.Flaws)
	if err := l.propose(ctx, t, &command.Listing{Done: state, Approved: approved}); err != nil {
		return err
	}
	if !t.src.IsForge() { // which is listed again each hour anyway
		l.blocked[t.src.ID] = blocked[:min(len(blocked), mostBlocks)]
	}
	return nil
}

// deny turns entries whose addresses must not be asked into flaws.
func (l *Lister) deny(listing *source.Listing) {
	if l.cfg.Deny == nil {
		return
	}
	said := map[string]error{} // by what comes before the path: of many thousands, few differ in that
	deny := func(url string) error {
		site := giturl.Site(url)
		err, found := said[site]
		if !found {
			err = l.cfg.Deny(url)
			said[site] = err
		}
		return err
	}
	kept := listing.Entries[:0]
	for _, e := range listing.Entries {
		var err error
		for _, url := range e.URLs {
			err = errors.Join(err, deny(url))
		}
		if err == nil {
			kept = append(kept, e)
			continue
		}
		listing.Flaws = append(listing.Flaws, source.Flaw{File: e.File, Line: e.Line, Why: oneline.Clip(err.Error(), 300)})
		listing.Aside = append(listing.Aside, e)
		listing.Unknown, listing.UnknownPaths = append(listing.Unknown, e.File), append(listing.UnknownPaths, e.Path)
	}
	if len(kept) < len(listing.Entries) {
		listing.Entries = kept
		listing.Sort()
	}
}

// compare says what has to be done so that a source's claims are what it lists.
func compare(view *fsm.View, src *fsm.Source, listing *source.Listing) source.Changes {
	return source.Compare(listing, claimsOf(view, src), rows{view, src})
}

// rows are what is mirrored for a source.
type rows struct {
	view *fsm.View
	src  *fsm.Source
}

func (r rows) Serves(path string) string {
	if row := r.view.Repo(r.view.ClaimOf(r.src.Num, path).Repo); row != nil && row.Origin() != row.UpstreamKey() {
		return row.Origin()
	}
	return ""
}

func (r rows) Other(key, path string) bool {
	row := r.view.RepoByURLKey(key)
	return row != nil && row.UpstreamKey() == key && row.ID != r.view.ClaimOf(r.src.Num, path).Repo
}

// claimsOf are what a source claims, but its index.
func claimsOf(view *fsm.View, src *fsm.Source) func(func(source.Claim) bool) {
	forge := src.IsForge()
	return func(yield func(source.Claim) bool) {
		view.Claims(src.Num, "\x00", func(c *fsm.Claim) bool {
			return yield(source.Claim{Path: c.Path, File: c.File, Keys: c.Keys, Hash: c.Hash, Elsewhere: forge && view.Elsewhere(src, c.Path), Follows: forge && view.FollowsElsewhere(src, c.Path)})
		})
	}
}

// tell says some of the flaws of each file.
func tell(state *command.Listed, flaws []source.Flaw) {
	state.FlawsTotal = uint32(len(flaws))
	for _, f := range source.Some(flaws, mostShown) {
		state.Flaws = append(state.Flaws, &command.Flaw{File: oneline.Clip(f.File, 300), Line: uint32(f.Line), Why: oneline.Clip(f.Why, 300), Try: oneline.Clip(f.Try, 300)})
	}
}
