package gitbody_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"gitmirror/internal/gitbody"
)

// bomb is a request of n bytes, packed: a mebibyte after the other, and the rest.
func bomb(t *testing.T, n int) []byte {
	t.Helper()
	member := func(n int) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write(make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	return append(bytes.Repeat(member(1<<20), n>>20), member(n&(1<<20-1))...)
}

func request(t *testing.T, from string, body []byte, encoding string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(body))
	r.RemoteAddr = from
	if encoding != "" {
		r.Header.Set("Content-Encoding", encoding)
	}
	return r
}

func refused(err error) (status int, retry, message string) {
	w := httptest.NewRecorder()
	gitbody.Refuse(w, err, func(w http.ResponseWriter, status int, message string) {
		w.WriteHeader(status)
		fmt.Fprint(w, message)
	})
	return w.Code, w.Header().Get("Retry-After"), w.Body.String()
}

// Eight requests of some kilobytes that unpack to 64 MiB each take the share of
// their address, on the disk, and hardly any memory; who comes from elsewhere is served.
func TestPackedRequestsTakeNoMemory(t *testing.T) {
	pool := gitbody.NewPool(nil, t.TempDir(), "requests of clients", nil)
	packed := bomb(t, 60<<20)
	if len(packed) > 100<<10 {
		t.Fatalf("%d bytes", len(packed))
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	kept := 0
	errs := make(chan error, 8)
	for i := range 8 {
		go func() {
			b, err := gitbody.Read(pool, request(t, "192.0.2.1:"+strconv.Itoa(i+1), packed, "gzip"))
			if err == nil {
				t.Cleanup(b.Close)
			}
			errs <- err
		}()
	}
	for range 8 {
		err := <-errs
		if err == nil {
			kept++
			continue
		}
		if status, retry, message := refused(err); status != 503 || retry == "" || !strings.Contains(message, "from one address") {
			t.Errorf("%d, Retry-After %q: %s", status, retry, message)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if kept != 2 {
		t.Errorf("%d requests of one address are kept", kept)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 40<<20 {
		t.Errorf("%d MiB of memory", grown>>20)
	}
	b, err := gitbody.Read(pool, request(t, "192.0.2.2:1", bytes.Repeat([]byte("x"), 10<<20), ""))
	if err != nil {
		t.Fatalf("another address: %v", err)
	}
	b.Close()
}

func TestWhoseShare(t *testing.T) {
	for _, c := range []struct {
		one, other string
		same       bool
	}{
		{"192.0.2.1:1", "192.0.2.1:2", true}, {"192.0.2.1:1", "192.0.2.2:1", false}, {"192.0.2.1:1", "[::ffff:192.0.2.1]:1", true},
		{"[2001:db8::1]:1", "[2001:db8::ffff:2]:1", true}, {"[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false}, {"[fe80::1%eth0]:1", "[fe80::2%eth1]:1", true},
	} {
		if same := gitbody.Owner(c.one) == gitbody.Owner(c.other); same != c.same {
			t.Errorf("%s and %s: %v", c.one, c.other, same)
		}
	}
}

func TestRequestsThatCannotBeRead(t *testing.T) {
	pool := gitbody.NewPool(nil, t.TempDir(), "requests", nil)
	for name, c := range map[string]struct {
		body     []byte
		encoding string
		status   int
	}{
		"too large":          {bytes.Repeat([]byte("x"), 64<<20+1), "", 413},
		"too large unpacked": {bomb(t, 64<<20+1), "gzip", 413},
		"no gzip":            {[]byte("x"), "gzip", 400},
		"cut gzip":           {bomb(t, 1000)[:20], "gzip", 400},
		"another encoding":   {[]byte("x"), "br", 400},
	} {
		b, err := gitbody.Read(pool, request(t, "192.0.2.1:1", c.body, c.encoding))
		if err == nil {
			b.Close()
			t.Errorf("%s: it was read", name)
			continue
		}
		if status, _, message := refused(err); status != c.status || message == "" {
			t.Errorf("%s: %d %s", name, status, message)
		}
	}
	b, err := gitbody.Read(pool, request(t, "192.0.2.1:1", bytes.Repeat([]byte("x"), 64<<20), ""))
	if err != nil {
		t.Errorf("as large as may be: %v", err)
	} else {
		b.Close()
	}
	full := gitbody.NewPool(nil, t.TempDir(), "requests", func() error { return fmt.Errorf("4 %% of the disk is free") })
	_, err = gitbody.Read(full, request(t, "192.0.2.1:1", make([]byte, 2<<20), ""))
	if status, retry, message := refused(err); status != 503 || retry == "" || !strings.Contains(message, "of the disk is free") {
		t.Errorf("a full disk: %d %q %s", status, retry, message)
	}
}

// A disk of ours that fails is no fault of the client's, and its path is nobody's
// business.
func TestOurDiskIsNotTheClientsFault(t *testing.T) {
	w := httptest.NewRecorder()
	err := fmt.Errorf("append: %w", &fs.PathError{Op: "write", Path: "/data/staging/spool1", Err: syscall.ENOSPC})
	gitbody.Refuse(w, err, func(w http.ResponseWriter, status int, message string) { http.Error(w, message, status) })
	if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "/data") || !strings.Contains(w.Body.String(), "no space left") || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
