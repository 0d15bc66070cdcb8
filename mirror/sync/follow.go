package sync

import (
	"context"
	"errors"
	"fmt"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/fetch"
	"gitmirror/mirror/past"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/work"
)

// follow copies the published generation from a peer: its ref table, which
// must have the digest the log names, then the objects that are missing here.
func (w *Worker) follow(ctx context.Context, a work.Assignment) error {
	sources := w.holders.For(a.ID).Live
	if len(sources) == 0 {
		return failure.New(failure.Network, fmt.Sprintf("no live node holds generation %d", a.Generation), errNoHolder)
	}
	var errs []error
	var busy *busyError
	for _, src := range sources {
		place, free := w.places.take(src.Name())
		if !free {
			busy = &busyError{src.Name()}
			continue
		}
		err := w.copyFrom(ctx, a, src, turns{place.fetches, w.peerFetches})
		w.places.leave(src.Name(), place)
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("from %s: %w", src.Name(), err))
		if ctx.Err() != nil {
			break
		}
	}
	if busy != nil {
		return busy
	}
	err := errors.Join(errs...)
	w.log.Debug("cannot copy yet", "repo", a.Name, "generation", a.Generation, "err", err)
	return failure.New(failure.Of(errs[0]).Class, errs[0].Error(), err)
}

// busyError says that a peer that may have what is wanted has no place free.
type busyError struct{ peer string }

func (b *busyError) Error() string {
	return "as many copies from " + b.peer + " as may be are under way"
}

func (w *Worker) copyFrom(ctx context.Context, a work.Assignment, src Holder, turn turn) error {
	next, err := src.Table(ctx, a.Generation)
	if err != nil {
		return err
	}
	if next.Generation != a.Generation {
		return fmt.Errorf("it is at generation %d already, the log here at %d", next.Generation, a.Generation)
	}
	if next.Digest() != a.Digest {
		return failure.New(failure.Corrupt, fmt.Sprintf("its generation %d is not the one that was published", a.Generation), nil)
	}
	file, err := pastFrom(ctx, src, next)
	if err != nil {
		return err
	}
	repo, err := w.store.Ensure(a.ID, a.Name)
	if err != nil {
		return failure.Wrap(failure.Disk, err)
	}
	release, err := repo.Build()
	if err != nil {
		return err
	}
	defer release()
	if err := w.stage(ctx, repo, next.Refs, next.Head, fetch.Source{Peer: src.URL(), Limits: w.reserve(repo)}, source{name: src.Name(), peer: true}, turn); err != nil {
		w.doubt(ctx, a, src, err)
		return err
	}
	if err := repo.Prepare(next, file); err != nil {
		return failure.Wrap(failure.Disk, err)
	}
	if _, err := repo.Activate(a.Generation, a.Digest); err != nil {
		return failure.Wrap(failure.Disk, err)
	}
	return nil
}

// pastFrom fetches what is remembered of a table. A copy without it is better than
// none: where the peer has lost it, so that nobody may have it, the table is taken alone.
func pastFrom(ctx context.Context, src Holder, table *refs.Table) ([]byte, error) {
	if table.Past.IsZero() {
		return nil, nil
	}
	file, err := src.Past(ctx, table.Past)
	switch {
	case errors.Is(err, ErrNoPast):
		return nil, nil
	case err != nil:
		return nil, err
	}
	if _, err := past.Decode(file, table.Past); err != nil {
		return nil, failure.Wrap(failure.Corrupt, err)
	}
	return file, nil
}

// doubt tells a peer whose objects fail git's checks. A pack is sent as it lies on
// the disk, so that its holder does not see what is wrong with it, and might stay
// the only source for a day.
func (w *Worker) doubt(ctx context.Context, a work.Assignment, src Holder, err error) {
	if err == nil || failure.Of(err).Class != failure.Corrupt || errors.As(err, new(*ownError)) {
		return
	}
	w.log.Warn("a peer's copy is damaged, telling it", "repo", a.Name, "node", src.Name(), "err", err)
	if err := src.Doubt(ctx); err != nil {
		w.log.Debug("cannot tell a peer that its copy is damaged", "repo", a.Name, "node", src.Name(), "err", err)
	}
}

// errNoHolder says that the table names no live node to copy from.
var errNoHolder = errors.New("no holder")
