package remote

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"gitmirror/internal/disk"
	"gitmirror/internal/spool"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/wire"
)

// Answer is what an upstream has shown of its refs, whole and not looked at yet.
type Answer struct {
	body *spool.Body
	from *site
	v2   bool
}

// WriteTo writes what counts of the answer: two answers that say the same of the refs are
// the same there. Servers of version 0 put session ids beside them.
func (a *Answer) WriteTo(w io.Writer) (n int64, err error) {
	content := a.body.Reader()
	if !a.v2 {
		first := a.body.First(small)
		_, err = io.CopyN(io.Discard, content, int64(len(first)))
		content = io.MultiReader(bytes.NewReader(wire.WithoutCapabilities(first)), content)
	}
	if err == nil {
		n, err = io.Copy(w, content)
	}
	if err != nil {
		return n, a.odd(failure.New(failure.Disk, "read an answer: "+err.Error(), err))
	}
	return n, nil
}

// Parse reads the answer, once. A large one is parsed alone: what is made of it takes
// several times its bytes, and has a place in the budget until the answer is closed.
func (a *Answer) Parse(ctx context.Context, limits wire.Limits) (*wire.Advert, error) {
	large := a.body.Len() > small
	if large {
		select {
		case a.from.parsing <- struct{}{}:
			defer func() { <-a.from.parsing }()
		case <-ctx.Done():
			return nil, a.odd(context.Cause(ctx))
		}
	}
	parse := wire.ParseV0
	if a.v2 {
		parse = wire.ParseLsRefs
	}
	advert, err := parse(bufio.NewReaderSize(a.body.Reader(), 64<<10), limits)
	switch {
	case err != nil:
		return nil, a.odd(err)
	case large:
		a.body.Use()
	default:
		a.body.Close()
	}
	return advert, nil
}

// odd has the server learned anew, whose answer cannot be dealt with.
func (a *Answer) odd(err error) error {
	a.from.known.forget(a.from.url)
	return Classify(err)
}

// Close gives back what the budget of answers has for this one, and for what was made of
// it. It may be called again.
func (a *Answer) Close() { a.body.Close() }

// small is what nearly all answers have: it is in memory, and counts for nothing.
const small = 1 << 20

// NewPool returns the budget of the answers that are read, and dealt with, at one time:
// half of it for one host. What is made of an answer has about twice its bytes.
func NewPool(d *disk.Disk, dir string, room func() error) *spool.Pool {
	return spool.New(spool.Config{Disk: d, Dir: dir, Memory: small, InAll: 64 << 20, Total: 256 << 20, Share: 128 << 20, Free: small, Weight: 2, Wait: 10 * time.Second, Room: room, Reuse: true, Class: "answers of upstreams"})
}

// readAll reads an answer for as long as it makes progress: a little always, and enough of
// it once it takes long.
func (r *Remotes) readAll(ctx context.Context, cancel context.CancelCauseFunc, resp *http.Response, answer *spool.Body) error {
	const enough = 1 << 10
	host := resp.Request.URL.Host
	stall := time.AfterFunc(r.cfg.StallTimeout, func() {
		cancel(failure.New(failure.Timeout, fmt.Sprintf("%s sent less than 1 KiB of its answer in %s", host, r.cfg.StallTimeout), nil))
	})
	defer stall.Stop()
	end := time.AfterFunc(r.cfg.AnswerTimeout, func() {
		cancel(failure.New(failure.Timeout, fmt.Sprintf("%s did not end its answer within %s", host, r.cfg.AnswerTimeout), nil))
	})
	defer end.Stop()
	chunk := chunks.Get().(*[chunkSize]byte)
	defer chunks.Put(chunk)
	since, pace := 0, newPace(time.Now())
	for {
		n, err := resp.Body.Read(chunk[:])
		if since += n; since >= enough {
			since = 0
			stall.Reset(r.cfg.StallTimeout)
		}
		if err := answer.Append(ctx, chunk[:n]); err != nil {
			return r.tooMuch(host, err)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if slow, took := pace.isSlow(time.Now(), int64(answer.Len())); slow {
			return failure.New(failure.Timeout, fmt.Sprintf("%s sends its answer too slowly: less than %d KiB a second for %s", host, slowRate>>10, took.Round(time.Second)), nil)
		}
	}
}

const (
	chunkSize = 32 << 10

	// An answer that takes longer than slowAfter comes with slowRate bytes a second, and
	// falls behind that for slowPatience at most, however fast it began: it has a place that
	// others wait for. Behind a pause, which may be as long as a stall, it has time to catch up.
	slowAfter    = time.Minute
	slowPatience = time.Minute
	slowRate     = 16 << 10
)

var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// pace is how an answer comes.
type pace struct {
	began time.Time
	since time.Time // when it was last as far as it has to be, counted from the time before
	had   int64     // bytes, by then
}

func newPace(now time.Time) *pace { return &pace{began: now, since: now} }

// isSlow tells of an answer that has come to that many bytes whether it has been too slow,
// and for how long.
func (p *pace) isSlow(now time.Time, bytes int64) (slow bool, took time.Duration) {
	took = now.Sub(p.since)
	if now.Sub(p.began) <= slowAfter || bytes-p.had >= int64(took.Seconds()*slowRate) {
		p.since, p.had = now, bytes
		return false, 0
	}
	return took > slowPatience, took
}

// tooMuch is why an answer could not be kept.
func (r *Remotes) tooMuch(host string, err error) error {
	var busy *spool.BusyError
	var full *spool.RoomError
	switch {
	case errors.Is(err, spool.ErrTooLarge):
		return failure.New(failure.Refused, fmt.Sprintf("%s sent more than %d MiB of refs", host, r.cfg.MaxBytes>>20), err)
	case errors.As(err, &busy):
		return failure.New(failure.OutOfMemory, fmt.Sprintf("no room for the refs that %s shows: %v", host, err), err)
	case errors.As(err, &full):
		return failure.New(failure.Disk, "this node's disk: "+err.Error(), err)
	}
	return err
}
