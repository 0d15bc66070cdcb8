package cluster

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"gitmirror/internal/network"
	"gitmirror/internal/testlog"

	"github.com/google/uuid"
)

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func openPort(t *testing.T, patience time.Duration, unidentified int) (*Port, *tenant, *logBuffer) {
	t.Helper()
	p, err := listen(network.Host, "127.0.0.1:0", patience, unidentified)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("close port: %v", err)
		}
	})
	log := new(logBuffer)
	id := identity{cluster: uuid.New(), node: uuid.New()}
	tenant, err := p.attach(id, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return p, tenant, log
}

func dialPort(t *testing.T, p *Port, first []byte) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(first); err != nil {
		t.Fatal(err)
	}
	return conn
}

// wantClosed waits for the other side to hang up.
func wantClosed(t *testing.T, conn net.Conn) {
	t.Helper()
	n, err := conn.Read(make([]byte, 1))
	var timeout net.Error
	if n != 0 || err == nil || (errors.As(err, &timeout) && timeout.Timeout()) {
		t.Errorf("read %d bytes, %v: want a closed connection", n, err)
	}
}

func TestPortSortsByFirstBytes(t *testing.T) {
	p, tenant, _ := openPort(t, 30*time.Second, 8)
	for name, c := range map[string]struct {
		preface []byte
		queue   *queue
		body    string
	}{
		"raft":   {tenant.raftPreface(tenant.node), tenant.raft, "hello"},
		"gossip": {tenant.gossipPreface(), tenant.gossip, "hello"},
		"http":   {[]byte("G"), p.web, "ET / HTTP/1.1"},
	} {
		dialled := dialPort(t, p, append(c.preface, c.body...))
		accepted, err := c.queue.Accept()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := c.body
		if name == "http" {
			want = "G" + c.body // the byte that told is given back
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(accepted, got); err != nil || string(got) != want {
			t.Errorf("%s: read %q, %v, want %q", name, got, err, want)
		}
		if err := accepted.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wantClosed(t, dialled)
	}
}

func TestPortServesHTTPBeforeThereIsACluster(t *testing.T) {
	p, err := Listen(network.Host, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	})}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(p.HTTP()) })
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	body := strings.Repeat("x", 1<<20)
	response, err := client.Post("http://"+p.Addr(), "text/plain", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(response.Body)
	if err != nil || string(got) != body {
		t.Errorf("read %d bytes, %v, want %d", len(got), err, len(body))
	}
	_ = response.Body.Close()

	raft := dialPort(t, p, identity{}.raftPreface(uuid.UUID{}))
	wantClosed(t, raft)

	if err := errors.Join(server.Close(), p.Close(), p.Close()); err != nil {
		t.Errorf("close: %v", err)
	}
	serving.Wait()
}

func TestPortRefusesStrangers(t *testing.T) {
	p, tenant, log := openPort(t, 30*time.Second, 8)
	foreign := identity{cluster: uuid.New(), node: tenant.node}
	for name, c := range map[string]struct {
		first []byte
		log   string
	}{
		"raft of another cluster":   {foreign.raftPreface(tenant.node), "another cluster " + foreign.cluster.String()},
		"gossip of another cluster": {foreign.gossipPreface(), "another cluster"},
		"raft for another node":     {tenant.raftPreface(uuid.New()), "another node"},
		"garbage":                   {[]byte("\x16\x03\x01"), "unknown first byte 0x16"},
	} {
		wantClosed(t, dialPort(t, p, c.first))
		if !strings.Contains(log.String(), c.log) {
			t.Errorf("%s: log %q, want %q", name, log, c.log)
		}
	}
}

func TestPortRepeatsAWarningOnceInAWhile(t *testing.T) {
	p, tenant, log := openPort(t, 30*time.Second, 8)
	foreign := identity{cluster: uuid.New(), node: tenant.node}
	for range 20 {
		wantClosed(t, dialPort(t, p, foreign.gossipPreface()))
	}
	if lines := strings.Count(log.String(), "level=WARN"); lines != 1 {
		t.Errorf("%d lines for one stranger, want 1:\n%s", lines, log)
	}
}

func TestPortDropsTheSilent(t *testing.T) {
	p, tenant, _ := openPort(t, 50*time.Millisecond, 8)
	wantClosed(t, dialPort(t, p, nil))
	wantClosed(t, dialPort(t, p, tenant.raftPreface(tenant.node)[:5]))
}

