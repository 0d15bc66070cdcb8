package git

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// limitMemory bounds what a child, and each child of its own, may have of memory that
// is its alone (RLIMIT_DATA: files that are mapped do not count). Linux takes the limit
// after the start as well; that it comes first is up to whoever starts the child: one
// that reads its standard input waits for it there, see held.
func limitMemory(p *os.Process, bytes int64) error {
	limit := unix.Rlimit{Cur: uint64(bytes), Max: uint64(bytes)}
	if err := unix.Prlimit(p.Pid, unix.RLIMIT_DATA, &limit, nil); err != nil && !errors.Is(err, unix.ESRCH) {
		return os.NewSyscallError("prlimit", err)
	}
	return nil
}

// held is a standard input that brings nothing before it is released.
type held struct {
	from    io.Reader
	open    chan struct{}
	release func()
}

func hold(from io.Reader) *held {
	h := &held{from: from, open: make(chan struct{})}
	h.release = sync.OnceFunc(func() { close(h.open) })
	return h
}

func (h *held) Read(p []byte) (int, error) {
	<-h.open
	return h.from.Read(p)
}

// OutOfMemory tells whether a child failed because it was refused memory.
func OutOfMemory(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	for _, s := range []string{"ut of memory", "Cannot allocate memory", "unable to mmap", "unable to create thread"} {
		if strings.Contains(e.Stderr, s) {
			return true
		}
	}
	return false
}
