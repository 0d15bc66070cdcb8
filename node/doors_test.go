package node_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"gitmirror/api"
	"gitmirror/internal/network"
	"gitmirror/internal/refusal"
	"gitmirror/node"
)

// outside is this machine's network, on which 192.0.2.1 is an address of others: what
// listens there does so at a free port of loopback.
type outside struct{ network.Network }

func newOutside() outside { return outside{network.Host} }

type elsewhere struct {
	net.Listener
	addr net.Addr
}

func (e elsewhere) Addr() net.Addr { return e.addr }

func (o outside) Listen(address string) (net.Listener, error) {
	if !strings.HasPrefix(address, "192.0.2.1:") {
		return o.Network.Listen(address)
	}
	l, err := o.Network.Listen("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	at, err := net.ResolveTCPAddr("tcp", address)
	return elsewhere{l, at}, err
}

// freePort is one that was free a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// writes tells whether a write is taken at an address of package api.
func writes(t *testing.T, addr string) bool {
	t.Helper()
	c := api.NewClient(addr)
	defer c.Close()
	err := c.Remove(t.Context(), "nope", "")
	if errors.Is(err, refusal.ReadOnlyAddress) {
		return false
	}
	if !errors.Is(err, refusal.NotFound) {
		t.Errorf("a write at %s: %v", addr, err)
	}
	return true
}

// A node at an address of others has a socket, and a loopback address of the same port, by
// which its own host writes.
func TestTheOwnHostWrites(t *testing.T) {
	port := freePort(t)
	r := start(t, node.Config{Name: "n1", HTTP: "192.0.2.1:" + port, Network: newOutside()})
	socket, loopback := api.SocketAddr(r.cfg.Dir), "http://127.0.0.1:"+port
	if r.info.HTTP != "http://192.0.2.1:"+port || !slices.Equal(r.info.Local, []string{socket, loopback}) {
		t.Fatalf("%+v", r.info)
	}
	r.client = api.NewClient(socket)
	r.eventually(t, "a leader", func(s *api.Status) bool { return s.Leader != "" })
	for _, addr := range r.info.Local {
		if !writes(t, addr) {
			t.Errorf("a write at %s is refused", addr)
		}
	}
	r.info.HTTP = loopback // for call
	if status, p, _ := r.call(t, "DELETE", "/api/v1/repos/nope", "", "X-Forwarded-For", "203.0.113.7"); status != 403 || p.Code != "read_only_address" {
		t.Errorf("a write that was passed on: %d %s", status, p.Code)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(r.cfg.Dir, api.SocketName)); !os.IsNotExist(err) {
		t.Errorf("the socket is there after the end: %v", err)
	}
}

// What keeps a node from a door beside --http does not keep it from its work; what is no
// socket of a killed process stays.
func TestANodeGoesOnWithoutDoorsBeside(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	_, port, _ := net.SplitHostPort(busy.Addr().String())
	dir := t.TempDir()
	path := filepath.Join(dir, api.SocketName)
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, node.Config{Name: "n1", Dir: dir, HTTP: "192.0.2.1:" + port, Network: newOutside()})
	if len(r.info.Local) != 0 {
		t.Errorf("it says that this host writes at %v", r.info.Local)
	}
	if data, err := os.ReadFile(path); string(data) != "mine" {
		t.Errorf("what was in the place of the socket is %q, %v", data, err)
	}
}

// A socket that a killed process has left is replaced, as is one at a path that is too long
// for the kernel.
func TestAStaleSocketIsReplaced(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	left, err := network.Host.ListenSocket(filepath.Join(dir, api.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	// A killed process removes nothing.
	if err := os.Link(filepath.Join(dir, api.SocketName), filepath.Join(dir, "kept")); err != nil {
		t.Fatal(err)
	}
	_ = left.Close()
	if err := os.Rename(filepath.Join(dir, "kept"), filepath.Join(dir, api.SocketName)); err != nil {
		t.Fatal(err)
	}
	c := api.NewClient(api.SocketAddr(dir))
	defer c.Close()
	if _, err := c.Status(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("the stale socket: %v", err)
	}
	r := start(t, node.Config{Name: "n1", Dir: dir})
	r.eventually(t, "a leader", func(s *api.Status) bool { return s.Leader != "" })
	if !slices.Contains(r.info.Local, api.SocketAddr(dir)) || !writes(t, api.SocketAddr(dir)) {
		t.Errorf("nobody writes at the socket; this host does at %v", r.info.Local)
	}
}

// The socket in the directory for running programs is the first node's, as long as it runs,
// and goes to another then; without the directory there is none.
func TestOneNodeHasTheSocketOfTheHost(t *testing.T) {
	run := t.TempDir()
	first := start(t, node.Config{Name: "n1", RunDir: run})
	second := start(t, node.Config{Name: "n2", RunDir: run, Join: []string{first.info.Peer}})
	if at := api.SocketAddr(run); !slices.Contains(first.info.Local, at) || slices.Contains(second.info.Local, at) {
		t.Errorf("the first writes at %v, the second at %v", first.info.Local, second.info.Local)
	}
	if is, err := os.Lstat(filepath.Join(run, api.SocketName)); err != nil || is.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", is, err)
	}
	c := api.NewClient(api.SocketAddr(run))
	defer c.Close()
	if s, err := c.Status(t.Context()); err != nil || s.AnsweredBy != "n1" {
		t.Errorf("%+v, %v", s, err)
	}
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	third := start(t, node.Config{Name: "n3", RunDir: run})
	if !slices.Contains(third.info.Local, api.SocketAddr(run)) {
		t.Errorf("the next node writes at %v", third.info.Local)
	}
	if none := start(t, node.Config{Name: "n4", RunDir: filepath.Join(run, "none")}); len(none.info.Local) != 2 {
		t.Errorf("without the directory it writes at %v", none.info.Local)
	}
}