// Members call a node that is let in before it has opened its part of the cluster.
func TestPortHasRaftWaitForItsCluster(t *testing.T) {
	p, err := listen(network.Host, "127.0.0.1:0", 30*time.Second, 4)
	if err != nil {
		t.Fatal(err)
	}
	id := identity{cluster: uuid.New(), node: uuid.New()}
	early := dialPort(t, p, (&tenant{identity: id}).raftPreface(id.node))
	testlog.Eventually(t, "the port to have it", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.waiting) == 1
	})
	to, err := p.attach(id, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(30*time.Second, func() { _ = to.raft.Close() }).Stop() // who was sent away never comes
	conn, err := to.raft.Accept()
	if err != nil || conn.RemoteAddr().String() != early.LocalAddr().String() {
		t.Errorf("raft gets %v, %v", conn, err)
	}
	p.detach()
	wantClosed(t, dialPort(t, p, (&tenant{identity: id}).raftPreface(id.node))) // that was it
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// Clients of HTTP open connections that they find no use for: that is no news.
func TestPortIsSilentAboutTheSilent(t *testing.T) {
	p, _, log := openPort(t, 50*time.Millisecond, 8)
	wantClosed(t, dialPort(t, p, nil))
	if text := log.String(); text != "" {
		t.Errorf("log %q", text)
	}
}

func TestPortCapsTheSilent(t *testing.T) {
	p, tenant, log := openPort(t, 30*time.Second, 4)
	var silent []net.Conn
	for range 5 {
		silent = append(silent, dialPort(t, p, nil))
	}
	wantClosed(t, silent[0]) // the oldest gives way
	member := dialPort(t, p, tenant.raftPreface(tenant.node))
	if _, err := tenant.raft.Accept(); err != nil {
		t.Errorf("a member among the silent: %v", err)
	}
	_ = member.Close()
	if !strings.Contains(log.String(), "too many") {
		t.Errorf("log %q", log)
	}
}

func TestPortCloseEndsStreams(t *testing.T) {
	p, tenant, _ := openPort(t, 30*time.Second, 8)
	silent := dialPort(t, p, nil)
	dialled := dialPort(t, p, tenant.gossipPreface())
	if _, err := tenant.gossip.Accept(); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	wantClosed(t, silent)
	wantClosed(t, dialled)
	if _, err := p.HTTP().Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept: %v, want ErrClosed", err)
	}
}

func TestListenSaysWhoIsBusy(t *testing.T) {
	p, _, _ := openPort(t, time.Second, 8)
	_, err := Listen(network.Host, p.Addr())
	var busy *PortBusyError
	if !errors.Is(err, ErrPortBusy) || !errors.As(err, &busy) || busy.Addr != p.Addr() || busy.Network != "tcp" {
		t.Errorf("tcp: %v", err)
	}

	for { // another process may have the port for tcp
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer udp.Close()
		_, err = Listen(network.Host, udp.LocalAddr().String())
		if errors.As(err, &busy) && busy.Network == "tcp" {
			continue
		}
		if !errors.As(err, &busy) || busy.Network != "udp" || busy.Addr != udp.LocalAddr().String() {
			t.Errorf("udp: %v", err)
		}
		return
	}
}

// Who knows the cluster's id can open streams, but not more than have a place:
// the one that is silent gives way, and those that are used stay.
func TestSilentStreamsGiveWay(t *testing.T) {
	p, tenant, _ := openPort(t, 30*time.Second, 8)
	p.mu.Lock()
	p.places = 3
	p.mu.Unlock()
	accept := func() *owned {
		t.Helper()
		conn, err := tenant.raft.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return conn.(*owned)
	}
	var held []net.Conn
	var streams []*owned
	for range 3 {
		held = append(held, dialPort(t, p, tenant.raftPreface(tenant.node)))
		streams = append(streams, accept())
	}
	wantClosed(t, dialPort(t, p, tenant.raftPreface(tenant.node))) // none is silent yet
	streams[0].pace.Silence(time.Minute)
	streams[1].pace.Silence(time.Hour)
	newcomer := dialPort(t, p, tenant.raftPreface(tenant.node))
	accept()
	wantClosed(t, held[1])
	p.mu.Lock()
	if len(p.lanes) != 3 {
		t.Errorf("%d streams have a place, want 3", len(p.lanes))
	}
	p.mu.Unlock()
	_ = newcomer.Close()
}

// A refusal is logged once in a while however the ids and ports in it change.
func TestChangingIdsDoNotFillTheLog(t *testing.T) {
	p, tenant, log := openPort(t, 30*time.Second, 64)
	for range 50 {
		foreign := identity{cluster: uuid.New(), node: tenant.node}
		wantClosed(t, dialPort(t, p, foreign.raftPreface(tenant.node)))
	}
	if n := strings.Count(log.String(), "refused connection"); n != 1 {
		t.Errorf("%d lines for 50 strangers from one address", n)
	}
}
