package fetch

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"gitmirror/internal/egress"
	"gitmirror/internal/network"
	"gitmirror/mirror/detect"
	"gitmirror/mirror/failure"
)

// relay is git's proxy for one fetch: it passes requests on to the upstream by its way,
// and asks a server that stumbles again, once, which git does not. Both requests of a
// fetch may be made twice. It speaks TLS to the upstream, and git speaks to it in plain
// HTTP: what git tunnels could not be asked again, and has nowhere to go.
type relay struct {
	Proxy  string // git's http.proxy
	URL    string // what git is sent to
	source string
	out    *http.Transport

	server  *http.Server
	serving sync.WaitGroup

	mu     sync.Mutex
	failed *failure.Error // the first
}

const (
	relayPause = 250 * time.Millisecond
	// relayKeeps is the largest body that is kept to be sent again.
	relayKeeps = 1 << 20
	// relayRefs is what an upstream may say of its refs, as for a check.
	relayRefs = 64 << 20
)

func newRelay(src Source, log *slog.Logger) (*relay, error) {
	upstream, err := url.Parse(src.URL)
	if err != nil {
		return nil, err
	}
	way, err := url.Parse(src.Way.URL())
	if err != nil {
		return nil, err
	}
	l, err := network.Host.Listen("127.0.0.1:0") // git runs here
	if err != nil {
		return nil, fmt.Errorf("listen for git's relay: %w", err)
	}
	password := rand.Text()
	r := &relay{Proxy: fmt.Sprintf("http://git:%s@%s", password, l.Addr()), source: src.URL,
		out: &http.Transport{Proxy: http.ProxyURL(way), DisableCompression: true, TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: detect.MaxHeaders}}
	plain := *upstream
	plain.Scheme = "http"
	r.URL = plain.String()
	pass := &httputil.ReverseProxy{
		Transport:     again{r.out},
		FlushInterval: -1,
		ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = upstream.Scheme, upstream.Host
			p.Out.Header.Del("Accept-Encoding") // git would unpack without a bound
		},
		ModifyResponse: func(resp *http.Response) error {
			if enc := resp.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
				r.note(failure.New(failure.Protocol, fmt.Sprintf("the upstream packs its answer (%.20q), which was not asked for", enc), nil))
				return errUnasked
			}
			if resp.Request.Method == http.MethodGet {
				resp.Body = http.MaxBytesReader(nil, resp.Body, relayRefs) // git has all of it in memory
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, rq *http.Request, err error) {
			if rq.Context().Err() == nil {
				r.fail(src.Way, err)
			}
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	r.server = &http.Server{ReadHeaderTimeout: 10 * time.Second, ErrorLog: pass.ErrorLog, Handler: http.HandlerFunc(func(w http.ResponseWriter, rq *http.Request) {
		known := &http.Request{Header: http.Header{"Authorization": rq.Header["Proxy-Authorization"]}}
		switch _, given, _ := known.BasicAuth(); {
		case given != password:
			w.WriteHeader(http.StatusProxyAuthRequired)
		case rq.Method == http.MethodConnect || !rq.URL.IsAbs() || !sameHost(rq.URL.Host, upstream.Host):
			r.note(strayed(rq.Host))
			w.WriteHeader(http.StatusForbidden)
		default:
			pass.ServeHTTP(w, rq)
		}
	})}
	r.serving.Go(func() { _ = r.server.Serve(l) }) // until close
	return r, nil
}

// sameHost tells whether git means the upstream: it leaves out the port of http, which it
// takes the upstream for, whatever that speaks. What is not its host is never asked, in
// clear text least of all.
//
// An upstream may spell its own host as it likes, in a redirect; git spells it anew.
func sameHost(asked, upstream string) bool {
	a, u := url.URL{Host: asked}, url.URL{Host: upstream}
	return egress.Place(a.Hostname(), cmp.Or(a.Port(), "80")) == egress.Place(u.Hostname(), cmp.Or(u.Port(), "80"))
}

var errUnasked = errors.New("not asked for")

func (r *relay) close() {
	_ = r.server.Close()
	r.serving.Wait()
	r.out.CloseIdleConnections()
}

func strayed(to string) *failure.Error {
	return failure.New(failure.Refused, fmt.Sprintf("the upstream led git to %.100q, which is not where it is", to), nil)
}

// fail notes why the upstream could not be asked.
func (r *relay) fail(way Way, err error) {
	switch {
	case way.Strayed() != "":
		r.note(strayed(way.Strayed()))
	case strings.Contains(err.Error(), "not allowed by ruleset"): // our own proxy's answer
		r.note(failure.New(failure.Refused, "the upstream led git to an address that is denied", err))
	default:
		f := failure.Of(err)
		r.note(failure.New(f.Class, "the upstream cannot be asked for a pack: "+failure.Clip(f.Message, 300), err))
	}
}

func (r *relay) note(f *failure.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == nil {
		r.failed = f
	}
}

// cause is why git could not reach the upstream, nil if it did.
func (r *relay) cause() *failure.Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// spell has git's words name the upstream as its owner does.
func (r *relay) spell(f *failure.Error) *failure.Error {
	f.Message = strings.ReplaceAll(f.Message, r.URL, r.source)
	return f
}

// again asks once more where the first answer was a stumble.
type again struct{ next http.RoundTripper }

func (a again) RoundTrip(r *http.Request) (*http.Response, error) {
	body, whole, err := keep(r.Body)
	if err != nil {
		return nil, err
	}
	send := func() (*http.Response, error) {
		rq := r.Clone(r.Context())
		if rq.Body = http.NoBody; body != nil {
			rq.Body = io.NopCloser(bytes.NewReader(body))
		}
		if !whole {
			rq.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), r.Body))
		}
		return a.next.RoundTrip(rq)
	}
	resp, err := send()
	if !whole || !detect.Stumbled(resp, err) || r.Context().Err() != nil {
		return resp, err
	}
	pause := time.NewTimer(relayPause)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-r.Context().Done():
		return resp, err
	}
	if resp != nil {
		_ = resp.Body.Close()
	}
	return send()
}

// keep reads what there is of a body, up to a bound; whole is false when there is more.
func keep(body io.Reader) (data []byte, whole bool, err error) {
	if body == nil || body == http.NoBody {
		return nil, true, nil
	}
	data, err = io.ReadAll(io.LimitReader(body, relayKeeps))
	return data, len(data) < relayKeeps, err
}
