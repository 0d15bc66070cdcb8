package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/wire"
)

// Packs sends packs to this process, where there is no git to fetch them.
type Packs interface {
	// Pack asks for one, and returns it as it comes. The words of the other side are told to
	// say. It takes two requests, as git's do: the first learns what the server can do. Errors,
	// of reading too, are for Classify. The pack must be closed.
	Pack(ctx context.Context, q wire.Fetch, say func([]byte)) (io.ReadCloser, error)
}

// Pack goes the same way as git would.
func (w *way) Pack(ctx context.Context, q wire.Fetch, say func([]byte)) (io.ReadCloser, error) {
	proxy, err := url.Parse(w.URL())
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{Proxy: http.ProxyURL(proxy), DisableCompression: true, TLSHandshakeTimeout: tlsTimeout, MaxResponseHeaderBytes: maxHeaders}
	pack, err := (&packServer{again{transport}, w.upstream, w.explain}).Pack(ctx, q, say)
	if err != nil {
		transport.CloseIdleConnections()
		return nil, err
	}
	return closing{pack, transport.CloseIdleConnections}, nil
}

// explain says why the upstream could not be asked.
func (w *way) explain(err error) error {
	switch {
	case w.Strayed() != "":
		return strayed(w.Strayed())
	case isDenied(err):
		return deniedTo(err)
	}
	return err
}

// isDenied tells our own proxy's answer.
func isDenied(err error) bool { return strings.Contains(err.Error(), "not allowed by ruleset") }

func deniedTo(err error) *failure.Error {
	return failure.New(failure.Refused, "the upstream led git to an address that is denied", err)
}

// closing closes something else as well.
type closing struct {
	io.ReadCloser
	also func()
}

func (c closing) Close() error {
	defer c.also()
	return c.ReadCloser.Close()
}

// FromPeer is the peer at that URL.
func FromPeer(transport http.RoundTripper, url string) Packs {
	return &packServer{transport, url, func(err error) error { return err }}
}

// packServer is a server of which nothing is known yet. It is asked by its address alone: a
// redirect is refused, since the check has followed all of them.
type packServer struct {
	transport http.RoundTripper
	base      string
	explain   func(error) error
}

func (s *packServer) Pack(ctx context.Context, q wire.Fetch, say func([]byte)) (io.ReadCloser, error) {
	body, v2, err := s.learn(ctx, q)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+"/git-upload-pack", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-git-upload-pack-request")
	req.Header.Set("Accept", "application/x-git-upload-pack-result")
	resp, err := s.do(req, q.Agent)
	if err != nil {
		return nil, err
	}
	bands, err := s.open(resp, v2, say)
	if err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{bands, resp.Body}, nil
}

func (s *packServer) open(resp *http.Response, v2 bool, say func([]byte)) (*wire.Bands, error) {
	if err := checkType(resp, "application/x-git-upload-pack-result"); err != nil {
		return nil, err
	}
	bands, err := wire.Pack(resp.Body, v2, say)
	if said := (*wire.ServerError)(nil); errors.As(err, &said) && strings.Contains(said.Message, "not our ref") {
		return nil, failure.New(failure.Protocol, "the upstream says: "+said.Message, err) // it has moved on since it was asked
	}
	return bands, err
}

// learn finds out how the server is to be asked.
func (s *packServer) learn(ctx context.Context, q wire.Fetch) (body []byte, v2 bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+infoRefs+"?service=git-upload-pack", nil)
	if err != nil {
		return nil, false, failure.New(failure.Protocol, "the upstream URL cannot be asked", err)
	}
	resp, err := s.do(req, q.Agent)
	if err != nil {
		return nil, false, err
	}
	defer resp.Body.Close()
	if err := checkType(resp, "application/x-git-upload-pack-advertisement"); err != nil {
		return nil, false, err
	}
	// Of version 0 the first ref is enough, which has the capabilities.
	first, err := io.ReadAll(io.LimitReader(resp.Body, wire.MaxPayload+1<<10))
	if err != nil {
		return nil, false, err
	}
	caps, v2, err := wire.ParseCapabilities(first)
	if err != nil {
		return nil, false, err
	}
	if !v2 {
		caps, err := wire.ParseCapabilitiesV0(first)
		if err != nil {
			return nil, false, err
		}
		body, err = q.EncodeV0(caps)
		return body, false, err
	}
	if q.Format = caps["object-format"]; q.Format != "" && q.Format != "sha1" {
		return nil, false, &wire.FormatError{Format: q.Format}
	}
	return q.Encode(), true, nil
}

// do sends a request. A status other than 200 is an error.
func (s *packServer) do(req *http.Request, agent string) (*http.Response, error) {
	req.Header.Set("User-Agent", "git/"+agent)
	req.Header.Set("Git-Protocol", "version=2")
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		return nil, s.explain(err)
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		_ = resp.Body.Close()
		return nil, failure.New(failure.Protocol, fmt.Sprintf("%s leads elsewhere (%d) when it is asked for a pack", req.URL.Host, resp.StatusCode), nil)
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, ofStatus(resp)
	}
	if enc := resp.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		_ = resp.Body.Close()
		return nil, failure.New(failure.Protocol, fmt.Sprintf("the upstream packs its answer (%.20q), which was not asked for", enc), nil)
	}
	return resp, nil
}
