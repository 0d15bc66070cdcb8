package lister

import (
	"cmp"
	"context"
	"fmt"
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
// are flaws of the listing, and hold up nothing else; and what blocks those that may do well later. What to try is
// said by flawsOf, when what is gone has been taken away.
func (l *Lister) put(ctx context.Context, t target, listing *source.Listing, changes source.Changes, state *command.Listed, entry func(*source.Entry) *command.Entry) (flaws []refused, blocked []block, err error) {
	var batch []*command.Entry
	var from []*source.Entry
	bytes := 0
	flush := func(count *uint32) error {
		if len(batch) == 0 {
			return nil
		}
		items, err := l.batch(ctx, t, &command.Listing{Put: batch})
		if err != nil {
			return err
		}
		for i, item := range items {
			if item.GetCode() == "" {
				*count++
				t.course.changed(1)
				continue
			}
			why := refusal.New(refusal.Code(item.GetCode()), "%s", item.GetMessage())
			why.Existing = item.GetExisting()
			flaws = append(flaws, refused{from[i], source.Flaw{File: from[i].File, Line: from[i].Line, Why: cmp.Or(from[i].Name, from[i].Path) + ": " + why.Error()}, why})
			if why.Code == refusal.ConflictName || why.Code == refusal.ConflictURL {
				blocked = append(blocked, blockOf(l.cfg.State.View(), batch[i].GetRepo()))
			}
		}
		batch, from, bytes = nil, nil, 0
		return nil
	}
	type part struct {
		of    []int
		count *uint32
	}
	parts := []part{{changes.Added, &state.Added}, {changes.Changed, &state.Changed}}
	if t.src.IsForge() { // what is renamed gives away its name and its address, which a new one may have
		slices.Reverse(parts)
	}
	for _, part := range parts {
		for _, i := range part.of {
			e := entry(&listing.Entries[i])
			size := proto.Size(e) + 10
			if size > batchBytes { // the log takes it in no entry: it stays as it was
				flaws = append(flaws, refused{&listing.Entries[i], source.Flaw{File: listing.Entries[i].File, Line: listing.Entries[i].Line, Why: fmt.Sprintf("it has %d bytes, more than %d", size, batchBytes), Try: "give it fewer addresses and labels"}, nil})
				continue
			}
			if len(batch) == fsm.MaxItems || bytes+size > batchBytes {
				if err := flush(part.count); err != nil {
					return nil, nil, err
				}
			}
			batch, from, bytes = append(batch, e), append(from, &listing.Entries[i]), bytes+size
		}
		if err := flush(part.count); err != nil {
			return nil, nil, err
		}
	}
	return flaws, blocked, nil
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
