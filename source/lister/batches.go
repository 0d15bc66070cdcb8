package lister

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/giturl"
	"gitmirror/internal/policy"
	"gitmirror/internal/refusal"
	"gitmirror/source"
)

// batchBytes bounds what a batch carries, within an entry of the log.
const batchBytes = fsm.MaxEntry * 3 / 4

// target is what a listing is of: all of a source, or the submodules of what it claims under a path.
type target struct {
	src *fsm.Source
	row *fsm.Repo // what is read; nil of a forge
	of  *string
	// course is how far the listing has come; nil where nobody is told.
	course *course
}

// epoch is that of who may list it.
func (t target) epoch() uint64 {
	if t.row == nil {
		return t.src.Epoch
	}
	return t.row.Epoch
}

// put has entries taken up that are new or have changed. It returns those that were refused: they
// are flaws of the listing, and hold up nothing else; and what blocks those that may do well later. What others of the
// listing stood in the way of is tried again after these. What to try is
// said by flawsOf, when what is gone has been taken away.
func (l *Lister) put(ctx context.Context, t target, listing *source.Listing, changes source.Changes, state *command.Listed, entry func(*source.Entry) *command.Entry) (flaws []refused, blocked []block, err error) {
	p := &putting{lister: l, target: t, listing: listing, from: changes.From, entry: entry}
	type part struct {
		of    []int
		count *uint32
	}
	parts := []part{{changes.Added, &state.Added}, {changes.Changed, &state.Changed}}
	if t.src.IsForge() { // what is renamed gives away its name and its address, which a new one may have
		slices.Reverse(parts)
	}
	if t.src.IsForge() || t.of != nil { // of which a number, and its upstream, tell what is the same
		p.from = nil
	}
	for _, part := range parts {
		if err := p.all(ctx, part.of, part.count); err != nil {
			return nil, nil, err
		}
	}
	for before := 0; len(p.conflicts) > 0; {
		if p.accepted == before { // none of them can be the first
			if begun, err := p.exchange(ctx); err != nil {
				return nil, nil, err
			} else if !begun {
				break
			}
		}
		again := p.conflicts
		before, p.conflicts = p.accepted, nil
		for _, part := range parts {
			of := slices.DeleteFunc(slices.Clone(part.of), func(i int) bool { _, is := again[i]; return !is })
			if err := p.all(ctx, of, part.count); err != nil {
				return nil, nil, err
			}
		}
	}
	for _, i := range slices.Sorted(maps.Keys(p.conflicts)) {
		c := p.conflicts[i]
		if p.flaws = append(p.flaws, c.refused); len(blocked) < mostBlocks && !slices.ContainsFunc(blocked, c.block.same) {
			blocked = append(blocked, c.block)
		}
	}
	return p.flaws, blocked, nil
}

// putting is how far the entries of a listing have been taken up.
type putting struct {
	lister  *Lister
	target  target
	listing *source.Listing
	from    map[int]string // see source.Changes
	entry   func(*source.Entry) *command.Entry

	batch    []*command.Entry
	of       []int // entries of the listing, that batch has
	bytes    int   // of batch
	accepted int

	flaws     []refused
	conflicts map[int]conflict // by entry
}

// conflict is an entry that was refused for what another row has.
type conflict struct {
	refused
	block block
}

// exchange has those that are refused for a further address give up those that they are to have no more: others may wait for
// them, of this source or of another. It returns false where none has any.
func (p *putting) exchange(ctx context.Context) (begun bool, err error) {
	view := p.lister.cfg.State.View()
	had := map[string][]string{} // by path: keys
	var of []int
	for _, i := range slices.Sorted(maps.Keys(p.conflicts)) {
		said := &p.listing.Entries[i]
		claim := view.ClaimOf(p.target.src.Num, said.Path)
		if claim == nil || claim.Keys[0] != said.Keys[0] {
			continue
		}
		if slices.ContainsFunc(claim.Keys, func(key string) bool { return !slices.Contains(said.Keys, key) }) {
			had[said.Path], of = claim.Keys, append(of, i)
		}
	}
	before, whole := p.accepted, p.entry
	p.entry = func(said *source.Entry) *command.Entry {
		less := *said
		less.URLs, less.Keys = nil, nil
		for at, key := range said.Keys {
			if slices.Contains(had[said.Path], key) {
				less.URLs, less.Keys = append(less.URLs, said.URLs[at]), append(less.Keys, key)
			}
		}
		return whole(&less)
	}
	err = p.all(ctx, of, new(uint32))
	p.entry = whole
	return p.accepted > before, err
}

