package fetch_test

import (
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gitmirror/internal/egress"
	"gitmirror/internal/gittest"
	"gitmirror/internal/network"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/fetch"
	"gitmirror/mirror/remote"
	"gitmirror/mirror/wire"
)

// way is one to an upstream, until the test ends.
func way(t *testing.T, url string) remote.Way { return wayAllowed(t, url, "127.0.0.0/8") }

// wayAllowed is a way where the operator allows those addresses.
func wayAllowed(t *testing.T, url string, allow ...string) remote.Way {
	t.Helper()
	policy, err := egress.NewPolicy(allow)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := egress.NewProxy(egress.NewDialer(policy, network.Host))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- proxy.Serve(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	w, err := remote.New(remote.Config{Proxy: proxy, Log: testlog.New(t)}).Open(url).Fetch()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// within fetches under limits, and leaves nothing behind.
func (g *rig) within(t *testing.T, limits fetch.Limits, w remote.Way, url string, oids ...string) *failure.Error {
	t.Helper()
	st, err := g.store.Stage(g.live)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Remove()
	err = g.fetcher.Fetch(t.Context(), st, fetch.Source{Way: w, Peer: url, Limits: limits}, oids)
	var f *failure.Error
	errors.As(err, &f)
	return f
}

func noise(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return string(b)
}

// A repository that is too large fails while it comes, not when it is there; the
// message says what to do.
func TestTooLargeIsAbortedEarly(t *testing.T) { both(t, testTooLargeIsAbortedEarly) }

func testTooLargeIsAbortedEarly(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	g.edit(t, func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"a": noise(8 << 20)}) })
	var sent atomic.Int64
	rest := make(chan struct{})
	url := g.halting(t, &sent, rest)
	limits := fetch.Limits{Size: 1 << 20, Set: "gitmirror repo set x"}
	for name, w := range map[string]remote.Way{"by the proxy": way(t, url), "directly": nil} {
		sent.Store(0)
		f := g.within(t, limits, w, url, g.tip(t, "main"))
		if f == nil || f.Class != failure.TooLarge || !strings.Contains(f.Message, "--max-size") || !strings.Contains(f.Message, "1.0 MiB") || !strings.Contains(f.Message, "gitmirror repo set x --max") {
			t.Errorf("%s: %v", name, f)
		}
		if n := sent.Load(); n > 6<<20 {
			t.Errorf("%s: %d bytes of 8 MiB were let come", name, n)
		}
	}
	limits.Have = 1 << 20
	if f := g.within(t, limits, nil, "http://127.0.0.1:1/never-asked", g.tip(t, "main")); f == nil || f.Class != failure.TooLarge {
		t.Errorf("a copy that is at its limit already: %v", f)
	}
	close(rest)
	if f := g.within(t, fetch.Limits{Size: 16 << 20}, way(t, url), url, g.tip(t, "main")); f != nil {
		t.Errorf("within its limit: %v", f)
	}
}

// halting serves the upstream with packs of which 4 MiB come, and the rest when rest is
// closed, or never: who waits for it has let too much come.
func (g *rig) halting(t *testing.T, sent *atomic.Int64, rest <-chan struct{}) string {
	t.Helper()
	return g.served(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
		for part := min(len(body), 4<<20); len(body) > 0; part = len(body) {
			if _, err := w.Write(body[:part]); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			sent.Add(int64(part))
			body = body[part:]
			select {
			case <-rest:
			case <-r.Context().Done():
				return
			}
		}
	})
}

// answering serves one pack, whatever is asked for.
func (g *rig) answering(t *testing.T, pack []byte) string {
	t.Helper()
	return g.served(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		out := wire.NewWriter(w)
		out.Line("packfile\n")
		for rest := pack; len(rest) > 0; {
			n := min(len(rest), wire.MaxPayload-1)
			out.Line("%s", append([]byte{1}, rest[:n]...))
			rest = rest[n:]
		}
		out.Flush()
	})
}

// Objects that are too large are found wherever git has them: one that it holds in
// memory, one that a small delta makes, and one that it lets through.
func TestTooLargeObjects(t *testing.T) { both(t, testTooLargeObjects) }

