package peer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"gitmirror/internal/network"
	"gitmirror/internal/refusal"
)

// peerThat answers every call with answer, and a client that is not patient.
func peerThat(t *testing.T, answer http.HandlerFunc) (addr string, c *Client) {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	c = NewClient(network.Host, func() string { return "c" }, nil)
	c.quick = patience{begin: 100 * time.Millisecond, stall: 100 * time.Millisecond, enough: 1 << 10}
	t.Cleanup(c.Close)
	return s.Listener.Addr().String(), c
}

// silent reads a call and never answers.
func silent(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// A stopped process accepts connections and says nothing: every call but a
// check that is waited for ends by itself.
func TestEveryCallOfASilentPeerEnds(t *testing.T) {
	addr, c := peerThat(t, silent)
	calls := map[string]func(context.Context) error{
		"hello":   func(ctx context.Context) error { _, err := c.Hello(ctx, addr); return err },
		"join":    func(ctx context.Context) error { _, err := c.Join(ctx, addr, JoinRequest{}); return err },
		"index":   func(ctx context.Context) error { _, err := c.ReadIndex(ctx, addr); return err },
		"live":    func(ctx context.Context) error { _, err := c.Live(ctx, addr, []string{"x"}); return err },
		"table":   func(ctx context.Context) error { _, err := c.Table(ctx, addr, "x", 1); return err },
		"sync":    func(ctx context.Context) error { _, err := c.Sync(ctx, addr, "x", false); return err },
		"propose": func(ctx context.Context) error { _, _, err := c.Propose(ctx, addr, []byte("x")); return err },
		"pulse":   func(ctx context.Context) error { _, err := c.Pulse(ctx, addr); return err },
		"whois":   func(ctx context.Context) error { _, err := c.Whois(ctx, addr, Claim{}); return err },
		"member":  func(ctx context.Context) error { _, err := c.Member(ctx, addr, "x"); return err },
		"forward": func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/api/v1/status", nil)
			if err != nil {
				return err
			}
			_, err = c.Transport(c.quick.begin).RoundTrip(req)
			return err
		},
	}
	for name, call := range calls {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		err := call(ctx)
		var silent *SilentError
		if !errors.As(err, &silent) || silent.Begun || ctx.Err() != nil {
			t.Errorf("%s ended with %v, want a SilentError long before the caller's own bound", name, err)
		}
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%s: %v does not count as a timeout", name, err)
		}
		cancel()
	}
	if _, _, err := c.Propose(t.Context(), addr, nil); !errors.Is(err, refusal.UnknownOutcome) {
		t.Errorf("a proposal that was not answered ends with %v, want unknown_outcome: it may be committed", err)
	}
}

func TestACheckThatIsWaitedForIsBoundByItsCaller(t *testing.T) {
	addr, c := peerThat(t, silent)
	ctx, cancel := context.WithTimeout(t.Context(), 3*c.quick.begin)
	defer cancel()
	if _, err := c.Sync(ctx, addr, "x", true); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it ended with %v, want the caller's deadline", err)
	}
}

// A table that trickles is given up, a large one that comes slowly is not.
func TestAnswersMustMakeProgress(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 40<<10)
	send := func(piece int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			for rest := large; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
				if _, err := w.Write(rest[:min(piece, len(rest))]); err != nil {
					return
				}
				_ = http.NewResponseController(w).Flush()
				tick := time.NewTimer(10 * time.Millisecond)
				select {
				case <-tick.C:
				case <-r.Context().Done():
					return
				}
			}
		}
	}
	addr, c := peerThat(t, send(1))
	_, err := c.Table(t.Context(), addr, "x", 1)
	var silent *SilentError
	if !errors.As(err, &silent) || !silent.Begun {
		t.Errorf("a table that trickles: %v, want a SilentError in the middle of the answer", err)
	}
	addr, c = peerThat(t, send(2<<10))
	if data, err := c.Table(t.Context(), addr, "x", 1); err != nil || !bytes.Equal(data, large) {
		t.Errorf("a table that comes slowly: %d bytes, %v", len(data), err)
	}
}

// The clock stands still while the reader does something else.
func TestASlowReaderIsNotThePeersFault(t *testing.T) {
	addr, c := peerThat(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte("x"), 4<<10)) })
	resp, err := c.send(t.Context(), c.quick, http.MethodGet, addr, pathHello, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	one := make([]byte, 100)
	if _, err := io.ReadFull(resp.Body, one); err != nil {
		t.Fatal(err)
	}
	idle := time.NewTimer(2 * c.quick.stall)
	<-idle.C
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) != 4<<10-100 {
		t.Errorf("after a pause of the reader: %d bytes, %v", len(rest), err)
	}
}

// Whoever sits at an address that a stranger gave has no more of our memory for headers
// than a node needs.
func TestHeadersHaveABound(t *testing.T) {
	addr, c := peerThat(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X", string(bytes.Repeat([]byte("x"), 100<<10)))
		_, _ = io.WriteString(w, "{}")
	})
	if _, err := c.Hello(t.Context(), addr); err == nil {
		t.Error("100 KiB of headers were read")
	}
}

// Connections that have gone dead while they were idle, as behind a firewall that forgot them,
// are not waited for one after the other: the first that says nothing takes the rest along.
func TestOneDeadConnectionIsTheLast(t *testing.T) {
	const idle = 8
	var old sync.Map // connections by address, which are dead from the next call on
	var together sync.WaitGroup
	together.Add(idle)
	addr, c := peerThat(t, func(w http.ResponseWriter, r *http.Request) {
		if _, dead := old.Load(r.RemoteAddr); dead {
			silent(w, r)
			return
		}
		if r.Header.Get(headerCluster) == "before" {
			old.Store(r.RemoteAddr, true)
			together.Done()
			together.Wait()
		}
		_, _ = io.WriteString(w, "{}")
	})
	c.quick.begin = 10 * time.Second
	cluster := "before"
	c.cluster = func() string { return cluster }
	var calls sync.WaitGroup
	for range idle {
		calls.Go(func() {
			if _, err := c.Hello(t.Context(), addr); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	cluster, c.quick.begin = "after", 100*time.Millisecond
	var is *SilentError
	if _, err := c.Hello(t.Context(), addr); !errors.As(err, &is) {
		t.Fatalf("over a dead connection: %v", err)
	}
	c.quick.begin = 10 * time.Second
	if _, err := c.Hello(t.Context(), addr); err != nil {
		t.Errorf("the next call is over another dead one: %v", err)
	}
}
