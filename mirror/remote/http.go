package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"gitmirror/internal/spool"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/wire"
)

// site is an upstream that speaks HTTP.
type site struct {
	*Remotes
	url   string
	base  string // where LsRefs has found it; the url before that
	moved string // where it is from now on, as it said to LsRefs
}

// server is what was learned about one upstream URL: once, and again after an odd answer,
// or when its redirects are to be asked for again.
type server struct {
	base   string    // where its redirects lead, without /info/refs
	until  time.Time // when that is to be asked again, zero where there was no redirect
	moved  string    // where it is from now on, empty for where it was
	v2     bool
	format string // object-format to send, empty where none was announced
	unborn bool
}

// errRelearn says that a server no longer answers as it was learned to.
var errRelearn = errors.New("answer does not fit what the server said it can do")

// LsRefs takes one request in protocol version 2, and one more to learn what the server
// can do. Servers of version 0 are asked for their whole advertisement.
func (s *site) LsRefs(ctx context.Context, prefixes []string) (*Answer, error) {
	srv, body, err := s.ask(ctx, prefixes)
	if err != nil {
		return nil, Classify(err)
	}
	s.base, s.moved = srv.base, srv.moved
	return &Answer{body: body, from: s, v2: srv.v2}, nil
}

func (s *site) ask(ctx context.Context, prefixes []string) (server, *spool.Body, error) {
	srv, learned := s.known.lookup(s.url)
	if learned {
		body, err := s.lsRefs(ctx, srv, prefixes)
		if err == nil {
			return srv, body, nil
		}
		s.known.forget(s.url)
		if !errors.Is(err, errRelearn) {
			return server{}, nil, err
		}
	}
	srv, body, err := s.learn(ctx)
	if err == nil && srv.v2 {
		body, err = s.lsRefs(ctx, srv, prefixes)
	}
	if err != nil {
		return server{}, nil, err
	}
	s.known.remember(s.url, srv)
	return srv, body, nil
}

// learn asks what the server can do. The answer of one that does not speak version 2 is
// its refs.
func (s *site) learn(ctx context.Context) (srv server, refs *spool.Body, err error) {
	req, err := http.NewRequest(http.MethodGet, s.url+infoRefs+"?service=git-upload-pack", nil)
	if err != nil {
		return server{}, nil, failure.New(failure.Protocol, "the upstream URL cannot be asked", err)
	}
	resp, body, err := s.do(ctx, req)
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
	srv = server{base: baseOf(resp.Request.URL), until: untilOf(resp, time.Now()), moved: movedTo(s.url, resp)}
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
	return strings.TrimSuffix(final.String(), infoRefs)
}

func (s *site) lsRefs(ctx context.Context, srv server, prefixes []string) (*spool.Body, error) {
	q := wire.LsRefs{Agent: s.cfg.Agent, Format: srv.format, Symrefs: true, Unborn: srv.unborn,
		Prefixes: append([]string{"HEAD"}, prefixes...)}
	req, err := http.NewRequest(http.MethodPost, srv.base+"/git-upload-pack", bytes.NewReader(q.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-git-upload-pack-request")
	req.Header.Set("Accept", "application/x-git-upload-pack-result")
	resp, body, err := s.do(ctx, req)
	if err != nil {
		if resp != nil && resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode < 500 {
			return nil, fmt.Errorf("%w: %w", errRelearn, err)
		}
		return nil, err
	}
	if err := checkType(resp, "application/x-git-upload-pack-result"); err != nil {
		body.Close()
		return nil, fmt.Errorf("%w: %w", errRelearn, err)
	}
	return body, nil
}
