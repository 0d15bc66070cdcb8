package gogit

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"

	"gitmirror/internal/disk"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/fetch"
)

// intake reads a pack object by object: first as it comes, then, for those that are deltas, from
// its file.
type intake struct {
	ctx    context.Context
	file   *disk.File
	object int64 // bytes that one object may have; 0 for any number
	memory int64 // bytes that may be held
	limits fetch.Limits
	over   func(what string) *failure.Error // there is no memory for something
	// look is given each object once its id is known, with its content where it is no blob. It
	// must not keep that.
	look func(id plumbing.Hash, kind plumbing.ObjectType, data []byte) error
	// base finds an object that is not in the pack, but that deltas in it are to; nil where
	// there may be none.
	base func(id plumbing.Hash) (plumbing.ObjectType, []byte, error)

	entries []entry
	ofs     []int32 // those that are deltas to what is at an offset, in the order of that
	refs    []int32 // those that are deltas to an id, in the order of that
	held    int64   // bytes of objects that others are put together with
	at      *packfile.Scanner

	done, all atomic.Int64 // objects dealt with, in this phase
	resolving atomic.Bool
}

// entry is an object of a pack.
type entry struct {
	id     plumbing.Hash // of a delta that is none yet: of its base, where that is named by its id
	offset int64
	base   int64 // offset of the base of a delta, 0 where it is named by its id
	size   int64 // as it lies there, unpacked
	crc    uint32
	kind   plumbing.ObjectType
	delta  bool // it lies there as one
}

// entryBytes is about what is held of each object.
const entryBytes = 64

// errEarly says that a pack ended before its end.
var errEarly = errors.New("the pack ends early")

// corrupt is what is wrong with a pack.
func corrupt(format string, args ...any) *failure.Error {
	return failure.New(failure.Corrupt, fmt.Sprintf(format, args...), nil)
}

// receive reads a pack from a stream, while it is written to the file.
func (in *intake) receive(from io.Reader) error {
	src := &source{r: from}
	err := in.scan(bufio.NewReaderSize(io.TeeReader(src, in.file), 64<<10))
	switch {
	case src.err != nil && src.err != io.EOF:
		return src.err
	case errors.As(err, new(*failure.Error)):
		return err
	case err != nil && src.err == io.EOF && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)):
		return failure.New(failure.Network, errEarly.Error(), err)
	}
	return err
}

// source remembers why a stream ended.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil {
		s.err = err
	}
	return n, err
}

// scan goes through a pack from its beginning to its end.
func (in *intake) scan(r io.Reader) error {
	s := packfile.NewScanner(r)
	_, count, err := s.Header()
	if err != nil {
		return failure.New(failure.Protocol, "what is to be a pack is none that can be read here: "+err.Error(), err)
	}
	in.all.Store(int64(count))
	var content bytes.Buffer
	for i := range int64(count) {
		if i%16 == 0 && in.ctx.Err() != nil {
			return context.Cause(in.ctx)
		}
		if i*entryBytes > in.memory {
			return in.over(fmt.Sprintf("a pack of %d objects", count))
		}
		if err := in.one(s, &content); err != nil {
			return err
		}
		in.done.Store(i + 1)
	}
	sum, err := s.Checksum()
	if err != nil {
		return fmt.Errorf("the pack cannot be read: %w", err)
	}
	// What is behind it may be read already. Some bytes that are only the beginning of an object
	// end as the stream does, and not with the checksum.
	if _, more := s.NextObjectHeader(); !errors.Is(more, io.EOF) {
		return errors.Join(corrupt("there is more behind the end of the pack"), more)
	}
	last, err := in.checksum()
	if err == nil && last != sum {
		err = corrupt("there is more behind the end of the pack")
	}
	return err
}

