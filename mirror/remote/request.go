package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"gitmirror/internal/spool"
	"gitmirror/mirror/failure"
)

// NewTransport returns a transport fit for many upstreams: a pool per host, no
// proxy from the environment, everything dialled through dial, headers with a bound.
func NewTransport(dial func(ctx context.Context, network, addr string) (net.Conn, error)) *http.Transport {
	return &http.Transport{
		DialContext:           dial,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true, // a mebibyte of gzip makes a gibibyte
		MaxIdleConnsPerHost:   32,   // as many as are asked at once
		MaxIdleConns:          1024,
		IdleConnTimeout:       5 * time.Minute,
		TLSHandshakeTimeout:   tlsTimeout,
		ExpectContinueTimeout: time.Second,
		WriteBufferSize:       4 << 10,

		MaxResponseHeaderBytes: maxHeaders,
	}
}

// maxHeaders is how many bytes the headers of an answer may have. They are read into
// memory, where short ones take a hundred times their bytes, before anything else of the
// answer is known.
const maxHeaders = 64 << 10

const tlsTimeout = 10 * time.Second

const maxRedirects = 5

// checkRedirect follows redirects of the first GET only, never from https to
// http; each hop is dialled, and so checked, like the first.
func checkRedirect(req *http.Request, via []*http.Request) error {
	switch {
	case via[0].Method != http.MethodGet:
		return http.ErrUseLastResponse
	case len(via) > maxRedirects:
		return fmt.Errorf("more than %d redirects", maxRedirects)
	case req.URL.Scheme != "https" && via[len(via)-1].URL.Scheme == "https":
		return fmt.Errorf("redirected from https to %s", req.URL.Scheme)
	case req.URL.User != nil:
		return errors.New("redirected to an address with credentials")
	}
	return nil
}

// do sends one request and reads its whole answer, under our bounds. A status
// other than 200 is a *failure.Error; resp is there with it. Asking for refs may be done
// twice: a server that stumbles is asked again once.
func (r *Remotes) do(ctx context.Context, req *http.Request) (*http.Response, *spool.Body, error) {
	resp, answer, err := r.once(ctx, req)
	if err == nil || !stumbled(resp, err) || ctx.Err() != nil {
		return resp, answer, err
	}
	again := req.Clone(ctx)
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return resp, nil, err
		}
		again.Body = body
	}
	pause := time.NewTimer(r.cfg.Pause)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
		return resp, nil, err
	}
	return r.once(ctx, again)
}

// stumbled tells whether a server may answer the same request in a moment: it said
// 5xx, and not when to come back, or hung up. Who does not answer, or is not there,
// is left to the schedule.
func stumbled(resp *http.Response, err error) bool {
	if resp != nil {
		return resp.StatusCode >= 500 && resp.Header.Get("Retry-After") == ""
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

func (r *Remotes) once(ctx context.Context, req *http.Request) (*http.Response, *spool.Body, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(r.cfg.HeaderTimeout, func() {
		cancel(failure.New(failure.Timeout, fmt.Sprintf("%s did not begin to answer within %s", req.URL.Host, r.cfg.HeaderTimeout), nil))
	})
	defer late.Stop()
	req.Header.Set("User-Agent", "git/"+r.cfg.Agent)
	req.Header.Set("Git-Protocol", "version=2")
	// Nothing is sent for this key. It tells net/http that the request may be
	// repeated when the server closed a kept-alive connection just then.
	req.Header["X-Idempotency-Key"] = nil
	resp, err := r.http.Do(req.WithContext(ctx))
	if err != nil {
		return nil, nil, causeOf(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		_, _ = io.CopyN(io.Discard, resp.Body, 4096) // lets the connection be used again
		return resp, nil, ofStatus(resp)
	}
	if enc := resp.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return nil, nil, failure.New(failure.Protocol, fmt.Sprintf("%s packs its answer (%.20q), which was not asked for", req.URL.Host, enc), nil)
	}
	late.Stop()
	answer := r.cfg.Answers.Body(req.URL.Host, r.cfg.MaxBytes)
	if err := r.readAll(ctx, cancel, resp, answer); err != nil {
		answer.Close()
		return nil, nil, causeOf(ctx, err)
	}
	return resp, answer, nil
}

func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && errors.As(cause, new(*failure.Error)) {
		return cause
	}
	return err
}
