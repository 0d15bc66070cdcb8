package remote_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"gitmirror/internal/egress"
	"gitmirror/internal/gittest"
	"gitmirror/internal/network"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/remote"
	"gitmirror/mirror/wire"
)

func TestStatusClasses(t *testing.T) {
	for code, class := range map[int]failure.Class{
		404: failure.NotFound, 410: failure.NotFound, 401: failure.Auth, 403: failure.Auth, 407: failure.Auth, 429: failure.RateLimited,
		451: failure.Refused, 500: failure.Network, 502: failure.Network, 503: failure.Network, 400: failure.Protocol, 204: failure.Protocol, 304: failure.Protocol,
	} {
		f := startForge(t, status(code))
		fails(t, client(t, remote.Config{}), f.URL+repo, class)
		// The same when it was a git server until now.
		f.become(v2(branches))
		c := client(t, remote.Config{})
		check(t, c, f.URL+repo)
		f.become(status(code))
		fails(t, c, f.URL+repo, class)
		// Once it is well it is learned anew.
		f.become(v2(branches))
		check(t, c, f.URL+repo)
		if requests, _ := f.asked(); !slices.Equal(requests, []string{get, post}) {
			t.Errorf("behind %d: asked %v", code, requests)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	for _, tc := range []struct {
		value    string
		min, max time.Duration
	}{
		{"1", time.Second, time.Second},
		{"3600", time.Hour, time.Hour},
		{"1000000000000", time.Hour, time.Hour},
		{"99999999999999999999999", time.Hour, time.Hour},
		{"-5", 0, 0}, {"soon", 0, 0}, {"", 0, 0}, {"1.5", 0, 0},
		{in(-time.Hour), 0, 0},
		{in(10 * time.Minute), 9 * time.Minute, 10 * time.Minute},
		{in(100 * time.Hour), time.Hour, time.Hour},
	} {
		for _, code := range []int{429, 503} {
			f := startForge(t, status(code, "Retry-After", tc.value))
			if got := fails(t, client(t, remote.Config{}), f.URL+repo, map[int]failure.Class{429: failure.RateLimited, 503: failure.Network}[code]).RetryAfter; got < tc.min || got > tc.max {
				t.Errorf("%d, Retry-After %q: wait %s, want %s to %s", code, tc.value, got, tc.min, tc.max)
			}
		}
	}
}

func TestAnswersThatAreNotGit(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	for name, tc := range map[string]struct {
		handle http.HandlerFunc
		class  failure.Class
	}{
		"login page":            {answer("text/html; charset=utf-8", "<html>log in</html>"), failure.Protocol},
		"dumb server":           {answer("text/plain", oidA+"\trefs/heads/main\n"), failure.Protocol},
		"hostile content type":  {answer("text/\x9b31mred"+long[:1000], ""), failure.Protocol},
		"html called git":       {answer(advertisement, "<html>"), failure.Protocol},
		"length 0003":           {answer(advertisement, "0003"), failure.Protocol},
		"length fffg":           {answer(advertisement, "fffg"+long), failure.Protocol},
		"length 65521":          {answer(advertisement, "fff1"+long), failure.Protocol},
		"cut off":               {answer(advertisement, "00ff# service"), failure.Network},
		"empty":                 {answer(advertisement, ""), failure.Network},
		"refs: length 0003":     {v2(gittest.Packets(oidA+" refs/heads/x\n") + "0003"), failure.Protocol},
		"refs: no end":          {v2(gittest.Packets(oidA + " refs/heads/x\n")), failure.Network},
		"refs: hostile line":    {v2(gittest.Packets("\x1b[31mred\u009b"+long[:500]+"\n", "0000")), failure.Protocol},
		"ERR":                   {v2(gittest.Packets("ERR \x1b[31mno such repository\x07\n")), failure.NotFound},
		"ERR at once":           {answer(advertisement, gittest.Packets(service, "0000", "ERR gone\n")), failure.NotFound},
		"sha256":                {answer(advertisement, gittest.Packets(service, "0000", "version 2\n", "object-format=sha\x1b256\n", "0000")), failure.Format},
		"sha256 in version 0":   {answer(advertisement, gittest.Packets(service, "0000", oidA+" HEAD\x00object-format=\x1bsha256\n", "0000")), failure.Format},
		"shallow in version 0":  {answer(advertisement, gittest.Packets(service, "0000", oidA+" HEAD\x00agent=git\n", oidA+" refs/heads/main\n", "shallow "+oidB+"\n", "0000")), failure.Shallow},
		"capabilities for refs": {answer(advertisement, capsV2), failure.Protocol},
	} {
		f := startForge(t, tc.handle)
		got := fails(t, client(t, remote.Config{}), f.URL+repo, tc.class)
		says := map[string]string{"login page": "not a git server", "sha256": "object format is sha", "shallow in version 0": "shallow clone"}[name]
		if !strings.Contains(got.Message, says) {
			t.Errorf("%s: %s", name, got.Message)
		}
	}
}

// A forge says 401 of what is not there, too.
func TestWhatARefusalMayMean(t *testing.T) {
	for code, class := range map[int]failure.Class{401: failure.Auth, 403: failure.Auth, 404: failure.NotFound, 410: failure.NotFound} {
		got := fails(t, client(t, remote.Config{}), startForge(t, status(code)).URL+repo, class)
		if !strings.Contains(got.Message, "deleted, renamed") || class == failure.Auth && !strings.Contains(got.Message, "wants credentials") {
			t.Errorf("%d: %s", code, got.Message)
		}
	}
}

func TestTooManyRefs(t *testing.T) {
	f := startForge(t, v2(gittest.Packets(oidA+" refs/heads/1\n", oidA+" refs/heads/2\n", oidA+" refs/heads/3\n", "0000")))
	for most, class := range map[int]failure.Class{2: failure.Refused, 3: ""} {
		answer, err := client(t, remote.Config{}).Open(f.URL+repo).LsRefs(t.Context(), prefixes)
		if err != nil {
			t.Fatal(err)
		}
		_, err = answer.Parse(t.Context(), wire.Limits{Refs: most})
		answer.Close()
		if class == "" && err == nil {
			continue
		}
		if got := failure.Of(err); got.Class != class || !strings.Contains(got.Message, wire.ErrTooManyRefs.Error()) {
			t.Errorf("at most %d: %v", most, err)
		}
	}
}

// endless writes until the client goes away.
func endless(w http.ResponseWriter, chunk string, every time.Duration) {
	w.Header().Set("Content-Type", advertisement)
	rc := http.NewResponseController(w)
	for {
		if _, err := io.WriteString(w, chunk); err != nil || rc.Flush() != nil {
			return
		}
		if every > 0 {
			<-time.After(every)
		}
	}
}

func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func TestSlowAndEndlessAnswers(t *testing.T) {
	short := 150 * time.Millisecond
	afterHeader := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", advertisement)
			w.WriteHeader(code)
			_ = http.NewResponseController(w).Flush()
			hang(w, r)
		}
	}
	for name, tc := range map[string]struct {
		handle http.HandlerFunc
		cfg    remote.Config
		class  failure.Class
	}{
		"hangs":              {hang, remote.Config{HeaderTimeout: short}, failure.Timeout},
		"hangs behind a 200": {afterHeader(200), remote.Config{StallTimeout: short}, failure.Timeout},
		"hangs behind a 404": {afterHeader(404), remote.Config{HeaderTimeout: short}, failure.NotFound},
		"hangs behind a redirect": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/other/info/refs")
			redirectOnce(w, r)
		}, remote.Config{HeaderTimeout: short}, failure.Timeout},
		"one byte now and then": {func(w http.ResponseWriter, _ *http.Request) { endless(w, "0", 10*time.Millisecond) }, remote.Config{StallTimeout: short}, failure.Timeout},
		"fast enough, but for ever": {func(w http.ResponseWriter, _ *http.Request) {
			endless(w, strings.Repeat("0", 2000), 10*time.Millisecond)
		}, remote.Config{AnswerTimeout: short}, failure.Timeout},
		"endless": {func(w http.ResponseWriter, _ *http.Request) { endless(w, strings.Repeat("0", 32<<10), 0) }, remote.Config{MaxBytes: 1 << 20}, failure.Refused},
	} {
		t.Run(name, func(t *testing.T) {
			f := startForge(t, tc.handle)
			fails(t, client(t, tc.cfg), f.URL+repo, tc.class)
		})
	}
}

