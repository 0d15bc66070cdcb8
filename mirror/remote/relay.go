package remote

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
	"gitmirror/mirror/failure"
	"gitmirror/mirror/git"
)

// relay is git's proxy for one fetch: it passes requests on to the upstream by its way,
// and asks a server that stumbles again, once, which git does not. Both requests of a
// fetch may be made twice. It speaks TLS to the upstream, and git speaks to it in plain
// HTTP: what git tunnels could not be asked again, and has nowhere to go.
type relay struct {
	proxy    string // git's http.proxy
	url      string // what git is sent to
	upstream string // as its owner spells it
	out      *http.Transport

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

func newRelay(to string, by *egress.Grant, log *slog.Logger) (*relay, error) {
	upstream, err := url.Parse(to)
	if err != nil {
		return nil, err
	}
	out, err := url.Parse(by.URL())
	if err != nil {
		return nil, err
	}
	l, err := network.Host.Listen("127.0.0.1:0") // git runs here
	if err != nil {
		return nil, fmt.Errorf("listen for git's relay: %w", err)
	}
	password := rand.Text()
	r := &relay{proxy: fmt.Sprintf("http://git:%s@%s", password, l.Addr()), upstream: to,
		out: &http.Transport{Proxy: http.ProxyURL(out), DisableCompression: true, TLSHandshakeTimeout: tlsTimeout, MaxResponseHeaderBytes: maxHeaders}}
	plain := *upstream
	plain.Scheme = "http"
	r.url = plain.String()
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
				r.fail(by, err)
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

// Close ends what is under way.
func (r *relay) Close() {
	_ = r.server.Close()
	r.serving.Wait()
	r.out.CloseIdleConnections()
}

func strayed(to string) *failure.Error {
	return failure.New(failure.Refused, fmt.Sprintf("the upstream led git to %.100q, which is not where it is", to), nil)
}

// fail notes why the upstream could not be asked.
func (r *relay) fail(by *egress.Grant, err error) {
	switch {
	case by.Strayed() != "":
		r.note(strayed(by.Strayed()))
	case isDenied(err):
		r.note(deniedTo(err))
	default:
		f := Classify(err)
		r.note(failure.New(f.Class, "the upstream cannot be asked for a pack: "+f.Message, err))
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

// URL is what git is sent to: this relay is its proxy for http alone.
func (r *relay) URL() string { return r.url }

// Settings make this relay git's proxy.
func (r *relay) Settings() []git.Setting {
	return []git.Setting{{Key: "http.proxy", Value: r.proxy}, {Key: "http.proxyAuthMethod", Value: "basic"}}
}

// Explain is why the upstream could not be asked, else git's words about it.
func (r *relay) Explain(why *failure.Error) *failure.Error {
	if cause := r.cause(); cause != nil {
		return cause
	}
	why.Message = strings.ReplaceAll(why.Message, r.url, r.upstream)
	return why
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
	if !whole || !stumbled(resp, err) || r.Context().Err() != nil {
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
