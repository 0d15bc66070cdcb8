// Package failure classifies what goes wrong between a mirror and its
// upstream, so that it can be shown, counted and retried by its class.
package failure

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"syscall"
	"time"
)

// Class is a kind of failure. The names are part of the API.
type Class string

// The classes, by what a person would do about them.
const (
	NotFound    Class = "not_found"     // 404, 410: gone, moved, or private
	Auth        Class = "auth"          // 401, 403: wants credentials we do not have
	RateLimited Class = "rate_limited"  // 429
	Network     Class = "network"       // does not resolve, connect, or answers 5xx
	TLSVerify   Class = "tls_verify"    // shows a certificate that is not to be trusted
	Timeout     Class = "timeout"       // answers too slowly, or not at all
	Protocol    Class = "protocol"      // answers, but not as a git server
	Shallow     Class = "shallow"       // lacks a part of its own history
	Format      Class = "object_format" // SHA-256
	Corrupt     Class = "corrupt"       // sends objects that fail git's checks
	Disk        Class = "disk"          // our own disk
	Refused     Class = "refused"       // we will not: address, limits, policy
	TooLarge    Class = "too_large"     // more than --max-size or --max-object-size
	OutOfMemory Class = "out_of_memory" // more memory than git, or answers, may have here
)

// Classes are all of them.
var Classes = []Class{NotFound, Auth, RateLimited, Network, TLSVerify, Timeout, Protocol, Shallow, Format, Corrupt, Disk, Refused, TooLarge, OutOfMemory}

// Unauthorized is what 401 and 403 mean: forges say them of what is not there, too.
const Unauthorized = "deleted, renamed, private, or wants credentials, which are not supported yet"

// Error is a classified failure.
type Error struct {
	Class      Class
	Message    string        // for people, one line, free of secrets and control characters
	RetryAfter time.Duration // what the upstream asked for, 0 if nothing
	Host       bool          // it is said of all that the host has: it is asked for too much
	Err        error
}

func (e *Error) Error() string { return e.Message }
func (e *Error) Unwrap() error { return e.Err }

// New returns a classified error.
func New(class Class, message string, err error) *Error {
	return &Error{Class: class, Message: message, Err: err}
}

// Wrap is err, as one of that class.
func Wrap(class Class, err error) *Error { return New(class, err.Error(), err) }

// Of returns err as a classified error: itself where it is one, else by what
// its chain tells, Network where that is nothing.
func Of(err error) *Error {
	var f *Error
	if errors.As(err, &f) {
		return f
	}
	return Wrap(classOf(err), err)
}

func classOf(err error) Class {
	var netErr net.Error
	switch {
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return TLSVerify
	case errors.As(err, new(tls.RecordHeaderError)):
		return Protocol // https was asked for, and it speaks something else
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return Timeout
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EROFS),
		errors.Is(err, syscall.EIO), errors.As(err, new(*os.PathError)), errors.As(err, new(*os.LinkError)):
		return Disk
	}
	return Network
}