// one reads the next object.
func (in *intake) one(s *packfile.Scanner, content *bytes.Buffer) error {
	h, err := s.NextObjectHeader()
	if err != nil {
		return fmt.Errorf("an object of the pack cannot be read: %w", err)
	}
	e := entry{offset: h.Offset, size: h.Length, kind: h.Type, delta: h.Type.IsDelta()}
	if err := in.fits(h.Length, 0); err != nil && (h.Type != plumbing.BlobObject || err.Class == failure.TooLarge) {
		return err
	}
	var hasher plumbing.Hasher
	to := io.Writer(content)
	content.Reset()
	switch h.Type {
	case plumbing.BlobObject:
		hasher = plumbing.NewHasher(h.Type, h.Length)
		to = hasher
	case plumbing.OFSDeltaObject:
		e.base, to = h.OffsetReference, io.Discard
	case plumbing.REFDeltaObject:
		e.id, to = h.Reference, io.Discard
	case plumbing.CommitObject, plumbing.TreeObject, plumbing.TagObject:
	default:
		return corrupt("the pack has an object of the type %d", h.Type)
	}
	n, crc, err := s.NextObject(to)
	if err != nil {
		return fmt.Errorf("the object at %d of the pack cannot be read: %w", h.Offset, err)
	}
	if n != h.Length {
		return corrupt("the object at %d of the pack has %d bytes, and not %d", h.Offset, n, h.Length)
	}
	e.crc = crc
	switch h.Type {
	case plumbing.BlobObject:
		e.id = hasher.Sum()
	case plumbing.CommitObject, plumbing.TreeObject, plumbing.TagObject:
		e.id = plumbing.ComputeHash(h.Type, content.Bytes())
	}
	at := int32(len(in.entries))
	if at < 0 {
		return corrupt("the pack has too many objects")
	}
	in.entries = append(in.entries, e)
	switch {
	case h.Type == plumbing.OFSDeltaObject:
		in.ofs = append(in.ofs, at)
		return nil
	case h.Type == plumbing.REFDeltaObject:
		in.refs = append(in.refs, at)
		return nil
	}
	return in.look(e.id, e.kind, content.Bytes())
}

// fits tells why an object of so many bytes may not be held beside others.
func (in *intake) fits(size, others int64) *failure.Error {
	switch {
	case in.object > 0 && size > in.object:
		return in.limits.ObjectTooLarge()
	case size < 0 || size > in.memory || in.held+others+size > in.memory:
		return in.over(fmt.Sprintf("an object of %d bytes", size))
	}
	return nil
}

// frame is an object that others are still to be put together with.
type frame struct {
	kind plumbing.ObjectType
	data []byte
	kids []int32
}

