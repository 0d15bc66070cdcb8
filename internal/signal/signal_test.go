package signal_test

import (
	"sync"
	"testing"

	"gitmirror/internal/signal"
)

// Each who waits hears of the next change, and of no earlier one.
func TestEverybodyHears(t *testing.T) {
	var s signal.Signal
	s.Fire() // nobody waits
	var all sync.WaitGroup
	for range 10 {
		next := s.Next()
		all.Go(func() { <-next })
	}
	s.Fire()
	all.Wait()
	select {
	case <-s.Next():
		t.Error("the next change has come already")
	default:
	}
}
