package remote

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gitmirror/internal/egress"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/git"
	"gitmirror/mirror/wire"
)

// maxRetryAfter bounds what an upstream may ask us to wait.
const maxRetryAfter = time.Hour

func ofStatus(resp *http.Response) *failure.Error {
	host := resp.Request.URL.Host
	f := failure.New(failure.Protocol, fmt.Sprintf("%s answered %d %s", host, resp.StatusCode, http.StatusText(resp.StatusCode)), nil)
	switch code := resp.StatusCode; {
	case code == http.StatusNotFound, code == http.StatusGone:
		f.Class = failure.NotFound
		f.Message += ": deleted, renamed, or private"
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusProxyAuthRequired:
		f.Class = failure.Auth
		f.Message += ": " + failure.Unauthorized
	case code == http.StatusTooManyRequests:
		f.Class = failure.RateLimited
	case code == http.StatusUnavailableForLegalReasons:
		f.Class = failure.Refused
	case code >= 500:
		f.Class = failure.Network
	}
	f.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	if f.Host = tooMuch(resp); f.Host && f.Class == failure.Auth {
		f.Class = failure.RateLimited
		f.Message = fmt.Sprintf("%s answered 403: it is asked for too much", host)
		f.RetryAfter = max(f.RetryAfter, untilReset(resp.Header, time.Now()))
	}
	return f
}

// tooMuch tells whether an answer says of a host that it is asked for too much, and not of one
// repository. Forges say 403 of both, and have headers for the first.
func tooMuch(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return true
	case http.StatusForbidden:
		return resp.Header.Get("Retry-After") != "" || resp.Header.Get("X-RateLimit-Remaining") == "0" || resp.Header.Get("RateLimit-Remaining") == "0"
	}
	return false
}

// untilReset is how long it takes until a limit is over, as GitHub and GitLab say it: at a time
// in seconds of Unix, or (RateLimit-Reset, as others have it) in so many seconds.
func untilReset(h http.Header, now time.Time) time.Duration {
	for _, name := range []string{"X-RateLimit-Reset", "RateLimit-Reset"} {
		n, err := strconv.ParseInt(h.Get(name), 10, 64)
		switch {
		case err != nil || n < 0:
		case n < 1e9:
			return min(time.Duration(n)*time.Second, maxRetryAfter)
		default:
			return min(max(time.Unix(n, 0).Sub(now), 0), maxRetryAfter)
		}
	}
	return 0
}

func retryAfter(v string, now time.Time) time.Duration {
	if v == "" {
		return 0
	}
	if strings.Trim(v, "0123456789") == "" {
		sec, err := strconv.ParseInt(v, 10, 64)
		if err != nil || sec > int64(maxRetryAfter/time.Second) {
			return maxRetryAfter
		}
		return time.Duration(sec) * time.Second
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}

func checkType(resp *http.Response, want string) error {
	got, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	if strings.EqualFold(strings.TrimSpace(got), want) {
		return nil
	}
	if got == "" {
		got = "an unnamed type"
	}
	return failure.New(failure.Protocol, fmt.Sprintf("%s is not a git server at this address: it answers with %.60s", resp.Request.URL.Host, got), nil)
}

// enough is how many bytes of a message are shown.
const enough = 300

// Classify turns whatever dealing with an upstream ended with, here or in a git child,
// into a *failure.Error. Its message holds no more of the upstream's words than a terminal
// can bear.
func Classify(err error) *failure.Error {
	if said := (*git.Error)(nil); errors.As(err, &said) {
		return ofGit(said, err)
	}
	f := classOf(err)
	f.Message = failure.Clip(f.Message, enough)
	return f
}

func classOf(err error) *failure.Error {
	var f *failure.Error
	var dns *net.DNSError
	var said *wire.ServerError
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, egress.ErrDenied):
		return failure.New(failure.Refused, tidy(err), err)
	case errors.As(err, &said):
		return failure.New(failure.NotFound, "the upstream says: "+said.Message, err)
	case errors.As(err, new(*wire.BandError)):
		class := failure.Network
		if strings.Contains(err.Error(), "corruption on the remote side") {
			class = failure.Corrupt
		}
		return failure.New(class, err.Error(), err)
	case errors.Is(err, wire.ErrShallow):
		return failure.Wrap(failure.Shallow, err)
	case errors.As(err, new(*wire.FormatError)):
		return failure.Wrap(failure.Format, err)
	case errors.Is(err, wire.ErrTooManyRefs):
		return failure.Wrap(failure.Refused, err)
	case errors.Is(err, wire.ErrPacket), errors.Is(err, wire.ErrProtocol):
		return failure.Wrap(failure.Protocol, err)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return failure.New(failure.Network, "the upstream cut the connection in mid-answer", err)
	case errors.As(err, &dns):
		return failure.New(failure.Network, fmt.Sprintf("%s does not resolve", dns.Name), err)
	}
	f = failure.Of(err)
	if f.Err == err {
		f.Message = tidy(err)
	}
	return f
}

// tidy cuts the method and URL that net/http puts before the cause.
func tidy(err error) string {
	var op interface{ Unwrap() error }
	for errors.As(err, &op) && strings.Contains(err.Error(), `": `) {
		inner := op.Unwrap()
		if inner == nil {
			break
		}
		err = inner
	}
	return err.Error()
}