// resolve puts the deltas together. What is missing for that it takes from in.base, and appends
// to the pack.
func (in *intake) resolve() error {
	slices.SortFunc(in.ofs, func(a, b int32) int { return compare(in.entries[a].base, in.entries[b].base) })
	slices.SortFunc(in.refs, func(a, b int32) int {
		return bytes.Compare(in.entries[a].id[:], in.entries[b].id[:])
	})
	// Ids of bases are looked for after those of the deltas themselves are known.
	named := make([]plumbing.Hash, len(in.refs))
	for i, k := range in.refs {
		named[i] = in.entries[k].id
	}
	deltas := int64(len(in.ofs) + len(in.refs))
	in.done.Store(0)
	in.all.Store(deltas)
	in.resolving.Store(true)
	info, err := in.file.Stat()
	if err != nil {
		return failure.Wrap(failure.Disk, err)
	}
	in.at = packfile.NewScanner(io.NewSectionReader(in.file, 0, info.Size()))
	for i := range in.entries {
		if !in.entries[i].delta {
			if err := in.under(int32(i), named); err != nil {
				return err
			}
		}
	}
	if in.done.Load() < deltas && in.base != nil {
		if err := in.complete(named); err != nil {
			return err
		}
	}
	for _, e := range in.entries {
		if e.kind.IsDelta() {
			return corrupt("the pack has unresolved deltas, that at %d the first of them", e.offset)
		}
	}
	return nil
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// under puts together all that is, in the end, a delta to one object that is there.
func (in *intake) under(i int32, named []plumbing.Hash) error {
	kids := in.kids(i, named)
	if len(kids) == 0 {
		return nil
	}
	e := in.entries[i]
	data, err := in.content(e)
	if err != nil {
		return err
	}
	return in.descend(frame{e.kind, data, kids}, named)
}

// descend puts together what is a delta to an object. An object is held no longer than it is
// needed: the last of those made with it takes its place.
func (in *intake) descend(top frame, named []plumbing.Hash) error {
	stack := []frame{top}
	in.held += int64(len(top.data))
	defer func() {
		for _, f := range stack {
			in.held -= int64(len(f.data))
		}
	}()
	for len(stack) > 0 {
		base := &stack[len(stack)-1]
		k := base.kids[0]
		kind, data := base.kind, base.data
		made, err := in.apply(k, data)
		if err != nil {
			return err
		}
		if base.kids = base.kids[1:]; len(base.kids) == 0 {
			in.held -= int64(len(data))
			stack = stack[:len(stack)-1]
		}
		e := &in.entries[k]
		e.id, e.kind = plumbing.ComputeHash(kind, made), kind
		var seen []byte
		if kind != plumbing.BlobObject {
			seen = made
		}
		if err := in.look(e.id, kind, seen); err != nil {
			return err
		}
		if n := in.done.Add(1); n%16 == 0 && in.ctx.Err() != nil {
			return context.Cause(in.ctx)
		}
		if kids := in.kids(k, named); len(kids) > 0 {
			stack = append(stack, frame{kind, made, kids})
			in.held += int64(len(made))
		}
	}
	return nil
}

// kids are the deltas to an object: those first that nothing else is a delta to, so that less
// has to be held.
func (in *intake) kids(i int32, named []plumbing.Hash) []int32 {
	e := &in.entries[i]
	var kids []int32
	from, _ := slices.BinarySearchFunc(in.ofs, e.offset, func(k int32, offset int64) int { return compare(in.entries[k].base, offset) })
	for ; from < len(in.ofs) && in.entries[in.ofs[from]].base == e.offset; from++ {
		kids = append(kids, in.ofs[from])
	}
	if len(named) > 0 {
		from, _ := slices.BinarySearchFunc(named, e.id, func(a, b plumbing.Hash) int { return bytes.Compare(a[:], b[:]) })
		for ; from < len(named) && named[from] == e.id; from++ {
			if k := in.refs[from]; in.entries[k].kind.IsDelta() {
				kids = append(kids, k)
			}
		}
	}
	if len(kids) > 1 {
		slices.SortStableFunc(kids, func(a, b int32) int { return in.isBase(a) - in.isBase(b) })
	}
	return kids
}

// isBase is 1 for a delta that others lie behind.
func (in *intake) isBase(i int32) int {
	offset := in.entries[i].offset
	at, found := slices.BinarySearchFunc(in.ofs, offset, func(k int32, offset int64) int { return compare(in.entries[k].base, offset) })
	if found && at < len(in.ofs) {
		return 1
	}
	return 0
}

// content reads an object as it lies in the pack.
func (in *intake) content(e entry) ([]byte, error) {
	if err := in.fits(e.size, 0); err != nil {
		return nil, err
	}
	if _, err := in.at.SeekObjectHeader(e.offset); err != nil {
		return nil, fmt.Errorf("the object at %d of the pack cannot be read again: %w", e.offset, err)
	}
	data := bytes.NewBuffer(make([]byte, 0, e.size))
	if _, _, err := in.at.NextObject(data); err != nil {
		return nil, fmt.Errorf("the object at %d of the pack cannot be read again: %w", e.offset, err)
	}
	return data.Bytes(), nil
}

// apply makes an object of its base and the delta that lies in the pack.
func (in *intake) apply(k int32, base []byte) ([]byte, error) {
	e := in.entries[k]
	delta, err := in.content(e)
	if err != nil {
		return nil, err
	}
	_, n := varint(delta)
	size, m := varint(delta[n:])
	if n == 0 || m == 0 {
		return nil, corrupt("the delta at %d of the pack has no size", e.offset)
	}
	if err := in.fits(size, int64(len(delta))); err != nil {
		return nil, err
	}
	made, err := packfile.PatchDelta(base, delta)
	if err != nil {
		return nil, fmt.Errorf("the delta at %d of the pack cannot be applied: %w", e.offset, err)
	}
	return made, nil
}

// varint reads a number as deltas have it, and how many bytes it takes, 0 where it is none.
func varint(data []byte) (size int64, n int) {
	for shift := 0; n < len(data) && shift < 63; shift += 7 {
		size |= int64(data[n]&0x7f) << shift
		if n++; data[n-1]&0x80 == 0 {
			return size, n
		}
	}
	return 0, 0
}
