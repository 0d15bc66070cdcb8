package gogit

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"gitmirror/internal/disk"
	"gitmirror/internal/gitflaw"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/fetch"
	"gitmirror/mirror/remote"
	"gitmirror/mirror/store"
	"gitmirror/mirror/wire"
)

// Fetch brings the objects named by oids, and all they lead to, into staging, and proves that
// nothing is missing. Errors are *failure.Error.
func (o *Objects) Fetch(ctx context.Context, st *store.Staging, src fetch.Source, oids []string) error {
	if len(oids) == 0 {
		return nil
	}
	if err := src.Limits.Begin(src.Way); err != nil {
		return err
	}
	f := &fetching{Objects: o, st: st, src: src, seen: fetch.NewObserver(time.Now()), oids: oids}
	src.Tells(f.seen, fetch.Preparing)
	if err := f.open(ctx); err != nil {
		return failed(err)
	}
	defer func() { f.reader.close() }()
	if err := guarded(func() error { return f.receive(ctx) }); err != nil {
		return err
	}
	src.Tells(f.seen, fetch.Checking)
	if err := guarded(func() error { return f.prove(ctx) }); err != nil {
		if ctx.Err() != nil {
			return failure.Of(context.Cause(ctx))
		}
		return err
	}
	return nil
}

// guarded has a library that stumbles over what somebody sent end a fetch, and not the node.
func guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &stumbleError{corrupt("it cannot be read: %.200v", p)}
		}
	}()
	return f()
}

// stumbleError says that a library has panicked. Of a copy that is here it says nothing.
type stumbleError struct{ of *failure.Error }

func (e *stumbleError) Error() string { return e.of.Error() }
func (e *stumbleError) Unwrap() error { return e.of }

// fetching is one fetch.
type fetching struct {
	*Objects
	st   *store.Staging
	src  fetch.Source
	seen *fetch.Observer
	oids []string

	whole  []string // what the live table names
	haves  []string // of what it leads to, what is told the other side
	reader *reader  // of the live repository; from prove on of staging too
	looker looker
	in     *intake

	bytes atomic.Int64 // that have come
	word  atomic.Int64 // when the other side last said something, in nanoseconds of Unix
}

// open reads what is here already.
func (f *fetching) open(ctx context.Context) (err error) {
	if f.whole, err = f.st.Whole(); err != nil {
		return err
	}
	if f.reader, err = f.Objects.open(f.st.Dir()); err != nil {
		return err
	}
	f.haves, err = f.reader.haves(ctx, f.whole)
	if err != nil {
		f.reader.close()
	}
	return err
}

// What the other side is told that is here: the tips, and of their histories the latest commits
// and then some, since a tip may be one that it has taken away.
const (
	mostHaves   = 1000
	lookedBack  = 1000
	havesInARow = 64
	havesApart  = 16
)

func (r *reader) haves(ctx context.Context, tips []string) ([]string, error) {
	var haves []string
	told := map[plumbing.Hash]bool{}
	queue := &dated{}
	tell := func(id plumbing.Hash) {
		if !told[id] {
			told[id] = true
			haves = append(haves, id.String())
		}
	}
	for _, id := range hashes(tips[:min(len(tips), mostHaves)]) {
		to, err := r.peel(id, tell)
		if err != nil {
			return nil, err
		}
		if to.Type() != plumbing.CommitObject || told[to.Hash()] {
			continue
		}
		tell(to.Hash())
		c, err := r.commit(to.Hash())
		if err != nil {
			return nil, err
		}
		heap.Push(queue, queued{to.Hash(), c})
	}
	for n := 0; n < lookedBack && queue.Len() > 0; n++ {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		c := heap.Pop(queue).(queued)
		for _, id := range c.parents {
			if told[id] {
				continue
			}
			parent, err := r.commit(id)
			if err != nil {
				return nil, err
			}
			if heap.Push(queue, queued{id, parent}); n < havesInARow || n%havesApart == 0 {
				tell(id)
			} else {
				told[id] = true
			}
		}
	}
	return haves, nil
}

// receive brings the pack into staging, with its index.
func (f *fetching) receive(ctx context.Context) (err error) {
	path := filepath.Join(f.st.Dir(), "objects/pack", "tmp_pack_incoming")
	file, err := f.disk.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return failure.Wrap(failure.Disk, err)
	}
	defer func() {
		if cerr := file.Close(); err == nil && cerr != nil {
			err = failure.Wrap(failure.Disk, cerr)
		}
	}()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f.looker = looker{rules: true, taken: taking(f.src.Taken())}
	if len(f.whole) == 0 { // else a walk finds out what is missing
		f.looker.links, f.looker.most = links{}, f.memory/linkBytes
	}
	f.in = f.intake(ctx, file)
	done, watching := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watching)
		f.src.Watch(done, cancel, f.stall, f.seen, f.sight)
	}()
	err = f.take(ctx)
	close(done)
	<-watching
	if ended := (*failure.Error)(nil); errors.As(context.Cause(ctx), &ended) { // even where it was faster
		return ended
	}
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return failure.Of(context.Cause(ctx))
	}
	return f.explain(err)
}