func redirectOnce(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/other") {
		hang(w, r)
		return
	}
	w.WriteHeader(http.StatusFound)
}

func TestConnectionCutInMidAnswer(t *testing.T) {
	cut := func(after string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", advertisement)
			w.Header().Set("Content-Length", "100000")
			_, _ = io.WriteString(w, after)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	}
	for _, after := range []string{"", capsV2[:20], capsV2} {
		f := startForge(t, cut(after))
		fails(t, client(t, remote.Config{}), f.URL+repo, failure.Network)
	}
	f := startForge(t, hang)
	url := f.URL
	f.Close()
	fails(t, client(t, remote.Config{}), url+repo, failure.Network)
}

func TestCancelledCheckEndsAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := startForge(t, func(w http.ResponseWriter, r *http.Request) { cancel(); hang(w, r) })
	begin := time.Now()
	if _, err := client(t, remote.Config{}).Open(f.URL+repo).LsRefs(ctx, prefixes); err == nil || time.Since(begin) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(begin))
	}
}

func TestRedirects(t *testing.T) {
	real := startForge(t, v2(branches))
	t.Run("the same host, .git added", func(t *testing.T) {
		f := startForge(t, func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.URL.Path, "/acme/big.git/") {
				http.Redirect(w, r, "/acme/big.git/info/refs?"+r.URL.RawQuery, http.StatusMovedPermanently)
				return
			}
			v2(branches)(w, r)
		})
		c := client(t, remote.Config{})
		check(t, c, f.URL+"/acme/big")
		f.become(v2(branches))
		check(t, c, f.URL+"/acme/big")
		if requests, _ := f.asked(); len(requests) != 1 || requests[0] != post {
			t.Errorf("once learned, asked %v", requests)
		}
	})
	t.Run("another host", func(t *testing.T) {
		f := startForge(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, real.URL+repo+"/info/refs?"+r.URL.RawQuery, http.StatusFound)
		})
		check(t, client(t, remote.Config{}), f.URL+repo)
	})
	for name, to := range map[string]string{
		"a loop":      repo + "/info/refs",
		"a file":      "file:///etc/passwd",
		"credentials": strings.Replace(real.URL, "http://", "http://user:CANARY@", 1) + repo + "/info/refs",
	} {
		t.Run(name, func(t *testing.T) {
			hops := 0
			f := startForge(t, func(w http.ResponseWriter, r *http.Request) { hops++; http.Redirect(w, r, to, http.StatusFound) })
			fails(t, client(t, remote.Config{}), f.URL+repo, failure.Network)
			if hops > 6 {
				t.Errorf("%d hops", hops)
			}
		})
	}
	t.Run("from https to http", func(t *testing.T) {
		plain := startForge(t, func(http.ResponseWriter, *http.Request) { t.Error("asked over http") })
		tls := httptest.NewTLSServer(http.RedirectHandler(plain.URL+repo+"/info/refs", http.StatusFound))
		defer tls.Close()
		c := remote.New(remote.Config{Transport: tls.Client().Transport})
		if f := fails(t, c, tls.URL+repo, failure.Network); !strings.Contains(f.Message, "from https to http") {
			t.Error(f.Message)
		}
	})
	t.Run("of a POST", func(t *testing.T) {
		elsewhere := startForge(t, func(http.ResponseWriter, *http.Request) { t.Error("a POST was redirected") })
		f := startForge(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
				return
			}
			v2(branches)(w, r)
		})
		fails(t, client(t, remote.Config{}), f.URL+repo, failure.Protocol)
	})
}

