package gogit

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
)

// Common returns those ids, of commits and tags that somebody else has, that are in the
// repository in dir too.
func (o *Objects) Common(_ context.Context, dir string, ids []string) ([]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	r, err := o.open(dir)
	if err != nil {
		return nil, err
	}
	defer r.close()
	var common []string
	for _, id := range ids {
		there, err := r.has(plumbing.NewHash(id))
		if err != nil {
			return nil, err
		}
		if there {
			common = append(common, id)
		}
	}
	return common, nil
}

// Send writes a pack of all that the wants lead to, and the haves do not, which are in the
// repository in dir too. Objects are passed on as they lie there, so that it takes little memory
// and time; nothing is compressed anew. Before something is missing, nothing is written.
func (o *Objects) Send(ctx context.Context, w io.Writer, dir string, wants, haves []string) error {
	r, err := o.open(dir)
	if err != nil {
		return err
	}
	defer r.close()
	p := r.proof(ctx)
	if err := p.connected(hashes(wants), hashes(haves)); err != nil {
		return err
	}
	packs, err := o.packs(dir)
	if err != nil {
		return err
	}
	defer closeAll(packs)
	return (&sending{ctx: ctx, w: w, sum: sha1.New(), reader: r, packs: packs, buf: make([]byte, 32<<10)}).all(p.found)
}

// sending is a pack that is being written.
type sending struct {
	ctx    context.Context
	w      io.Writer
	sum    hash.Hash
	reader *reader
	packs  []*packFile
	sent   map[plumbing.Hash]struct{}
	buf    []byte
}

// place is where an object lies.
type place struct {
	id   plumbing.Hash
	pack int // -1 for none
	at   int // in its order
}

// find finds where an object lies: of several packs in the first, so that two of them are never
// deltas to each other.
func (s *sending) find(id plumbing.Hash) place {
	for k, p := range s.packs {
		if i, ok := p.find(id); ok {
			if at, ok := p.at(p.offset(i)); ok {
				return place{id, k, at}
			}
		}
	}
	return place{id, -1, 0}
}

// all writes the pack.
func (s *sending) all(ids []plumbing.Hash) error {
	s.sent = make(map[plumbing.Hash]struct{}, len(ids))
	for _, id := range ids {
		s.sent[id] = struct{}{}
	}
	list := make([]place, 0, len(s.sent))
	for id := range s.sent {
		list = append(list, s.find(id))
	}
	slices.SortFunc(list, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.pack, b.pack), cmp.Compare(a.at, b.at), bytes.Compare(a.id[:], b.id[:]))
	})
	out := io.MultiWriter(s.w, s.sum)
	head := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), uint32(len(list)))
	if _, err := out.Write(head); err != nil {
		return err
	}
	for i, p := range list {
		if i%1000 == 0 && s.ctx.Err() != nil {
			return context.Cause(s.ctx)
		}
		if err := s.one(out, p); err != nil {
			return fmt.Errorf("send object %s: %w", p.id, err)
		}
	}
	_, err := s.w.Write(s.sum.Sum(nil))
	return err
}

// one writes an object: as it lies in its pack, where that can be read by who has the others.
func (s *sending) one(out io.Writer, p place) error {
	if p.pack >= 0 {
		pack := s.packs[p.pack]
		l, err := pack.lying(p.at)
		if err != nil {
			return err
		}
		head := objectHead(l.kind, l.size)
		if l.kind.IsDelta() {
			head = append(objectHead(plumbing.REFDeltaObject, l.size), l.base[:]...)
		}
		if _, there := s.sent[l.base]; there || !l.kind.IsDelta() {
			if _, err := out.Write(head); err != nil {
				return err
			}
			_, err := io.CopyBuffer(out, io.NewSectionReader(pack.file, l.from, l.to-l.from), s.buf)
			return err
		}
	}
	o, err := s.reader.find(p.id)
	if err != nil {
		return err
	}
	data, err := content(o)
	if err != nil {
		return err
	}
	_, err = out.Write(packedObject(o.Type(), data))
	return err
}
