package remote

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"gitmirror/mirror/failure"
)

// relayTo is a relay to an upstream, by a way as the engine makes it.
func relayTo(t *testing.T, upstream string, allow ...string) *relay {
	t.Helper()
	return openWay(t, remotes(t, allow...).Open(upstream))
}

// ask sends a request through the relay, as git does.
func (r *relay) ask(t *testing.T, proxy, target, body string) int {
	t.Helper()
	p, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{Proxy: http.ProxyURL(p)}
	defer tr.CloseIdleConnections()
	rq, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := tr.RoundTrip(rq)
	if err != nil { // a tunnel that was refused
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func TestTheRelayAsksAgainOnce(t *testing.T) {
	var asked atomic.Int32
	for name, c := range map[string]struct {
		answer  func(w http.ResponseWriter, n int32)
		body    string
		status  int
		request int32
	}{
		"it stumbles":        {func(w http.ResponseWriter, n int32) { w.WriteHeader(map[bool]int{true: 503, false: 200}[n == 1]) }, "want", 200, 2},
		"it hangs up":        {func(w http.ResponseWriter, n int32) { hangUpAtFirst(n) }, "want", 200, 2},
		"it is down":         {func(w http.ResponseWriter, n int32) { w.WriteHeader(500) }, "want", 500, 2},
		"it says when":       {func(w http.ResponseWriter, n int32) { w.Header().Set("Retry-After", "9"); w.WriteHeader(503) }, "want", 503, 1},
		"it is gone":         {func(w http.ResponseWriter, n int32) { w.WriteHeader(404) }, "want", 404, 1},
		"more than is kept":  {func(w http.ResponseWriter, n int32) { w.WriteHeader(503) }, strings.Repeat("x", relayKeeps), 503, 1},
		"just what is kept":  {func(w http.ResponseWriter, n int32) { w.WriteHeader(503) }, strings.Repeat("x", relayKeeps-1), 503, 2},
		"nothing is the way": {func(w http.ResponseWriter, n int32) {}, "", 200, 1},
	} {
		asked.Store(0)
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if data, err := io.ReadAll(r.Body); err != nil || string(data) != c.body {
				t.Errorf("%s: %d bytes of %d came, %v", name, len(data), len(c.body), err)
			}
			if r.Header.Get("Proxy-Authorization") != "" {
				t.Errorf("%s: the upstream was told git's password", name)
			}
			c.answer(w, asked.Add(1))
		}))
		r := relayTo(t, s.URL+"/x.git", "127.0.0.0/8")
		if status := r.ask(t, r.proxy, r.url+"/git-upload-pack", c.body); status != c.status || asked.Load() != c.request {
			t.Errorf("%s: %d after %d requests, want %d after %d", name, status, asked.Load(), c.status, c.request)
		}
		s.Close()
	}
}

func hangUpAtFirst(n int32) {
	if n == 1 {
		panic(http.ErrAbortHandler)
	}
}

func TestTheRelaySpeaksTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	defer s.Close()
	r := relayTo(t, s.URL+"/x.git", "127.0.0.0/8")
	if status := r.ask(t, r.proxy, r.url+"/info/refs", ""); status != http.StatusBadGateway {
		t.Errorf("a certificate that nobody knows: %d", status)
	}
	if f := r.cause(); f == nil || f.Class != failure.TLSVerify || !strings.Contains(f.Message, "certificate") {
		t.Errorf("cause %v", f)
	}
	r = relayTo(t, s.URL+"/x.git", "127.0.0.0/8")
	r.out.TLSClientConfig = s.Client().Transport.(*http.Transport).TLSClientConfig
	if status := r.ask(t, r.proxy, r.url+"/info/refs", ""); status != http.StatusTeapot {
		t.Errorf("%d", status)
	}
	f := r.Explain(failure.New(failure.Network, "unable to access '"+r.url+"/': no", nil))
	if !strings.Contains(f.Message, s.URL) {
		t.Errorf("git's words name %q", f.Message)
	}
}

