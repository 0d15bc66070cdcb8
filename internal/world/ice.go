package world

import (
	"sync"
	"time"
)

// ice is when disks were frozen. It is a time in which what was proposed may have waited for the log.
type ice struct {
	mu   sync.Mutex
	list []*span
}

// freezes notes that a disk is frozen, until thawed is called.
func (i *ice) freezes() (thawed func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	s := &span{from: time.Now()}
	i.list = append(i.list, s)
	return func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		s.to = time.Now()
	}
}

// between tells whether a disk was frozen at some moment of a time.
func (i *ice) between(from, to time.Time) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, s := range i.list {
		if !s.from.After(to) && (s.to.IsZero() || !s.to.Before(from)) {
			return true
		}
	}
	return false
}
