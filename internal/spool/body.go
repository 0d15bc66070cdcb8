package spool

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"

	"gitmirror/internal/disk"
)

// Body is one request or answer. It is written by one goroutine, then read by any.
type Body struct {
	pool   *Pool
	owner  string
	most   int64
	head   [][]byte // pieces
	inHead int64    // bytes in head
	held   int64    // bytes that the pieces have room for, taken from what may be in memory
	rest   *disk.File
	beyond int64 // bytes in rest
	taken  int64
}

// Body begins an empty one that belongs to owner. Close must be called.
func (p *Pool) Body(owner string, most int64) *Body { return &Body{pool: p, owner: owner, most: most} }

// Read reads all of r into a new Body.
func (p *Pool) Read(ctx context.Context, owner string, r io.Reader, most int64) (*Body, error) {
	b := p.Body(owner, most)
	buf := make([]byte, 4<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if err := b.Append(ctx, buf[:n]); err != nil {
				return nil, closed(b, err)
			}
		}
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return nil, closed(b, err)
		}
		if n == len(buf) && n < 64<<10 {
			buf = make([]byte, 2*n)
		}
	}
}

func closed(b *Body, err error) error {
	b.Close()
	return err
}

// step is how many bytes of a budget are taken at once.
const step = 64 << 10

// Append adds p, once there is room for it.
func (b *Body) Append(ctx context.Context, p []byte) error {
	if b.Len()+int64(len(p)) > b.most {
		return fmt.Errorf("%w: more than %d MiB", ErrTooLarge, b.most>>20)
	}
	if short := b.pool.cfg.Weight*(b.Len()+int64(len(p))-b.pool.cfg.Free) - b.taken; short > 0 {
		n := (short + step - 1) / step * step
		if err := b.pool.take(ctx, b.owner, n); err != nil {
			return err
		}
		b.taken += n
	}
	for b.rest == nil && len(p) > 0 && b.hold() {
		last := &b.head[len(b.head)-1]
		n := min(len(p), cap(*last)-len(*last))
		*last = append(*last, p[:n]...)
		b.inHead += int64(n)
		p = p[n:]
	}
	if len(p) == 0 {
		return nil
	}
	if b.rest == nil {
		f, err := b.pool.file()
		if err != nil {
			return err
		}
		b.rest = f
	}
	n, err := b.rest.WriteAt(p, b.beyond)
	b.beyond += int64(n)
	return err
}

// hold makes sure that the last piece has room, if more may be in memory.
func (b *Body) hold() bool {
	size := firstPiece
	if n := len(b.head); n > 0 {
		if last := b.head[n-1]; len(last) < cap(last) {
			return true
		}
		size = piece
	}
	if b.inHead >= int64(b.pool.cfg.Memory) || !b.pool.memory(int64(size)) {
		return false
	}
	b.held += int64(size)
	b.head = append(b.head, b.pool.piece(size))
	return true
}

// Len is how many bytes there are.
func (b *Body) Len() int64 { return b.inHead + b.beyond }

// First is the first n bytes, or all there are.
func (b *Body) First(n int) []byte {
	first := make([]byte, min(int64(n), b.Len()))
	n, _ = io.ReadFull(b.Reader(), first)
	return first[:n]
}

// Reader reads from the beginning.
func (b *Body) Reader() io.Reader {
	head := net.Buffers(slices.Clone(b.head)) // which it consumes
	if b.rest == nil {
		return &head
	}
	return io.MultiReader(&head, io.NewSectionReader(b.rest, 0, b.beyond))
}

// Replay is the body of a request that was read before: who needs it whole need not
// read it again.
type Replay struct {
	io.Reader
	Whole *Body
}

// Close does nothing: the body belongs to whoever made it.
func (r *Replay) Close() error { return nil }

// Replay reads from the beginning.
func (b *Body) Replay() *Replay { return &Replay{b.Reader(), b} }

// Use lets go of what there is and keeps its place in the budget, for what was made of it.
func (b *Body) Use() { b.drop() }

// Close gives everything back.
func (b *Body) Close() {
	b.drop()
	b.pool.give(b.owner, b.taken)
	b.taken = 0
}

func (b *Body) drop() {
	if b.rest != nil {
		_ = b.rest.Close()
	}
	b.pool.forget(b.held, b.head)
	b.head, b.inHead, b.held, b.rest, b.beyond = nil, 0, 0, nil, 0
}
