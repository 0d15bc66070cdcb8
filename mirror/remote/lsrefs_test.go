package remote_test

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitmirror/internal/gittest"
	"gitmirror/mirror/remote"
	"gitmirror/mirror/wire"
)

const repo = "/acme/big.git"

var (
	get  = "GET " + repo + "/info/refs"
	post = "POST " + repo + "/git-upload-pack"
)

func TestAnAnswerIsOnePostOnTheSameConnection(t *testing.T) {
	f := startForge(t, v2(branches))
	c := client(t, remote.Config{Agent: "gitmirror/test"})
	first := check(t, c, f.URL+repo)
	want := &wire.Advert{HeadRef: "refs/heads/main", HeadOID: oidA, Refs: []wire.AdvertRef{{Name: "refs/heads/main", OID: oidA}}}
	if d := cmp.Diff(want, first.Advert); d != "" {
		t.Errorf("the first answer:\n%s", d)
	}
	for range 20 {
		if res := check(t, c, f.URL+repo); res.content != first.content {
			t.Fatalf("it has become %q", res.content)
		}
	}
	requests, conns := f.asked()
	if d := cmp.Diff(slices.Concat([]string{get}, slices.Repeat([]string{post}, 21)), requests); d != "" || conns != 1 {
		t.Errorf("%d connections, requests:\n%s", conns, d)
	}
	f.become(v2(strings.ReplaceAll(branches, oidA, oidB)))
	if res := check(t, c, f.URL+repo); res.content == first.content || res.Advert.Refs[0].OID != oidB {
		t.Errorf("a moved branch: %+v", res)
	}
	if requests, _ := f.asked(); len(requests) != 1 {
		t.Errorf("a changed check asked %v", requests)
	}
}

func TestRequestIsWhatAGitServerExpects(t *testing.T) {
	var headers http.Header
	var asked wire.LsRefs
	f := startForge(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			headers = r.Header.Clone()
			p := wire.NewReader(r.Body)
			_, _, _ = p.Line()
			asked, _ = wire.ReadLsRefs(p)
		} else if r.URL.RawQuery != "service=git-upload-pack" {
			t.Errorf("query %q", r.URL.RawQuery)
		}
		v2(branches)(w, r)
	})
	check(t, client(t, remote.Config{Agent: "gitmirror/test"}), f.URL+repo)
	for k, want := range map[string]string{"Content-Type": "application/x-git-upload-pack-request", "Git-Protocol": "version=2", "User-Agent": "git/gitmirror/test", "X-Idempotency-Key": "", "Authorization": ""} {
		if got := headers.Get(k); got != want {
			t.Errorf("%s: %q, want %q", k, got, want)
		}
	}
	if d := cmp.Diff(wire.LsRefs{Agent: "gitmirror/test", Format: "sha1", Prefixes: []string{"HEAD", "refs/heads/", "refs/tags/"}, Symrefs: true, Unborn: true}, asked); d != "" {
		t.Errorf("ls-refs:\n%s", d)
	}
}

func TestRelearnsAfterAnOddAnswer(t *testing.T) {
	for name, odd := range map[string]http.HandlerFunc{
		"400":           status(400),
		"404":           status(404),
		"410":           status(410),
		"html":          answer("text/html", "<html>"),
		"redirect":      status(302, "Location", "/elsewhere"),
		"other service": answer(advertisement, capsV2),
	} {
		f := startForge(t, v2(branches))
		c := client(t, remote.Config{})
		first := check(t, c, f.URL+repo)
		once := true
		f.become(func(w http.ResponseWriter, r *http.Request) {
			if once {
				once = false
				odd(w, r)
				return
			}
			v2(branches)(w, r)
		})
		if res := check(t, c, f.URL+repo); res.content != first.content {
			t.Errorf("%s: %+v", name, res)
		}
		if requests, _ := f.asked(); !slices.Equal(requests, []string{post, get, post}) {
			t.Errorf("%s: asked %v", name, requests)
		}
	}
}

// An answer that cannot be read, or shows too much, has the server learned anew by the next
// check.
func TestRelearnsAfterAnAnswerThatCannotBeRead(t *testing.T) {
	for name, shown := range map[string]string{"no refs": gittest.Packets("nonsense\n", "0000"), "more than may be": gittest.Packets(oidA+" refs/heads/1\n", oidA+" refs/heads/2\n", "0000")} {
		f := startForge(t, v2(branches))
		c := client(t, remote.Config{})
		check(t, c, f.URL+repo)
		f.become(v2(shown))
		answer, err := c.Open(f.URL+repo).LsRefs(t.Context(), prefixes)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := answer.Parse(t.Context(), wire.Limits{Refs: 1}); err == nil {
			t.Errorf("%s: it is read", name)
		}
		answer.Close()
		f.become(v2(branches))
		check(t, c, f.URL+repo)
		if requests, _ := f.asked(); !slices.Equal(requests, []string{get, post}) {
			t.Errorf("%s: asked %v", name, requests)
		}
	}
}

// An upstream that goes back to version 0 for good is followed there.
func TestVersionTwoTurnsToZero(t *testing.T) {
	f := startForge(t, v2(branches))
	c := client(t, remote.Config{})
	check(t, c, f.URL+repo)
	f.become(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			status(400)(w, r)
			return
		}
		answer(advertisement, gittest.Packets(service, "0000", oidB+" HEAD\x00symref=HEAD:refs/heads/main\n", oidB+" refs/heads/main\n", "0000"))(w, r)
	})
	if res := check(t, c, f.URL+repo); res.Advert.HeadOID != oidB {
		t.Errorf("%+v", res.Advert)
	}
}

func TestVersionZeroServer(t *testing.T) {
	tip, session := oidA, 0
	f := startForge(t, func(w http.ResponseWriter, r *http.Request) {
		session++
		answer(advertisement, gittest.Packets(service, "0000", tip+" HEAD\x00multi_ack symref=HEAD:refs/heads/main session-id="+strings.Repeat("x", session)+"\n", tip+" refs/heads/main\n", "0000"))(w, r)
	})
	c := client(t, remote.Config{})
	first := check(t, c, f.URL+repo)
	if first.Advert.HeadRef != "refs/heads/main" || len(first.Advert.Refs) != 1 {
		t.Errorf("%+v", first.Advert)
	}
	if res := check(t, c, f.URL+repo); res.content != first.content {
		t.Error("a new session looks like a change")
	}
	tip = oidB
	if res := check(t, c, f.URL+repo); res.content == first.content || res.Advert.HeadOID != oidB {
		t.Errorf("a moved branch: %+v", res)
	}
	if requests, conns := f.asked(); !slices.Equal(requests, []string{get, get, get}) || conns != 1 {
		t.Errorf("%d connections, asked %v", conns, requests)
	}
}

// A server closes an idle connection just when the next check goes out: that
// is no failure of the upstream.
func TestClosedIdleConnectionIsNoFailure(t *testing.T) {
	f := startForge(t, v2(branches))
	c := client(t, remote.Config{})
	first := check(t, c, f.URL+repo)
	once := true
	f.become(func(w http.ResponseWriter, r *http.Request) {
		if once {
			once = false
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			conn.Close()
			return
		}
		v2(branches)(w, r)
	})
	if res := check(t, c, f.URL+repo); res.content != first.content {
		t.Errorf("%+v", res)
	}
}

// Everything goes out through the given dialer, whatever the environment says.
func TestNoProxyFromTheEnvironment(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	if p := remote.NewTransport((&net.Dialer{}).DialContext).Proxy; p != nil {
		t.Error("the transport has a proxy")
	}
}
