package bodylimit_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gitmirror/internal/bodylimit"
	"gitmirror/internal/testlog"
)

const within = 300 * time.Millisecond

// trickle sends a request whose body never ends, a byte at a time, until the server
// hangs up.
func trickle(t *testing.T, addr, path string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", path)
	testlog.Eventually(t, "the server to hang up", func() bool {
		_, err := conn.Write([]byte("x"))
		return err != nil
	})
}

// Whether its handler reads it or not, a body that trickles holds no connection.
func TestABodyThatTricklesEnds(t *testing.T) {
	failed := make(chan error, 1)
	s := httptest.NewServer(bodylimit.Handler(within, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/read" {
			_, err := io.ReadAll(r.Body)
			failed <- err
		}
	})))
	defer s.Close()
	trickle(t, s.Listener.Addr().String(), "/read")
	if err := <-failed; err == nil {
		t.Error("its handler took it for whole")
	}
	trickle(t, s.Listener.Addr().String(), "/ignore")
}

// The answer to a whole body may take longer than the body could, and so may the
// next request on the connection.
func TestAnAnswerMayTakeItsTime(t *testing.T) {
	s := httptest.NewServer(bodylimit.Handler(within, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		late := time.NewTimer(3 * within)
		defer late.Stop()
		select {
		case <-late.C:
			fmt.Fprint(w, "done")
		case <-r.Context().Done():
			t.Errorf("the request ended: %v", r.Context().Err())
		}
	})))
	defer s.Close()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for _, request := range []string{"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody", "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"} {
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if err != nil || strings.TrimSpace(string(text)) != "done" {
			t.Errorf("%q, %v", text, err)
		}
	}
}
