package demo

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// teller tells the story in numbered chapters.
type teller struct {
	out   io.Writer // nil: nobody listens
	began time.Time

	mu sync.Mutex
	n  int
}

// chapter opens a chapter. What it returns says how long it took, for chapters
// in which that matters.
func (t *teller) chapter(format string, args ...any) (done func()) {
	t.mu.Lock()
	t.n++
	n := t.n
	t.mu.Unlock()
	t.say("\n%d. %s", n, fmt.Sprintf(format, args...))
	began := time.Now()
	return func() {
		if d := time.Since(began); d >= 50*time.Millisecond {
			t.say("   took %s", seconds(d))
		}
	}
}

func (t *teller) say(format string, args ...any) {
	if t.out == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = fmt.Fprintf(t.out, format+"\n", args...)
}

// seconds is a duration as people say it.
func seconds(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// lookEvery is how often something awaited is looked at.
const lookEvery = 50 * time.Millisecond

// await looks until fn is true, or for that long at most. It then fails with
// what was awaited and the last reason.
func await(ctx context.Context, within time.Duration, what string, fn func(ctx context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var last error
	for {
		ok, err := fn(ctx)
		switch {
		case ok:
			return nil
		case err != nil && ctx.Err() == nil:
			last = err
		}
		select {
		case <-ctx.Done():
			if last != nil {
				return fmt.Errorf("waited %s for %s: %w", within, what, last)
			}
			return fmt.Errorf("waited %s for %s", within, what)
		case <-tick.C:
		}
	}
}

func lastLines(path string, n int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	for i, l := range lines {
		lines[i] = "   " + l
	}
	return strings.Join(lines, "\n")
}