func TestDeniedAddress(t *testing.T) {
	policy, err := egress.NewPolicy(nil)
	if err != nil {
		t.Fatal(err)
	}
	f := startForge(t, func(http.ResponseWriter, *http.Request) { t.Error("a denied address was reached") })
	tr := remote.NewTransport(egress.NewDialer(policy, network.Host).DialContext)
	got := fails(t, client(t, remote.Config{Transport: tr}), f.URL+repo, failure.Refused)
	if !strings.HasPrefix(got.Message, "address denied: 127.0.0.1") {
		t.Error(got.Message)
	}
}

func TestDialFailures(t *testing.T) {
	for err, class := range map[error]failure.Class{
		&net.DNSError{Err: "no such host", Name: "nowhere.example"}: failure.Network,
		fmt.Errorf("x"): failure.Network,
		&net.OpError{Op: "dial", Net: "tcp", Err: context.DeadlineExceeded}: failure.Timeout,
	} {
		tr := remote.NewTransport(func(context.Context, string, string) (net.Conn, error) { return nil, err })
		got := fails(t, client(t, remote.Config{Transport: tr}), "http://nowhere.example/x", class)
		if strings.Contains(got.Message, "Get \"") {
			t.Errorf("message %q", got.Message)
		}
	}
	tls := httptest.NewUnstartedServer(v2(branches))
	tls.Config.ErrorLog = nil
	tls.StartTLS()
	defer tls.Close()
	if got := fails(t, client(t, remote.Config{}), tls.URL+repo, failure.TLSVerify); !strings.Contains(got.Message, "certificate") {
		t.Errorf("an unknown certificate: %s", got.Message)
	}
}
