package remote

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"gitmirror/internal/egress"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/git"
	"gitmirror/mirror/wire"
)

// The class of a failure does not depend on who has met it: a check, the relay, or git.
func TestTheClassIsTheSameWhoeverAsked(t *testing.T) {
	said := func(words string) error { return &git.Error{Subcommand: "fetch", Stderr: words} }
	for class, errs := range map[failure.Class][]error{
		failure.Refused:   {fmt.Errorf("dial: %w", egress.ErrDenied), wire.ErrTooManyRefs},
		failure.TLSVerify: {&url.Error{Op: "Get", URL: "https://x", Err: &tls.CertificateVerificationError{Err: fmt.Errorf("unknown authority")}}},
		failure.Timeout:   {&net.OpError{Op: "dial", Err: syscall.ETIMEDOUT}, said("fatal: unable to access 'http://x/': Operation timed out")},
		failure.Shallow:   {wire.ErrShallow},
		failure.Format:    {&wire.FormatError{Format: "sha256"}},
		failure.Protocol:  {wire.ErrPacket, wire.ErrProtocol, said("fatal: protocol error: bad line length character: <htm")},
		failure.NotFound:  {&wire.ServerError{Message: "gone"}, said("remote: gone; fatal: repository 'http://x/' not found")},
		failure.Network: {io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, &net.DNSError{Name: "x", Err: "no such host"}, fmt.Errorf("x"),
			said("error: RPC failed; curl 18 transfer closed; fatal: early EOF; fatal: index-pack failed"), said("fatal: x")},
		failure.Corrupt: {said("error: object 1234: hasDotgit: contains '.git'; fatal: fsck error in packed object")},
		failure.Disk:    {fmt.Errorf("write: %w", syscall.ENOSPC), said("fatal: write error: No space left on device")},
		// What the other side says of its memory is not ours.
		failure.OutOfMemory: {said("fatal: Out of memory, malloc failed"), said("error: pack-objects died of signal 9")},
	} {
		for _, err := range errs {
			if f := Classify(err); f.Class != class || f.Message == "" || strings.Contains(f.Message, `Get "`) {
				t.Errorf("%v: %s (%s), want %s", err, f.Class, f.Message, class)
			}
			if f := Classify(fmt.Errorf("wrapped: %w", err)); f.Class != class {
				t.Errorf("wrapped %v: %s, want %s", err, f.Class, class)
			}
		}
	}
	if f := Classify(said("remote: fatal: Out of memory, malloc failed; fatal: x")); f.Class != failure.Network {
		t.Errorf("the other side's memory: %s", f.Class)
	}
	for _, code := range []int{401, 403, 404, 410, 429, 500, 502, 503} {
		check := ofStatus(&http.Response{StatusCode: code, Request: &http.Request{URL: &url.URL{Host: "x"}}})
		fetch := Classify(said(fmt.Sprintf("fatal: unable to access 'http://x/': The requested URL returned error: %d", code)))
		if check.Class != fetch.Class {
			t.Errorf("%d is %s for a check and %s for git", code, check.Class, fetch.Class)
		}
		if strings.Contains(check.Message, failure.Unauthorized) != strings.Contains(fetch.Message, failure.Unauthorized) {
			t.Errorf("%d: %q and %q", code, check.Message, fetch.Message)
		}
	}
}
