package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitmirror/api"
)

// Strangers who hold 1,300 requests open, on either port, take neither the
// leader's log nor everybody else's answer.
func TestIdleRequestsTakeNoDescriptorsOfTheLog(t *testing.T) {
	t.Parallel()
	limited := filepath.Join(t.TempDir(), "limited")
	if err := os.WriteFile(limited, fmt.Appendf(nil, "#!/bin/sh\nulimit -n 256 && exec '%s' \"$@\"\n", binary), 0o700); err != nil {
		t.Fatal(err)
	}
	f := &cluster{t: t}
	p := newProc(t, "n1")
	p.Binary = limited
	f.nodes = append(f.nodes, p)
	p.start(nil)
	f.leader()
	before, err := p.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, addr, request string }{
		{"half requests", strings.TrimPrefix(p.HTTP, "http://"), "GET /api/v1/status HTTP/1.1\r\n"},
		{"requests whose body never comes", strings.TrimPrefix(p.HTTP, "http://"), "POST /api/v1/repos HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"},
		{"half requests of peers", p.Peer, "GET / HTTP/1.1\r\n"},
		{"nothing on the peer port", p.Peer, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var held []net.Conn
			defer func() {
				for _, conn := range held {
					_ = conn.Close()
				}
			}()
			for range 1300 {
				conn, err := net.DialTimeout("tcp", c.addr, 5*time.Second)
				if err != nil {
					t.Fatal(err)
				}
				held = append(held, conn)
				_, _ = conn.Write([]byte(c.request))
			}
			// Longer than a disk may hang for somebody who can be replaced, and than a
			// silent request keeps its place for.
			honest(t, strings.TrimPrefix(p.HTTP, "http://"), 13*time.Second)
		})
	}
	after, err := p.client.Status(t.Context())
	if err != nil || after.Leader != before.Leader {
		t.Errorf("status %+v, %v, led by %s before", after, err, before.Leader)
	}
	if _, err := p.client.Add(t.Context(), api.AddRepo{URL: "http://127.0.0.1:1/a", Name: "a"}, ""); err != nil {
		t.Errorf("a write: %v", err)
	}
	if log := p.tail(); strings.Contains(log, "the leader is lost") {
		t.Errorf("the leader was lost:\n%s", log)
	}
}

// honest asks for a status once a second, on a new connection each time, and
// wants an answer in the end: a newcomer may find all places taken for a moment.
func honest(t *testing.T, addr string, during time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last error
	for {
		last = ask(addr)
		select {
		case <-tick.C:
		case <-ctx.Done():
			if last != nil {
				t.Errorf("an honest request: %v", last)
			}
			return
		}
	}
}

func ask(addr string) error {
	conn, err := net.DialTimeout("tcp", addr, 2*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"); err != nil {
		return err
	}
	rs, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer rs.Body.Close()
	if rs.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %s", rs.Status)
	}
	return nil
}
