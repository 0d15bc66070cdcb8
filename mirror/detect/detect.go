// Package detect asks an upstream whether its refs have changed, for almost
// nothing: one POST on a kept-alive connection, a hash, a comparison. Only an
// answer that differs is parsed.
//
// Protocol version 2 needs one request per check (ls-refs with the prefixes of
// interest); what a server can do is learned once, and again after an odd
// answer. Servers of version 0 are asked for their whole advertisement.
package detect

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"gitmirror/internal/spool"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/wire"
)

// Fingerprint identifies an answer, zero none. It means something only in this
// process, for the URL and prefixes it was got with: it is a keyed hash, which
// costs a fraction of a cryptographic one, and nobody outside can aim at.
type Fingerprint uint64

var seed = maphash.MakeSeed()

// Result is what a check found.
type Result struct {
	Fingerprint Fingerprint
	Unchanged   bool         // the fingerprint is the one given
	made        *spool.Body  // the place of Advert in the budget
	Base        string       // where the upstream is, at the end of its redirects
	Advert      *wire.Advert // nil when unchanged
}

// Release gives back what the budget of answers has for the Advert: it is not used any
// more.
func (r Result) Release() {
	if r.made != nil {
		r.made.Close()
	}
}

// Config bounds and identifies a Client. Zero values mean the defaults.
type Config struct {
	Transport     http.RoundTripper // goes out through the egress dialer
	Agent         string            // default "gitmirror"
	MaxBytes      int64             // of one answer; default 64 MiB
	Answers       *spool.Pool       // what all answers share, with what is made of them; default NewPool in the directory for temporary files
	MaxRefs       int               // default 200,000
	HeaderTimeout time.Duration     // until an answer begins; default 30 s
	StallTimeout  time.Duration     // an answer must bring 1 KiB within it, or end; default 30 s
	AnswerTimeout time.Duration     // until an answer ends; default 10 min
	Pause         time.Duration     // before a server that stumbled is asked again; default 250 ms
}

// Client checks upstreams. It is safe for concurrent use.
type Client struct {
	cfg  Config
	http *http.Client

	parsing chan struct{} // held while a large answer is parsed

	mu    sync.Mutex
	known map[string]server
}

// server is what was learned about one upstream URL.
type server struct {
	base   string // where its redirects lead, without /info/refs
	v2     bool
	format string // object-format to send, empty where none was announced
	unborn bool
}

// New returns a Client.
func New(cfg Config) *Client {
	if cfg.Agent == "" {
		cfg.Agent = "gitmirror"
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 64 << 20
	}
	if cfg.Answers == nil {
		cfg.Answers = NewPool("", nil)
	}
	if cfg.MaxRefs == 0 {
		cfg.MaxRefs = 200_000
	}
	if cfg.HeaderTimeout == 0 {
		cfg.HeaderTimeout = 30 * time.Second
	}
	if cfg.StallTimeout == 0 {
		cfg.StallTimeout = 30 * time.Second
	}
	if cfg.AnswerTimeout == 0 {
		cfg.AnswerTimeout = 10 * time.Minute
	}
	if cfg.Pause == 0 {
		cfg.Pause = 250 * time.Millisecond
	}
	return &Client{cfg: cfg, parsing: make(chan struct{}, 1), known: map[string]server{}, http: &http.Client{Transport: cfg.Transport, CheckRedirect: checkRedirect}}
}

// small is what nearly all answers have: it is in memory, and counts for nothing.
const small = 1 << 20

// NewPool returns the budget of the answers that are read, and dealt with, at one time:
// half of it for one host. What is made of an answer has about twice its bytes.
func NewPool(dir string, room func() error) *spool.Pool {
	return spool.New(spool.Config{Dir: dir, Memory: small, InAll: 64 << 20, Total: 256 << 20, Share: 128 << 20, Free: small, Weight: 2, Wait: 10 * time.Second, Room: room, Reuse: true, Class: "answers of upstreams"})
}

