// Package advice is how a process says why it does not start, or ends: with what a
// person can do about it.
package advice

// Error is a reason not to start, or to stop, that a person can do something about.
type Error struct {
	Message string
	Try     string // what to try next, may be empty
	Code    int    // exit code, 0 for 1
	Err     error
}

func (e *Error) Error() string { return e.Message }
func (e *Error) Unwrap() error { return e.Err }

// Hint is what to try next.
func (e *Error) Hint() string { return e.Try }

// ExitCode is what the process should exit with.
func (e *Error) ExitCode() int { return max(e.Code, 1) }