// all has some entries taken up, and counts them.
func (p *putting) all(ctx context.Context, of []int, count *uint32) error {
	for _, i := range of {
		said := &p.listing.Entries[i]
		e := p.entry(said)
		e.From = p.from[i]
		size := proto.Size(e) + 10
		if size > batchBytes { // the log takes it in no entry: it stays as it was
			p.flaws = append(p.flaws, refused{said, source.Flaw{File: said.File, Line: said.Line, Why: fmt.Sprintf("it has %d bytes, more than %d", size, batchBytes), Try: "give it fewer addresses and labels"}, nil})
			continue
		}
		if len(p.batch) == fsm.MaxItems || p.bytes+size > batchBytes {
			if err := p.flush(ctx, count); err != nil {
				return err
			}
		}
		p.batch, p.of, p.bytes = append(p.batch, e), append(p.of, i), p.bytes+size
	}
	return p.flush(ctx, count)
}

// flush has the batch written down.
func (p *putting) flush(ctx context.Context, count *uint32) error {
	if len(p.batch) == 0 {
		return nil
	}
	items, err := p.lister.batch(ctx, p.target, &command.Listing{Put: p.batch})
	if err != nil {
		return err
	}
	for i, item := range items {
		if item.GetCode() == "" {
			*count++
			p.accepted++
			p.target.course.changed(1)
			continue
		}
		why := refusal.New(refusal.Code(item.GetCode()), "%s", item.GetMessage())
		why.Existing = item.GetExisting()
		said := &p.listing.Entries[p.of[i]]
		r := refused{said, source.Flaw{File: said.File, Line: said.Line, Why: cmp.Or(said.Name, said.Path) + ": " + why.Error()}, why}
		view, is := p.lister.cfg.State.View(), true
		b := blockOf(view, p.batch[i].GetRepo())
		if why.Code != refusal.ConflictName && why.Code != refusal.ConflictURL {
			b, is = blockOfRoom(view, p.target.src, p.batch[i])
		}
		if !is {
			p.flaws = append(p.flaws, r)
			continue
		}
		if p.conflicts == nil {
			p.conflicts = map[int]conflict{}
		}
		p.conflicts[p.of[i]] = conflict{r, b}
	}
	p.batch, p.of, p.bytes = nil, nil, 0
	return nil
}

// entry is an entry in the words of the log.
func (l *Lister) entry(src *fsm.Source, e *source.Entry) *command.Entry {
	hash := e.Hash()
	p := policy.Policy{Replicas: e.Asks.Replicas, RefPrefixes: e.Asks.RefPrefixes}
	if e.Asks.Interval != nil {
		p.Interval = *e.Asks.Interval
	}
	out := &command.Entry{
		Path: e.Path, File: e.File, Hash: hash[:], Extra: e.Extra, Learned: e.Asks.Interval != nil && *e.Asks.Interval == 0, Submodules: e.Asks.Submodules,
		Repo: &command.NewRepo{Id: l.cfg.NewID(), Name: Name(src.Namespace, cmp.Or(e.Name, e.Path)), Urls: e.URLs, UrlKeys: e.Keys, Policy: fsm.PolicyCommand(p), Labels: e.Asks.Labels},
	}
	if u, err := giturl.Parse(e.URLs[0]); err == nil && giturl.CheckName(u.Name()) == nil {
		out.Alias = u.Name()
	}
	return out
}

// Name is what an entry's mirror is called.
func Name(namespace, path string) string {
	if namespace == "" {
		return path
	}
	return namespace + "/" + path
}

// take has claims end that no entry has any more, with what hangs on them.
func (l *Lister) take(ctx context.Context, t target, paths []string, approved []byte, state *command.Listed) error {
	for len(paths) > 0 {
		n, bytes := 0, 0
		for n < min(len(paths), fsm.MaxItems) && bytes < batchBytes {
			bytes += len(paths[n]) + 10
			n++
		}
		out, err := l.outcome(ctx, t, &command.Listing{Take: paths[:n], Approved: approved})
		if err != nil {
			return err
		}
		if out.GetLeft() > 0 {
			continue // more hangs on them than goes at once
		}
		state.Gone += uint32(n)
		t.course.changed(n)
		paths = paths[n:]
	}
	return nil
}

func (l *Lister) propose(ctx context.Context, t target, c *command.Listing) error {
	_, err := l.batch(ctx, t, c)
	return err
}

// batch has a part of a listing written down, which is refused where another owns what was read by now.
func (l *Lister) batch(ctx context.Context, t target, c *command.Listing) ([]*command.Item, error) {
	out, err := l.outcome(ctx, t, c)
	return out.GetItems(), err
}

func (l *Lister) outcome(ctx context.Context, t target, c *command.Listing) (*command.Outcome, error) {
	if c.Done != nil {
		t.course.end()
	}
	c.Source, c.Node, c.Epoch = t.src.ID, l.cfg.Self, t.epoch()
	if t.of != nil && c.Submodules == nil {
		c.Submodules = &command.Submodules{Of: *t.of}
	}
	out, err := l.cfg.Proposer.Propose(ctx, c, "")
	if err == nil {
		err = fsm.AsError(out)
	}
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", t.src.Name, err)
	}
	return out, nil
}
