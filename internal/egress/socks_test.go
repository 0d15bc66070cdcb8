package egress

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gitmirror/internal/network"
	"gitmirror/internal/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startProxy serves until the test ends, and checks that it does end. The grant
// leads to the hosts of the urls.
func startProxy(t *testing.T, d *Dialer, urls ...string) (*Grant, *url.URL) {
	t.Helper()
	p, err := NewProxy(d)
	if err != nil {
		t.Fatal(err)
	}
	g, err := p.Grant(urls...)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(g.URL())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("proxy: %v", err)
		}
	})
	return g, u
}

// talk sends the parts of a conversation, reading as many bytes after each as
// it expects, and returns the last answer: what came of it before the end.
func talk(t *testing.T, u *url.URL, steps ...string) (net.Conn, []byte) {
	t.Helper()
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var answer []byte
	for i, s := range steps {
		if _, err := conn.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
		answer = make([]byte, 2)
		if i == 2 { // greeting, password, request
			answer = make([]byte, 10)
		}
		n, err := io.ReadFull(conn, answer)
		if answer = answer[:n]; err != nil {
			return conn, answer
		}
	}
	return conn, answer
}

const offersPassword = "\x05\x01\x02"

func login(u *url.URL) string {
	pass, _ := u.User.Password()
	return "\x01" + string(rune(len(u.User.Username()))) + u.User.Username() + string(rune(len(pass))) + pass
}

func TestStrangersGetNothing(t *testing.T) {
	w := &world{}
	_, u := startProxy(t, w.dialer(policy(t)), "http://8.8.8.8", "http://127.0.0.1", "http://[::1]", "http://x", "http://:80")
	closed := func(conn net.Conn) bool {
		n, err := conn.Read(make([]byte, 1))
		return n == 0 && err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
	}
	for name, tc := range map[string]struct {
		steps []string
		want  string
	}{
		"no authentication":   {[]string{"\x05\x01\x00"}, "\x05\xff"},
		"no method":           {[]string{"\x05\x00"}, "\x05\xff"},
		"wrong password":      {[]string{offersPassword, "\x01\x04git1\x03abc"}, "\x01\x01"},
		"empty password":      {[]string{offersPassword, "\x01\x04git1\x00"}, "\x01\x01"},
		"wrong user":          {[]string{offersPassword, strings.Replace(login(u), "git", "got", 1)}, "\x01\x01"},
		"SOCKS4":              {[]string{"\x04\x01\x00\x50\x08\x08\x08\x08\x00"}, ""},
		"HTTP":                {[]string{"GET / HTTP/1.0\r\n\r\n"}, ""},
		"request at once":     {[]string{offersPassword, "\x05\x01\x00\x01\x08\x08\x08\x08\x00\x50"}, ""},
		"unknown type":        {[]string{offersPassword, login(u), "\x05\x01\x00\x07aaaaaa"}, ""},
		"version in the mid":  {[]string{offersPassword, login(u), "\x04\x01\x00\x01\x08\x08\x08\x08\x00\x50"}, "\x05\x07\x00\x01\x00\x00\x00\x00\x00\x00"},
		"BIND":                {[]string{offersPassword, login(u), "\x05\x02\x00\x01\x08\x08\x08\x08\x00\x50"}, "\x05\x07\x00\x01\x00\x00\x00\x00\x00\x00"},
		"UDP ASSOCIATE":       {[]string{offersPassword, login(u), "\x05\x03\x00\x01\x08\x08\x08\x08\x00\x50"}, "\x05\x07\x00\x01\x00\x00\x00\x00\x00\x00"},
		"denied IPv4":         {[]string{offersPassword, login(u), "\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50"}, "\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00"},
		"denied IPv6":         {[]string{offersPassword, login(u), "\x05\x01\x00\x04" + strings.Repeat("\x00", 15) + "\x01\x00\x50"}, "\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00"},
		"denied literal name": {[]string{offersPassword, login(u), "\x05\x01\x00\x03\x09127.0.0.1\x00\x50"}, "\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00"},
		"unknown name":        {[]string{offersPassword, login(u), "\x05\x01\x00\x03\x01x\x00\x50"}, "\x05\x01\x00\x01\x00\x00\x00\x00\x00\x00"},
		"empty name":          {[]string{offersPassword, login(u), "\x05\x01\x00\x03\x00\x00\x50"}, "\x05\x01\x00\x01\x00\x00\x00\x00\x00\x00"},
	} {
		conn, got := talk(t, u, tc.steps...)
		if string(got) != tc.want {
			t.Errorf("%s: answered %x, want %x", name, got, tc.want)
		}
		if !closed(conn) {
			t.Errorf("%s: the connection stays open", name)
		}
	}
	if len(w.dialed) > 0 {
		t.Errorf("dialled %v", w.dialed)
	}
}

// echo is a server on the loopback interface, which the tests allow.
func echo(t *testing.T, network, addr string) (port string) {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Skipf("no %s here: %v", network, err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); c.Close() }()
		}
	}()
	n := l.Addr().(*net.TCPAddr).Port
	return string([]byte{byte(n >> 8), byte(n)})
}

