// Package signal is news that any number of goroutines can wait for.
package signal

import "sync"

// Signal tells that something has changed: ask for Next, look at the state, then wait. Its
// zero value is ready, and it is safe for concurrent use.
type Signal struct {
	mu sync.Mutex
	ch chan struct{} // nil while nobody waits
}

// Next returns a channel that is closed by the next Fire. Whoever asks for it after looking
// may miss a change.
func (s *Signal) Next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

// Fire wakes all who wait.
func (s *Signal) Fire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}
