package lister

import (
	"context"
	"sync"
	"time"

	"gitmirror/fsm/command"
	"gitmirror/source"
	"gitmirror/source/forge/client"
)

// Look has every source read once that wants it, of which the upstreams are asked first that shall be.
func (l *Lister) Look(ctx context.Context) time.Duration {
	next := l.look(ctx)
	for _, a := range l.asked {
		<-a.done
	}
	if len(l.asked) > 0 {
		next = l.look(ctx)
	}
	return next
}

// LookBelow has submodules listed of all rows that have changed, however soon after the last time.
func (l *Lister) LookBelow(ctx context.Context) time.Duration {
	l.below.next, l.below.tries = time.Time{}, nil
	return l.lookBelow(ctx)
}

// ForgesOnce returns what has every forge listed once that is due, and waits for it.
func (l *Lister) ForgesOnce() func(ctx context.Context) time.Duration {
	f := &forges{running: map[string]context.CancelFunc{}, rests: map[string]time.Time{}, memories: map[string]*client.Memory{}, done: make(chan struct{}, 1)}
	return func(ctx context.Context) time.Duration {
		var work sync.WaitGroup
		next := l.lookForges(ctx, f, &work)
		work.Wait()
		return next
	}
}

// LookSoon is LookBelow for what has not just failed.
func (l *Lister) LookSoon(ctx context.Context) time.Duration {
	l.below.next = time.Time{}
	return l.lookBelow(ctx)
}

// LookOnce is Look that waits for no upstream.
func (l *Lister) LookOnce(ctx context.Context) { l.look(ctx) }

// Bring has what an index would list taken up, of the source of that id.
func (l *Lister) Bring(ctx context.Context, id string, listing *source.Listing) error {
	view := l.cfg.State.View()
	src := view.SourceByID(id)
	row := view.Repo(src.Index)
	state := &command.Listed{Generation: row.Generation, Entries: uint32(len(listing.Entries))}
	return l.bring(ctx, view, target{src, row, nil, newCourse()}, listing, compare(view, src, listing), state)
}