// What an upstream puts into its headers, the relay has in memory: it has a bound, and
// what is said of it has one too.
func TestHeadersForTheRelayHaveABudget(t *testing.T) {
	for name, answer := range map[string]string{
		"a large header":     "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 100<<10) + "\r\nContent-Length: 0\r\n\r\n",
		"a line without end": "HTTP/1.1 200 OK\r\n" + strings.Repeat("Z", 60<<10) + "\r\n\r\n",
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, answer)
			_ = conn.Close()
		}))
		r := relayTo(t, s.URL+"/x.git", "127.0.0.0/8")
		if status := r.ask(t, r.proxy, r.url+"/info/refs", ""); status != http.StatusBadGateway {
			t.Errorf("%s: %d", name, status)
		}
		if f := r.cause(); f == nil || len(f.Message) > 500 {
			t.Errorf("%s: cause %.600v", name, f)
		}
		s.Close()
	}
}

// git takes the upstream for one that speaks http, and leaves out its port.
func TestTheRelayKnowsItsUpstream(t *testing.T) {
	for _, c := range []struct {
		asked, upstream string
		same            bool
	}{
		{"example.org", "example.org", true}, {"EXAMPLE.org", "example.org", true}, {"example.org:8443", "example.org:8443", true},
		{"example.org", "example.org:80", true}, {"[::1]", "[::1]:80", true},
		{"example.org:8443", "example.org:08443", true}, {"example.org", "example.org:0080", true}, {"[::1]:8080", "[0:0::1]:8080", true}, {"[::1]", "[::1]", true},
		{"[::1]:8080", "[::2]:8080", false}, {"example.org:844", "example.org:8440", false}, {"example.org:8443", "example.org:18443", false},
		{"example.org", "example.org:8443", false}, {"example.org:8080", "example.org", false}, {"other.org", "example.org", false},
	} {
		if got := sameHost(c.asked, c.upstream); got != c.same {
			t.Errorf("git asks %s of the upstream %s: %v", c.asked, c.upstream, got)
		}
	}
}

// An upstream that spells its port with zeros is asked there all the same, and one that
// speaks https on the port of http, which git leaves out, is asked on that port.
func TestTheRelayAsksOnThePortOfTheUpstream(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	defer s.Close()
	r := relayTo(t, strings.Replace(s.URL, "127.0.0.1:", "127.0.0.1:0", 1)+"/x.git", "127.0.0.0/8")
	if status := r.ask(t, r.proxy, s.URL+"/x.git/info/refs", ""); status != http.StatusTeapot {
		t.Errorf("a port with a zero before it: %d, %v", status, r.cause())
	}
	overTLS := httptest.NewTLSServer(s.Config.Handler)
	defer overTLS.Close()
	r = relayTo(t, "https://127.0.0.1:80/x.git", "127.0.0.0/8")
	var dialled atomic.Value
	r.out.Proxy, r.out.TLSClientConfig = nil, overTLS.Client().Transport.(*http.Transport).TLSClientConfig
	r.out.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		dialled.Store(addr)
		return (&net.Dialer{}).DialContext(ctx, network, overTLS.Listener.Addr().String())
	}
	if status := r.ask(t, r.proxy, "http://127.0.0.1/x.git/info/refs", ""); status != http.StatusTeapot || dialled.Load() != "127.0.0.1:80" {
		t.Errorf("https on the port of http: %d, asked at %v", status, dialled.Load())
	}
}

// The relay leads to its upstream alone, and is for our git alone.
func TestTheRelayLeadsNowhereElse(t *testing.T) {
	var asked atomic.Int32
	count := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	s, other, otherTLS := httptest.NewServer(count), httptest.NewServer(count), httptest.NewTLSServer(count)
	for _, c := range []interface{ Close() }{s, other, otherTLS} {
		defer c.Close()
	}
	for name, c := range map[string]struct {
		allow, target string
		refused       string
	}{
		"another host":       {"127.0.0.0/8", other.URL, "not where it is"},
		"another, tunnelled": {"127.0.0.0/8", otherTLS.URL, "not where it is"},
		"a denied address":   {"10.0.0.0/8", s.URL, "address that is denied"},
	} {
		r := relayTo(t, s.URL+"/x.git", c.allow)
		status := r.ask(t, r.proxy, c.target+"/info/refs", "")
		if f := r.cause(); status == 200 || f == nil || f.Class != failure.Refused || !strings.Contains(f.Message, c.refused) {
			t.Errorf("%s: %d, %v", name, status, f)
		}
	}
	r := relayTo(t, s.URL+"/x.git", "127.0.0.0/8")
	stranger := strings.Replace(r.proxy, "git:", "git:x", 1)
	if status := r.ask(t, stranger, r.url+"/info/refs", ""); status != http.StatusProxyAuthRequired {
		t.Errorf("a stranger: %d", status)
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("%d requests went out", n)
	}
}
