package clock_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/internal/clock"
)

// Calls are made in order of their times, each at its own; what a call asks for is
// made on the same way.
func TestManualMakesCallsAtTheirTimes(t *testing.T) {
	start := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	c := clock.NewManual(start)
	var made []time.Duration
	note := func() { made = append(made, c.Now().Sub(start)) }
	c.AfterFunc(3*time.Second, note)
	stopped := c.AfterFunc(2*time.Second, note)
	moved := c.AfterFunc(time.Hour, note)
	c.AfterFunc(time.Second, func() { note(); c.AfterFunc(time.Second/2, note) })
	if !stopped.Stop() || stopped.Stop() || !moved.Reset(4*time.Second) {
		t.Error("a call that was to come was not")
	}
	c.Advance(10 * time.Second)
	if want := []time.Duration{time.Second, 1500 * time.Millisecond, 3 * time.Second, 4 * time.Second}; !slices.Equal(made, want) {
		t.Errorf("made at %v, want %v", made, want)
	}
	if now := c.Now().Sub(start); now != 10*time.Second {
		t.Errorf("it is %s later", now)
	}
	if at, ok := c.Next(); ok {
		t.Errorf("one is left, at %s", at)
	}
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if err := clock.Sleep(t.Context(), clock.System, time.Hour); err != nil || time.Since(began) != time.Hour {
			t.Errorf("slept %s: %v", time.Since(began), err)
		}
		over := errors.New("over")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(over)
		if err := clock.Sleep(ctx, clock.System, time.Hour); !errors.Is(err, over) {
			t.Errorf("ended with %v", err)
		}
	})
}
