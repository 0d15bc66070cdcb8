package git

import (
	"errors"
	"slices"
	"strings"
)

// shortages are what git says, with the exit code of a damaged repository, when this
// machine lacks something.
var shortages = []string{"Out of memory", "out of memory", "Cannot allocate memory", "unable to create thread", "Resource temporarily unavailable",
	"Too many open files", "No space left", "Disk quota", "cannot fork", "unable to fork", "Permission denied"}

// Judged tells whether a child that failed has judged what it was to read: it says so with its
// own exit codes. One that could not be run, was killed, or lacked memory, threads or room says
// nothing of it.
func Judged(err error) bool {
	var exit interface{ ExitCode() int }
	ended := errors.As(err, &exit) && (exit.ExitCode() == 1 || exit.ExitCode() == 128)
	return ended && !slices.ContainsFunc(shortages, func(s string) bool { return strings.Contains(err.Error(), s) })
}
