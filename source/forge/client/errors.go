package client

import (
	"fmt"
	"time"
)

// Class is what kept a forge's repositories from being listed.
type Class string

// The classes there are. None of them says anything of a repository.
const (
	NotFound Class = "not found" // the account, as far as the token may see
	Auth     Class = "auth"      // the token is not taken, or there is none
	Limited  Class = "limited"   // the forge wants to be left alone for a while
	Changing Class = "changing"  // the account changed while it was listed
	TooMany  Class = "too many"  // repositories, or pages of them
	TooLarge Class = "too large" // in bytes: a page, or all that is kept of the account
	Failed   Class = "failed"    // all else: of the network, of the forge
)

// Error is why an account could not be listed. Nothing that came before it counts.
type Error struct {
	Class Class
	Why   string    // for people; nothing of the token is in it
	Try   string    // may be empty
	Until time.Time // of Limited: when the forge may be asked again
}

func (e *Error) Error() string { return e.Why }

func failed(class Class, format string, args ...any) *Error {
	return &Error{Class: class, Why: fmt.Sprintf(format, args...)}
}