func testTooLargeObjects(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	g.edit(t, func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"a": strings.Repeat("\x00", 3<<20)}) })
	g.edit(t, func(e *upstream.Edit) {
		e.Commit("huge", "one", map[string]string{"a": strings.Repeat("\x00", 140<<20)})
	})
	small, made := gittest.DeltaBomb(1<<20, 50)
	if len(small) > 10<<10 {
		t.Fatalf("the bomb has %d bytes", len(small))
	}
	for _, c := range []struct {
		name, url, oid string
		most           int64
	}{
		{"in memory", g.up.URL("x.git"), g.tip(t, "main"), 2 << 20},
		{"a delta", g.answering(t, small), made, 30 << 20},
		{"let through", g.up.URL("x.git"), g.tip(t, "huge"), 130 << 20},
	} {
		f := g.within(t, fetch.Limits{Object: c.most, Set: "gitmirror repo set x"}, nil, c.url, c.oid)
		if f == nil || f.Class != failure.TooLarge || !strings.Contains(f.Message, "--max-object-size") || !strings.Contains(f.Message, "gitmirror repo set x --max") {
			t.Errorf("%s: %v", c.name, f)
		}
	}
	if f := g.within(t, fetch.Limits{Object: 4 << 20}, nil, g.up.URL("x.git"), g.tip(t, "main")); f != nil {
		t.Errorf("within its limit: %v", f)
	}
}

// A git that would need more memory than it may have fails its fetch, and that alone.
func TestMemoryOfAFetchIsBounded(t *testing.T) { both(t, testMemoryOfAFetchIsBounded) }

func testMemoryOfAFetchIsBounded(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	pack, oid := gittest.DeltaBomb(4<<20, 100)
	g.fetcher = of.make(t, 0, 200<<20)
	for name, limits := range map[string]fetch.Limits{"by the kernel": {}, "in one piece": {Object: 1 << 30}} {
		f := g.within(t, limits, nil, g.answering(t, pack), oid)
		if f == nil || f.Class != failure.OutOfMemory || !strings.Contains(f.Message, "--git-memory") || !strings.Contains(f.Message, "200 MiB") {
			t.Errorf("%s: %v", name, f)
		}
	}
	g.edit(t, func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"a": "a"}) })
	if f := g.within(t, fetch.Limits{Object: 1 << 30}, nil, g.up.URL("x.git"), g.tip(t, "main")); f != nil {
		t.Errorf("an honest one: %v", f)
	}
	claim := append([]byte("PACK"), 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff)
	sum := sha1.Sum(claim)
	began := time.Now()
	if f := g.within(t, fetch.Limits{Object: 1 << 30}, nil, g.answering(t, append(claim, sum[:]...)), oid); f == nil {
		t.Error("a pack that claims four thousand million objects")
	} else if took := time.Since(began); took > 10*time.Second {
		t.Errorf("%v after %s", f, took)
	}
}

// What the disk keeps back is kept back while a pack comes, too.
func TestStagingCountsAgainstTheReserve(t *testing.T) { both(t, testStagingCountsAgainstTheReserve) }

func testStagingCountsAgainstTheReserve(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	g.edit(t, func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"a": noise(8 << 20)}) })
	var sent atomic.Int64
	url := g.halting(t, &sent, nil)
	full := failure.New(failure.Disk, "full", nil)
	room := func() error {
		if sent.Load() > 1<<20 {
			return full
		}
		return nil
	}
	if f := g.within(t, fetch.Limits{Room: room}, nil, url, g.tip(t, "main")); f != full {
		t.Errorf("%v", f)
	}
	if n := sent.Load(); n > 7<<20 {
		t.Errorf("%d bytes were let come", n)
	}
}

// The largest object of a pack is found by its header, in packs of any kind.
func TestLargest(t *testing.T) { both(t, testLargest) }

func testLargest(t *testing.T, of engine) {
	g := newRig(t, 0, of)
	g.edit(t, func(e *upstream.Edit) {
		e.Commit("main", "one", map[string]string{"a": noise(5 << 20), "b": strings.Repeat("\x00", 9<<20), "c": noise(100)})
	})
	st, err := g.store.Stage(g.live)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Remove()
	if err := g.fetcher.Fetch(t.Context(), st, fetch.Source{Peer: g.up.URL("x.git")}, []string{g.tip(t, "main")}); err != nil {
		t.Fatal(err)
	}
	for most, want := range map[int64]int64{8 << 20: 9 << 20, 9<<20 - 1: 9 << 20, 9 << 20: 0, 1 << 40: 0} {
		if n, err := st.Largest(most); n != want || err != nil {
			t.Errorf("over %d: %d, %v, want %d", most, n, err, want)
		}
	}
	index, err := filepath.Glob(filepath.Join(st.Dir(), "objects/pack/*.idx"))
	if err != nil || len(index) != 1 {
		t.Fatal(index, err)
	}
	data, err := os.ReadFile(index[0])
	if err != nil {
		t.Fatal(err)
	}
	binary.BigEndian.PutUint32(data[8+255*4:], 1<<31)
	if err := os.Chmod(index[0], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(index[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := st.Largest(1); err == nil {
		t.Error("an index that claims more than it has")
	}
}
