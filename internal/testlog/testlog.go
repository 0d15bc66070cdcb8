// Package testlog is what tests share: a quiet logger, and waiting for a
// condition instead of for time to pass.
package testlog

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"
)

// New returns a logger that writes to the test's log, which go test shows only
// when the test fails. Lines that come after its end are dropped.
func New(t testing.TB) *slog.Logger {
	w := &writer{t: t}
	t.Cleanup(w.close)
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type writer struct {
	mu sync.Mutex
	t  testing.TB // nil once the test has ended
}

func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.t != nil {
		w.t.Log(string(p[:len(p)-1]))
	}
	return len(p), nil
}

func (w *writer) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t = nil
}

// Eventually waits until ok returns true, and fails the test if that does not
// happen within a generous while. what completes "waiting for".
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	EventuallyIn(t, 30*time.Second, what, ok)
}

// EventuallyIn is Eventually with a bound of its own.
func EventuallyIn(t testing.TB, bound time.Duration, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited %s in vain for %s", bound, what)
		case <-tick.C:
		}
	}
}

// Heap is what lives on the heap now, in bytes: for benchmarks of what a thing costs.
func Heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
