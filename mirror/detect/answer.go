package detect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"gitmirror/internal/spool"
	"gitmirror/mirror/failure"
)

// readAll reads an answer for as long as it makes progress: a little always, and enough of
// it once it takes long.
func (c *Client) readAll(ctx context.Context, cancel context.CancelCauseFunc, resp *http.Response, answer *spool.Body) error {
	const enough = 1 << 10
	host := resp.Request.URL.Host
	stall := time.AfterFunc(c.cfg.StallTimeout, func() {
		cancel(failure.New(failure.Timeout, fmt.Sprintf("%s sent less than 1 KiB of its answer in %s", host, c.cfg.StallTimeout), nil))
	})
	defer stall.Stop()
	end := time.AfterFunc(c.cfg.AnswerTimeout, func() {
		cancel(failure.New(failure.Timeout, fmt.Sprintf("%s did not end its answer within %s", host, c.cfg.AnswerTimeout), nil))
	})
	defer end.Stop()
	chunk := chunks.Get().(*[chunkSize]byte)
	defer chunks.Put(chunk)
	since, pace := 0, newPace(time.Now())
	for {
		n, err := resp.Body.Read(chunk[:])
		if since += n; since >= enough {
			since = 0
			stall.Reset(c.cfg.StallTimeout)
		}
		if err := answer.Append(ctx, chunk[:n]); err != nil {
			return c.tooMuch(host, err)
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
func (c *Client) tooMuch(host string, err error) error {
	var busy *spool.BusyError
	var full *spool.RoomError
	switch {
	case errors.Is(err, spool.ErrTooLarge):
		return failure.New(failure.Refused, fmt.Sprintf("%s sent more than %d MiB of refs", host, c.cfg.MaxBytes>>20), err)
	case errors.As(err, &busy):
		return failure.New(failure.OutOfMemory, fmt.Sprintf("no room for the refs that %s shows: %v", host, err), err)
	case errors.As(err, &full):
		return failure.New(failure.Disk, "this node's disk: "+err.Error(), err)
	}
	return err
}
