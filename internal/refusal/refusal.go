// Package refusal is how gitmirror says no: to a request of a client, to a call of
// another node, to a command of the log. Each reason has a code, which is listed
// here once, with what it means, its HTTP status and what to try.
//
// An Error is made where the decision falls, and travels as it is; package api turns
// it into what is sent.
package refusal

import (
	"errors"
	"fmt"
	"time"
)

// Code is the stable name of a reason. It is an error itself, so that
// errors.Is(err, refusal.NotFound) holds for an Error with that code, whatever its
// words.
type Code string

func (c Code) Error() string {
	if m, known := meanings[c]; known {
		return m.Means
	}
	return string(c)
}

// Status is the HTTP status that goes with a code; of one that is not listed, 400.
func (c Code) Status() int {
	if m, known := meanings[c]; known {
		return m.Status
	}
	return 400
}

// Hint is what to try where an Error says nothing better; may be empty.
func (c Code) Hint() string { return meanings[c].Hint }

// Error is something that was asked for, understood, and not done.
type Error struct {
	Code     Code
	Detail   string // what and why, for people
	Hint     string // what to try, may be empty
	Existing string // the name of the row in the way, may be empty
	Status   int    // of a code that another release made; 0: the code's own
	// Again is when it may come to something else, at the earliest; 0 where nobody knows.
	Again time.Duration
}

// New returns an Error with the hint of its code.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...), Hint: code.Hint()}
}

// Try returns e with another hint.
func (e *Error) Try(format string, args ...any) *Error {
	out := *e
	out.Hint = fmt.Sprintf(format, args...)
	return &out
}

// After returns e with Again.
func (e *Error) After(again time.Duration) *Error {
	out := *e
	out.Again = again
	return &out
}

// Error is the detail, or what the code means where there is none.
func (e *Error) Error() string {
	if e.Detail == "" {
		return e.Code.Error()
	}
	return e.Detail
}

// Is matches the code.
func (e *Error) Is(target error) bool {
	code, ok := target.(Code)
	return ok && code == e.Code
}

// HTTP is the status to answer with.
func (e *Error) HTTP() int {
	if e.Status != 0 {
		return e.Status
	}
	return e.Code.Status()
}

// Final tells whether asking again, as it is, would come to the same.
func (e *Error) Final() bool { return e.HTTP() >= 400 && e.HTTP() < 500 }

// Of returns the refusal in err, nil where there is none. A Code that was wrapped is
// one, with the words of the whole.
func Of(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	var code Code
	if errors.As(err, &code) {
		return New(code, "%s", err)
	}
	return nil
}