func TestTargets(t *testing.T) {
	d := NewDialer(policy(t, "127.0.0.0/8", "::1"), network.Host)
	p4 := echo(t, "tcp4", "127.0.0.1:0")
	hosts := []string{"http://127.0.0.1:" + decimal(p4), "https://LocalHost.:" + decimal(p4)}
	targets := map[string]string{
		"IPv4":         "\x01\x7f\x00\x00\x01" + p4,
		"name":         "\x03\x09localhost" + p4,
		"literal name": "\x03\x09127.0.0.1" + p4,
		"mapped IPv6":  "\x04" + strings.Repeat("\x00", 10) + "\xff\xff\x7f\x00\x00\x01" + p4,
	}
	if l, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		l.Close()
		p6 := echo(t, "tcp6", "[::1]:0")
		targets["IPv6"], hosts = "\x04"+strings.Repeat("\x00", 15)+"\x01"+p6, append(hosts, "http://[0:0::1]:"+decimal(p6))
	}
	g, u := startProxy(t, d, hosts...)
	for name, target := range targets {
		conn, got := talk(t, u, offersPassword, login(u), "\x05\x01\x00"+target)
		if len(got) != 10 || got[1] != 0 {
			t.Errorf("%s: answered %x", name, got)
			continue
		}
		back := make([]byte, 4)
		if _, err := conn.Write([]byte("ping")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, back); err != nil || string(back) != "ping" {
			t.Errorf("%s: echoed %q, %v", name, back, err)
		}
	}
	if n := g.Received(); n != int64(4*len(targets)) {
		t.Errorf("%d bytes came back, want %d", n, 4*len(targets))
	}
	if s := g.Strayed(); s != "" {
		t.Errorf("strayed to %s", s)
	}
}

func decimal(port string) string { return strconv.Itoa(int(port[0])<<8 | int(port[1])) }

// What an upstream says must not lead git to another host, or another port of its
// own, however lawful that address is.
func TestAGrantLeadsNowhereElse(t *testing.T) {
	p4 := echo(t, "tcp4", "127.0.0.1:0")
	other := echo(t, "tcp4", "127.0.0.1:0")
	g, u := startProxy(t, NewDialer(policy(t, "127.0.0.0/8"), network.Host), "http://127.0.0.1:"+decimal(p4))
	for name, target := range map[string]string{"port": "\x01\x7f\x00\x00\x01" + other, "host": "\x01\x7f\x00\x00\x02" + p4, "name": "\x03\x09localhost" + p4} {
		if _, got := talk(t, u, offersPassword, login(u), "\x05\x01\x00"+target); len(got) != 10 || got[1] != replyDenied {
			t.Errorf("another %s: answered %x", name, got)
		}
	}
	if g.Strayed() == "" {
		t.Error("nobody is told where it strayed to")
	}
	own := "\x05\x01\x00\x01\x7f\x00\x00\x01" + p4
	if _, got := talk(t, u, offersPassword, login(u), own); len(got) != 10 || got[1] != 0 {
		t.Errorf("its own host: answered %x", got)
	}
	g.Revoke()
	if _, got := talk(t, u, offersPassword, login(u)); string(got) != "\x01\x01" {
		t.Errorf("after it was revoked: answered %x", got)
	}
}

// An upstream that neither answers nor closes must not keep a connection of a
// git that was killed.
func TestKilledClientFreesTheConnection(t *testing.T) {
	d := NewDialer(policy(t, "127.0.0.1"), network.Host)
	up := &watched{closed: make(chan struct{})}
	other := net.Conn(nil)
	d.dial = func(context.Context, string, string) (net.Conn, error) {
		up.Conn, other = net.Pipe()
		return up, nil
	}
	_, u := startProxy(t, d, "http://127.0.0.1")
	conn, got := talk(t, u, offersPassword, login(u), "\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50")
	if len(got) != 10 || got[1] != 0 {
		t.Fatalf("answered %x", got)
	}
	defer other.Close()
	conn.Close()
	select {
	case <-up.closed:
	case <-time.After(10 * time.Second):
		t.Error("the connection to the upstream outlives its client")
	}
}

type watched struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
}

func (w *watched) Close() error {
	w.once.Do(func() { close(w.closed) })
	return w.Conn.Close()
}

func TestGitGoesThrough(t *testing.T) {
	up, err := upstream.Serve(t.TempDir(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	r, err := up.Repo("x.git")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Edit(func(e *upstream.Edit) { e.Commit("main", "one", map[string]string{"a": "a"}) }); err != nil {
		t.Fatal(err)
	}
	lsRemote := func(allow ...string) (string, error) {
		_, u := startProxy(t, NewDialer(policy(t, allow...), network.Host), up.URL(""))
		cmd := exec.Command("git", "ls-remote", up.URL("x.git"))
		for _, kv := range upstream.Environ(t.TempDir()) {
			if !strings.HasPrefix(kv, "NO_PROXY=") {
				cmd.Env = append(cmd.Env, kv)
			}
		}
		cmd.Env = append(cmd.Env, "NO_PROXY=", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http.proxy", "GIT_CONFIG_VALUE_0="+u.String())
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := lsRemote("127.0.0.1"); err != nil || !strings.Contains(out, "refs/heads/main") {
		t.Errorf("allowed: %v\n%s", err, out)
	}
	seen := len(up.Requests())
	out, err := lsRemote()
	if err == nil || !strings.Contains(out, "SOCKS5") || !strings.Contains(out, "(2)") {
		t.Errorf("denied: %v\n%s", err, out)
	}
	if len(up.Requests()) != seen {
		t.Error("a denied address was reached")
	}
}
