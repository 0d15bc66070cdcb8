package maintain

import (
	"slices"
	"time"
)

// Status is what is known of the maintenance of a copy.
type Status struct {
	Record
	Doing   Job       // now, empty for nothing
	Since   time.Time // it is
	Wanted  []Job     // that somebody has asked for and that are not done
	Leaving bool      // packs are to go, as soon as nobody needs them any more
	Failure string    // what the last job came to, empty where it did what it was to
}

// Status tells what is known of a copy, nothing where it is not here.
func (m *Maintainer) Status(id string) Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.cares[id]
	if c == nil {
		return Status{}
	}
	return Status{Record: c.record, Doing: c.doing, Since: c.since, Wanted: slices.Clone(c.wanted), Leaving: c.leaving != nil, Failure: c.failure}
}

// Ask has jobs done on a copy as soon as may be, and tells whether it is here. It does not wait.
func (m *Maintainer) Ask(id string, jobs ...Job) bool {
	m.mu.Lock()
	c := m.cares[id]
	if c != nil {
		for _, j := range jobs {
			if !slices.Contains(c.wanted, j) {
				c.wanted = append(c.wanted, j)
			}
		}
	}
	m.mu.Unlock()
	if c == nil {
		return false
	}
	select {
	case m.wake <- struct{}{}:
	default:
	}
	return true
}
