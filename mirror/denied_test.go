package mirror_test

import (
	"context"
	"encoding/binary"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"gitmirror/internal/egress"
	"gitmirror/internal/gittest"
	"gitmirror/mirror"
	"gitmirror/mirror/failure"
)

// forbidden listens at an address that the policy of these tests denies, at that port,
// and counts who comes.
func forbidden(t *testing.T, port string) *atomic.Int32 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.2:"+port)
	if err != nil {
		t.Fatal(err)
	}
	var came atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			came.Add(1)
		}
	}
	_ = s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return &came
}

// onlyOne is a policy that allows 127.0.0.1, and no other address of this machine.
func onlyOne(t *testing.T) func(*mirror.Config) {
	policy, err := egress.NewPolicy([]string{"127.0.0.1/32"})
	if err != nil {
		t.Fatal(err)
	}
	return func(c *mirror.Config) { c.Egress = policy }
}

func portOf(t *testing.T, s string) string {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}

// byGit tells git's requests from those of a check.
func byGit(r *http.Request) bool { return !strings.Contains(r.UserAgent(), "gitmirror") }

// What passes when it is checked may lead git elsewhere when it fetches.
func TestGitIsNotLedToADeniedAddress(t *testing.T) {
	up := gittest.Upstream(t)
	sample(t, up, "x.git")
	port := portOf(t, up.URL(""))
	came := forbidden(t, port)
	var led atomic.Bool
	led.Store(true)
	up.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if led.Load() && byGit(r) {
			http.Redirect(w, r, "http://127.0.0.2:"+port+r.URL.RequestURI(), http.StatusFound)
			return true
		}
		return false
	})
	b := newBook()
	n := startNode(t, b, t.TempDir(), onlyOne(t))
	owned(t, b, n, map[string]string{"repox": up.URL("x.git")})
	failsAs(t, n, "repox", failure.Refused)
	if came.Load() > 0 {
		t.Errorf("%d connections went to a denied address", came.Load())
	}
	led.Store(false)
	arrives(t, n, "repox", 1)
}

// A name is looked up again for git: it may lead elsewhere by then.
func TestGitIsNotReboundToADeniedAddress(t *testing.T) {
	up := gittest.Upstream(t)
	sample(t, up, "x.git")
	port := portOf(t, up.URL(""))
	came := forbidden(t, port)
	var rebound atomic.Bool
	nameServer(t, func() netip.Addr {
		if rebound.Load() {
			return netip.MustParseAddr("127.0.0.2")
		}
		return netip.MustParseAddr("127.0.0.1")
	})
	up.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		rebound.Store(true) // the check has its connection
		return false
	})
	b := newBook()
	n := startNode(t, b, t.TempDir(), onlyOne(t))
	owned(t, b, n, map[string]string{"repox": strings.Replace(up.URL("x.git"), "127.0.0.1", "rebind.example", 1)})
	s := failsAs(t, n, "repox", failure.Refused)
	if came.Load() > 0 || !strings.Contains(s.Failure.Message, "denied") {
		t.Errorf("%d connections went to a denied address; %s", came.Load(), s.Failure.Message)
	}
}

// nameServer has every name in this process lead to what addr returns.
func nameServer(t *testing.T, addr func() netip.Addr) {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = pc.WriteTo(resolve(buf[:n], addr()), from)
		}
	}()
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
	t.Cleanup(func() { net.DefaultResolver = before; _ = pc.Close() })
}

// resolve answers a DNS query (RFC 1035) for an IPv4 address, others with nothing.
func resolve(query []byte, addr netip.Addr) []byte {
	end := 12
	for end < len(query) && query[end] != 0 {
		end += int(query[end]) + 1
	}
	question := query[12 : end+5]
	answer := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question...)
	if kind := binary.BigEndian.Uint16(question[len(question)-4:]); kind == 1 {
		answer[7] = 1
		answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		answer = append(answer, addr.AsSlice()...)
	}
	return answer
}
