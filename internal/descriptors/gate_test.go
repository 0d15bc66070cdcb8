package descriptors

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"gitmirror/internal/testlog"
)

func TestSharesLeaveHalfToTheRest(t *testing.T) {
	for _, limit := range []uint64{256, 512, 1024, 65536, 1 << 30, 1<<63 - 1} {
		s := Share(limit)
		if s.Public < 32 || s.Peers < 16 || s.Unidentified < 16 || uint64(s.Public+s.Peers) > limit/2 || s.Public > most {
			t.Errorf("of %d: %+v", limit, s)
		}
	}
}

// serve answers on a gate until the test ends.
func serve(t *testing.T, places int, h http.HandlerFunc) (*Gate, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := NewGate(l, places)
	s := &http.Server{Handler: h, ConnState: g.State}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(g) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return g, l.Addr().String()
}

func dial(t *testing.T, addr, request string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	return c
}

const whole, half = "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\n"

func answered(c net.Conn) error {
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	rs, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	defer rs.Body.Close()
	_, err = io.Copy(io.Discard, rs.Body)
	return err
}

func TestANewcomerTakesThePlaceOfTheIdlest(t *testing.T) {
	for name, first := range map[string]string{"half a request": half, "an answered request": whole, "nothing": ""} {
		t.Run(name, func(t *testing.T) {
			g, addr := serve(t, 3, func(w http.ResponseWriter, r *http.Request) {})
			var idle []net.Conn
			for i := range 3 {
				c := dial(t, addr, first)
				if first == whole {
					if err := answered(c); err != nil {
						t.Fatal(err)
					}
				}
				idle = append(idle, c)
				testlog.Eventually(t, "the connection to be let in, and idle", func() bool {
					g.mu.Lock()
					defer g.mu.Unlock()
					idle := 0
					for _, c := range g.conns {
						if c.idle {
							idle++
						}
					}
					return idle == i+1
				})
			}
			if err := answered(dial(t, addr, whole)); err != nil {
				t.Fatalf("the newcomer: %v", err)
			}
			_ = idle[0].SetReadDeadline(time.Now().Add(20 * time.Second))
			if _, err := idle[0].Read(make([]byte, 1)); err == nil || isTimeout(err) {
				t.Errorf("the idlest is still there: %v", err)
			}
			if first == half {
				if _, err := io.WriteString(idle[2], "Host: x\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				if err := answered(idle[2]); err != nil {
					t.Errorf("the least idle: %v", err)
				}
			}
		})
	}
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}

func TestABusyRequestKeepsItsPlaceUntilItIsSilent(t *testing.T) {
	release := make(chan struct{})
	g, addr := serve(t, 2, func(w http.ResponseWriter, r *http.Request) { <-release; fmt.Fprint(w, "done") })
	let := sync.OnceFunc(func() { close(release) })
	defer let()
	one, two := dial(t, addr, whole), dial(t, addr, whole)
	testlog.Eventually(t, "both to be served", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		busy := 0
		for _, c := range g.conns {
			if !c.idle {
				busy++
			}
		}
		return busy == 2
	})
	if err := answered(dial(t, addr, whole)); err == nil || isTimeout(err) {
		t.Fatalf("a third got %v, want to be closed", err)
	}
	// The first has moved no byte for a while.
	g.mu.Lock()
	for _, c := range g.conns {
		if c.RemoteAddr().String() == one.LocalAddr().String() {
			c.pace.Silence(2 * silent)
		}
	}
	g.mu.Unlock()
	three := dial(t, addr, whole)
	_ = one.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := one.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("the silent request keeps its place: %v", err)
	}
	let()
	for _, c := range []net.Conn{two, three} {
		if err := answered(c); err != nil {
			t.Error(err)
		}
	}
}
