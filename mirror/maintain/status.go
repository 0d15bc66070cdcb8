package maintain

import (
	"slices"
	"strings"
	"time"
)

// Status is what is known of the maintenance of a copy.
type Status struct {
	Record
	Doing   Job       // now, empty for nothing
	Since   time.Time // it is
	Wanted  []Job     // that somebody has asked for and that are not done
	Leaving bool      // packs are to go, as soon as nobody needs them any more
	Failure string    // what jobs came to that failed the last time, empty where none did
}

// Status tells what is known of a copy, nothing where it is not here.
func (m *Maintainer) Status(id string) Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.cares[id]
	if c == nil {
		return Status{Wanted: slices.Clone(m.early[id])}
	}
	return Status{Record: c.record, Doing: c.doing, Since: c.since, Wanted: slices.Clone(c.wanted), Leaving: c.leaving != nil, Failure: c.failure()}
}

// Packs counts the packs of all copies, as each was last looked at: within two minutes while there
// is not much to do. It looks at no disk.
func (m *Maintainer) Packs() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.cares {
		n += len(c.survey.packs)
	}
	return n
}

// failure is what failed the last time, of each kind of job.
func (c *care) failure() string {
	var list []string
	for _, j := range Jobs {
		if why := c.failures[j]; why != "" {
			list = append(list, why)
		}
	}
	return strings.Join(list, "; ")
}

// Ask has jobs done on a copy as soon as may be, and tells whether it is here. It does not wait.
// What has to be put off then, for a run or for want of room, is tried again once a minute, and
// keeps nothing else from being done.
func (m *Maintainer) Ask(id string, jobs ...Job) bool {
	if m.cfg.Store.Repo(id) == nil {
		return false
	}
	m.mu.Lock()
	if c := m.cares[id]; c != nil {
		for _, j := range without(jobs, c.wanted) {
			delete(c.again, j) // who asks does not wait for what failed before
		}
		c.wanted = with(c.wanted, jobs)
	} else {
		m.early[id] = with(m.early[id], jobs)
	}
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
	return true
}

// want is Ask where it is known to be here.
func (m *Maintainer) want(c *care, job Job) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c.wanted = with(c.wanted, []Job{job})
}

// with is a list with others behind it, each once.
func with(list, others []Job) []Job {
	list = slices.Clone(list)
	for _, j := range others {
		if !slices.Contains(list, j) {
			list = append(list, j)
		}
	}
	return list
}