// NewTransport returns a transport fit for many upstreams: a pool per host, no
// proxy from the environment, everything dialled through dial, headers with a bound.
func NewTransport(dial func(ctx context.Context, network, addr string) (net.Conn, error)) *http.Transport {
	return &http.Transport{
		DialContext:           dial,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true, // a mebibyte of gzip makes a gibibyte
		MaxIdleConnsPerHost:   8,    // as many as are asked at once
		MaxIdleConns:          1024,
		IdleConnTimeout:       5 * time.Minute,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		WriteBufferSize:       4 << 10,

		MaxResponseHeaderBytes: MaxHeaders,
	}
}

// MaxHeaders is how many bytes the headers of an answer may have. They are read into
// memory, where short ones take a hundred times their bytes, before anything else of the
// answer is known.
const MaxHeaders = 64 << 10

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

// errRelearn says that a server no longer answers as it was learned to.
var errRelearn = errors.New("answer does not fit what the server said it can do")

// Check asks upstream for the refs under prefixes, and HEAD. last is the
// fingerprint of the answer the caller has dealt with, zero for none. Errors
// are *failure.Error.
func (c *Client) Check(ctx context.Context, upstream string, prefixes []string, last Fingerprint) (Result, error) {
	srv, learned := c.lookup(upstream)
	if learned && srv.v2 {
		res, err := c.lsRefs(ctx, srv, prefixes, last)
		if res.Base = srv.base; err == nil {
			return res, nil
		}
		c.forget(upstream)
		if !errors.Is(err, errRelearn) {
			return Result{}, classify(err)
		}
	}
	srv, body, err := c.learn(ctx, upstream)
	if err != nil {
		return Result{}, classify(err)
	}
	var res Result
	if srv.v2 {
		res, err = c.lsRefs(ctx, srv, prefixes, last)
	} else {
		res, err = c.parse(ctx, body, wire.WithoutCapabilities, last, wire.ParseV0)
	}
	if err != nil {
		return Result{}, classify(err)
	}
	res.Base = srv.base
	c.mu.Lock()
	c.known[upstream] = srv
	c.mu.Unlock()
	return res, nil
}

func (c *Client) lookup(upstream string) (server, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.known[upstream]
	return s, ok
}

func (c *Client) forget(upstream string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, upstream)
}

// learn asks what the server can do. The answer of one that does not speak version 2 is
// its refs.
func (c *Client) learn(ctx context.Context, upstream string) (srv server, refs *spool.Body, err error) {
	req, err := http.NewRequest(http.MethodGet, upstream+"/info/refs?service=git-upload-pack", nil)
	if err != nil {
		return server{}, nil, failure.New(failure.Protocol, "the upstream URL cannot be asked", err)
	}
	resp, body, err := c.do(ctx, req)
	if err != nil {
		return server{}, nil, err
	}
	defer func() {
		if refs == nil {
			body.Close()
		}
	}()
	if err := checkType(resp, "application/x-git-upload-pack-advertisement"); err != nil {
		return server{}, nil, err
	}
	srv = server{base: baseOf(resp.Request.URL)}
	caps, v2, err := wire.ParseCapabilities(body.First(small))
	if err != nil {
		return server{}, nil, err
	}
	if !v2 {
		return srv, body, nil
	}
	srv.v2 = true
	if srv.format = caps["object-format"]; srv.format != "" && srv.format != "sha1" {
		return server{}, nil, &wire.FormatError{Format: srv.format}
	}
	srv.unborn = strings.Contains(caps["ls-refs"], "unborn")
	return srv, nil, nil
}

func baseOf(u *url.URL) string {
	final := *u
	final.RawQuery = ""
	return strings.TrimSuffix(final.String(), "/info/refs")
}

func (c *Client) lsRefs(ctx context.Context, srv server, prefixes []string, last Fingerprint) (Result, error) {
	q := wire.LsRefs{Agent: c.cfg.Agent, Format: srv.format, Symrefs: true, Unborn: srv.unborn,
		Prefixes: append([]string{"HEAD"}, prefixes...)}
	body := q.Encode()
	req, err := http.NewRequest(http.MethodPost, srv.base+"/git-upload-pack", bytes.NewReader(body))
	if err != nil {
		return Result{}, err
	}
	req.Header.Set("Content-Type", "application/x-git-upload-pack-request")
	req.Header.Set("Accept", "application/x-git-upload-pack-result")
	resp, answer, err := c.do(ctx, req)
	if err != nil {
		if resp != nil && resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode < 500 {
			return Result{}, fmt.Errorf("%w: %w", errRelearn, err)
		}
		return Result{}, err
	}
	if err := checkType(resp, "application/x-git-upload-pack-result"); err != nil {
		answer.Close()
		return Result{}, fmt.Errorf("%w: %w", errRelearn, err)
	}
	return c.parse(ctx, answer, nil, last, wire.ParseLsRefs)
}

