package spool

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
)

// Body is one request or answer. It is written by one goroutine, then read by any.
type Body struct {
	pool   *Pool
	owner  string
	most   int64
	head   []byte
	held   int64 // bytes of head that were taken from what may be in memory
	rest   *os.File
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
	if b.rest == nil && len(b.head)+len(p) <= b.pool.cfg.Memory && b.hold(len(p)) {
		b.head = append(b.head, p...)
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

// hold makes sure that n bytes more may be in memory.
func (b *Body) hold(n int) bool {
	short := int64(len(b.head)+n) - b.held
	if short <= 0 {
		return true
	}
	want := (short + 4<<10 - 1) / (4 << 10) * (4 << 10)
	if !b.pool.memory(want) {
		return false
	}
	b.held += want
	return true
}

// Len is how many bytes there are.
func (b *Body) Len() int64 { return int64(len(b.head)) + b.beyond }

// Head is the beginning, as far as it is in memory: all of most bodies, and nothing of
// some.
func (b *Body) Head() []byte { return b.head }

// First is the first n bytes, or all there are.
func (b *Body) First(n int) []byte {
	first := make([]byte, min(int64(n), b.Len()))
	n, _ = io.ReadFull(b.Reader(), first)
	return first[:n]
}

// Reader reads from the beginning.
func (b *Body) Reader() io.Reader {
	if b.rest == nil {
		return bytes.NewReader(b.head)
	}
	return io.MultiReader(bytes.NewReader(b.head), io.NewSectionReader(b.rest, 0, b.beyond))
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
	b.pool.forget(b.held)
	b.head, b.held, b.rest, b.beyond = nil, 0, nil, 0
}
