package failure_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"gitmirror/mirror/failure"
)

func TestOf(t *testing.T) {
	_, missing := os.Open("/does/not/exist")
	for _, tc := range []struct {
		err  error
		want failure.Class
	}{
		{errors.New("x"), failure.Network},
		{context.DeadlineExceeded, failure.Timeout},
		{fmt.Errorf("dial: %w", &net.DNSError{IsTimeout: true}), failure.Timeout},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, failure.Network},
		{fmt.Errorf("get: %w", &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}), failure.TLSVerify},
		{fmt.Errorf("get: %w", tls.RecordHeaderError{Msg: "x"}), failure.Protocol},
		{fmt.Errorf("write: %w", syscall.ENOSPC), failure.Disk},
		{syscall.EROFS, failure.Disk}, {syscall.EIO, failure.Disk}, {syscall.EDQUOT, failure.Disk},
		{missing, failure.Disk},
		{fmt.Errorf("x: %w", failure.New(failure.Auth, "m", nil)), failure.Auth},
	} {
		f := failure.Of(tc.err)
		if f.Class != tc.want || f.Error() == "" {
			t.Errorf("%v: class %s, message %q, want %s", tc.err, f.Class, f.Message, tc.want)
		}
		if f.Class != failure.Auth && !errors.Is(f, tc.err) {
			t.Errorf("%v is not in the chain of %v", tc.err, f)
		}
	}
}