// parse hashes first, with the beginning as hashed has it, and parses only what differs
// from last. A large answer is parsed alone: what is made of it takes several times its
// bytes, and has a place in the budget until it is released.
func (c *Client) parse(ctx context.Context, body *spool.Body, hashed func([]byte) []byte, last Fingerprint, parse func(io.Reader, wire.Limits) (*wire.Advert, error)) (_ Result, err error) {
	kept := false
	defer func() {
		if !kept {
			body.Close()
		}
	}()
	fingerprint, err := fingerprintOf(body, hashed)
	if err != nil {
		return Result{}, failure.New(failure.Disk, "read an answer: "+err.Error(), err)
	}
	res := Result{Fingerprint: fingerprint}
	if res.Fingerprint == last {
		res.Unchanged = true
		return res, nil
	}
	large := body.Len() > small
	if large {
		select {
		case c.parsing <- struct{}{}:
			defer func() { <-c.parsing }()
		case <-ctx.Done():
			return Result{}, context.Cause(ctx)
		}
	}
	in := bufio.NewReaderSize(body.Reader(), 64<<10)
	if res.Advert, err = parse(in, wire.Limits{Refs: c.cfg.MaxRefs, Bytes: maxNames}); err != nil || !large {
		return res, err
	}
	body.Use()
	kept, res.made = true, body
	return res, nil
}

// maxNames is how many bytes the names of an answer may have, together.
const maxNames = 32 << 20

func fingerprintOf(body *spool.Body, hashed func([]byte) []byte) (Fingerprint, error) {
	var h maphash.Hash
	h.SetSeed(seed)
	rest := body.Reader()
	if hashed != nil {
		first := body.First(small)
		if _, err := io.CopyN(io.Discard, rest, int64(len(first))); err != nil {
			return 0, err
		}
		_, _ = h.Write(hashed(first))
	}
	if _, err := io.Copy(&h, rest); err != nil {
		return 0, err
	}
	return Fingerprint(h.Sum64() | 1), nil
}

// do sends one request and reads its whole answer, under the client's bounds. A status
// other than 200 is a *failure.Error; resp is there with it. Asking for refs may be done
// twice: a server that stumbles is asked again once.
func (c *Client) do(ctx context.Context, req *http.Request) (*http.Response, *spool.Body, error) {
	resp, answer, err := c.once(ctx, req)
	if err == nil || !Stumbled(resp, err) || ctx.Err() != nil {
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
	pause := time.NewTimer(c.cfg.Pause)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
		return resp, nil, err
	}
	return c.once(ctx, again)
}

// Stumbled tells whether a server may answer the same request in a moment: it said
// 5xx, and not when to come back, or hung up. Who does not answer, or is not there,
// is left to the schedule.
func Stumbled(resp *http.Response, err error) bool {
	if resp != nil {
		return resp.StatusCode >= 500 && resp.Header.Get("Retry-After") == ""
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

func (c *Client) once(ctx context.Context, req *http.Request) (*http.Response, *spool.Body, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(c.cfg.HeaderTimeout, func() {
		cancel(failure.New(failure.Timeout, fmt.Sprintf("%s did not begin to answer within %s", req.URL.Host, c.cfg.HeaderTimeout), nil))
	})
	defer late.Stop()
	req.Header.Set("User-Agent", "git/"+c.cfg.Agent)
	req.Header.Set("Git-Protocol", "version=2")
	// Nothing is sent for this key. It tells net/http that the request may be
	// repeated when the server closed a kept-alive connection just then.
	req.Header["X-Idempotency-Key"] = nil
	resp, err := c.http.Do(req.WithContext(ctx))
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
	answer := c.cfg.Answers.Body(req.URL.Host, c.cfg.MaxBytes)
	if err := c.readAll(ctx, cancel, resp, answer); err != nil {
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