func (f *fetching) intake(ctx context.Context, file *disk.File) *intake {
	return &intake{ctx: ctx, file: file, object: f.src.Limits.Object, memory: f.memory, limits: f.src.Limits, over: f.tooMuch, look: f.looker.look,
		base: func(id plumbing.Hash) (plumbing.ObjectType, []byte, error) {
			o, err := f.reader.find(id)
			if err != nil {
				return 0, nil, err
			}
			data, err := content(o)
			return o.Type(), data, err
		}}
}

// take reads the pack that the other side sends.
func (f *fetching) take(ctx context.Context) error {
	var from remote.Packs = f.src.Way
	if f.src.Way == nil {
		from = remote.FromPeer(f.peers, f.src.Peer)
	}
	say := func([]byte) { f.word.Store(time.Now().UnixNano()) }
	pack, err := from.Pack(ctx, wire.Fetch{Agent: f.agent, Wants: f.oids, Haves: f.haves}, say)
	if err != nil {
		return remote.Classify(err)
	}
	err = f.in.receive(counting{pack, &f.bytes})
	if cerr := pack.Close(); err == nil && cerr != nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err := f.in.resolve(); err != nil {
		return err
	}
	_, err = f.in.finish(f.disk)
	return err
}

// counting counts what is read.
type counting struct {
	io.Reader
	n *atomic.Int64
}

func (c counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// sight is what is seen of it now.
func (f *fetching) sight() (fetch.Sight, *failure.Error) {
	s := fetch.Sight{Bytes: f.bytes.Load(), Done: f.in.done.Load(), All: f.in.all.Load()}
	if word := f.word.Load(); word != 0 {
		s.Word = time.Unix(0, word)
	}
	switch {
	case f.in.resolving.Load():
		s.Phase, s.Alone = fetch.Resolving, true
	case s.All > 0:
		s.Phase = fetch.Receiving
	}
	return s, nil
}

// explain says what a fetch failed of, and what to do about it.
func (f *fetching) explain(err error) error {
	if f.src.Way != nil && f.src.Way.Exceeded() {
		return f.src.Limits.TooMuch()
	}
	why := (*failure.Error)(nil)
	switch {
	case errors.As(err, &why):
	case errors.As(err, new(*wire.SectionError)), errors.As(err, new(*wire.BandError)), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, wire.ErrPacket), errors.Is(err, wire.ErrProtocol):
		why = remote.Classify(err)
	default:
		if why = remote.Classify(err); why.Class == failure.Network && why.Err == err && !isConnection(err) {
			why = failure.New(failure.Corrupt, why.Message, err) // it is what the pack is like
		}
	}
	if id := acceptable(err); id != "" && f.src.Limits.Set != "" {
		return failure.New(why.Class, why.Message+f.src.Limits.Accepting(id), err)
	}
	return why
}

// prove makes sure that nothing is missing, nor is what must not be.
func (f *fetching) prove(ctx context.Context) error {
	if err := f.src.Limits.Check(f.st); err != nil {
		return err
	}
	f.reader.close()
	var err error
	if f.reader, err = f.Objects.open(f.st.Dir()); err != nil {
		f.reader = &reader{}
		return failed(err)
	}
	if !f.closed() {
		err := f.reader.proof(ctx).connected(hashes(f.oids), hashes(f.whole))
		if isMissing(err) {
			return failure.New(failure.Corrupt, "the upstream's objects are not complete: "+err.Error(), err)
		}
		if err != nil {
			return failed(err)
		}
	}
	if err := f.looker.files(f.reader, gitflaw.PathCR); err != nil {
		return f.explain(err)
	}
	return nil
}

// closed tells whether nothing can be missing: each object is in the pack that others in it lead
// to, and all that was asked for.
func (f *fetching) closed() bool {
	if f.looker.links == nil {
		return false
	}
	for id, kind := range f.looker.links {
		if e := f.in.find(id); e == nil || e.kind != kind {
			return false
		}
	}
	for _, id := range hashes(f.oids) {
		if f.in.find(id) == nil {
			return false
		}
	}
	return true
}

// Index makes the index of a pack, whose path is relative to dir, the repository.
func (o *Objects) Index(ctx context.Context, dir, pack string) error {
	p, err := o.packIn(ctx, filepath.Join(dir, pack), &looker{})
	if err != nil {
		return err
	}
	defer p.file.Close()
	sum, err := p.checksum()
	if err == nil {
		err = p.sort()
	}
	if err != nil {
		return err
	}
	base := filepath.Join(dir, pack)
	return writeIndex(o.disk, base[:len(base)-len(".pack")]+".idx", p.entries, sum)
}

// packIn reads a pack that lies on the disk, and puts together what is in it. The file must be
// closed.
func (o *Objects) packIn(ctx context.Context, path string, l *looker) (*intake, error) {
	file, err := o.disk.Open(path)
	if err != nil {
		return nil, err
	}
	p := &intake{ctx: ctx, file: file, memory: o.memory, over: o.tooMuch, look: l.look}
	if err = p.scan(file); err == nil {
		err = p.resolve()
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return p, nil
}
