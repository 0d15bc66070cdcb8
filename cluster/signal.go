package cluster

import "sync"

// signal is a change that any number of goroutines can wait for: take the
// channel, look at the state, then wait.
type signal struct {
	mu sync.Mutex
	ch chan struct{}
}

// next is closed at the next fire.
func (s *signal) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) fire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}
