package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// What a peer must do to be waited for. A process that is stopped keeps its
// connections, and answers nothing for as long as it is.
const (
	answerWithin = 5 * time.Second  // until an answer begins
	stallAfter   = 10 * time.Second // until it brings another enough bytes, or ends
	enough       = 1 << 10
	// quietAfter is how long a forwarded answer may bring nothing at all. git
	// says a few bytes every 5 s while a pack is being made.
	quietAfter = time.Minute
)

// SilentError is a peer that was given up because it did not answer, or
// stopped in the middle of its answer. It is a timeout in the sense of
// net.Error.
type SilentError struct {
	Addr   string
	Within time.Duration
	Begun  bool // the answer had begun
}

func (e *SilentError) Error() string {
	if e.Begun {
		return fmt.Sprintf("%s stopped in the middle of its answer: next to nothing came in %s", e.Addr, e.Within)
	}
	return fmt.Sprintf("%s did not begin to answer within %s", e.Addr, e.Within)
}

// Timeout makes it a timeout for whoever asks for that.
func (e *SilentError) Timeout() bool { return true }

// Temporary is part of net.Error.
func (e *SilentError) Temporary() bool { return true }

// patience bounds a call. A zero begin means that only the caller's context
// bounds how long an answer takes to begin.
type patience struct {
	begin  time.Duration
	stall  time.Duration // in which at least enough bytes of it come
	enough int
}

// do sends the request and hands out the answer once it has begun. From then on
// reading it fails when it stalls.
func (c *Client) do(req *http.Request, p patience) (*http.Response, error) {
	began := time.Now()
	resp, err := c.await(req, p)
	c.called(Call{Name: nameOf(req.URL.Path), Fate: fateOf(resp, err), Took: time.Since(began)})
	return resp, err
}

func (c *Client) await(req *http.Request, p patience) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	if p.begin > 0 {
		late := time.AfterFunc(p.begin, func() { cancel(&SilentError{Addr: req.URL.Host, Within: p.begin}) })
		defer late.Stop()
	}
	resp, err := c.http.RoundTrip(req.WithContext(ctx))
	if cause := context.Cause(ctx); cause != nil {
		if err == nil {
			resp.Body.Close()
		}
		err = cause
	}
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, new(*SilentError)) {
			c.doubt()
		}
		cancel(err)
		return nil, err
	}
	b := &watched{ReadCloser: resp.Body, ctx: ctx, cancel: cancel, patience: p}
	b.late = time.AfterFunc(p.stall, func() { cancel(&SilentError{Addr: req.URL.Host, Within: p.stall, Begun: true}) })
	b.late.Stop()
	resp.Body = b
	return resp, nil
}

// doubt lets go of all idle connections, at most once a second: where one has gone dead
// without a word, as behind a firewall that forgot it, those that were idle beside it have
// too, and each would be waited for in its turn.
func (c *Client) doubt() {
	now := time.Now().UnixNano()
	if last := c.doubted.Load(); now-last >= int64(time.Second) && c.doubted.CompareAndSwap(last, now) {
		c.http.CloseIdleConnections()
	}
}

// watched is the body of an answer. Its clock runs only while somebody reads: a
// slow reader is not the peer's fault.
type watched struct {
	io.ReadCloser
	ctx      context.Context
	cancel   context.CancelCauseFunc
	patience patience
	late     *time.Timer
	spent    time.Duration // reading, since enough bytes came
	got      int
}

func (b *watched) Read(p []byte) (int, error) {
	began := time.Now()
	b.late.Reset(b.patience.stall - b.spent)
	n, err := b.ReadCloser.Read(p)
	b.late.Stop()
	b.spent += time.Since(began)
	if b.got += n; b.got >= b.patience.enough {
		b.got, b.spent = 0, 0
	}
	if err != nil && err != io.EOF {
		if cause := context.Cause(b.ctx); cause != nil {
			err = cause
		}
	}
	return n, err
}

func (b *watched) Close() error {
	b.late.Stop()
	b.cancel(nil)
	return b.ReadCloser.Close()
}
