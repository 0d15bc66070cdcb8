package maintain

import (
	"errors"
	"slices"
	"strings"
	"time"

	"gitmirror/mirror/space"
)

// Status is what is known of the maintenance of a copy.
type Status struct {
	Record
	Doing   Job       // now, empty for nothing
	Since   time.Time // it is
	Wanted  []Job     // that somebody has asked for and that are not done
	Waits   Waits     // for what the first of them does, empty where it does not
	Leaving bool      // packs are to go, as soon as nobody needs them any more
	Failure string    // what jobs came to that failed the last time, empty where none did
}

// Waits is what keeps a job that was asked for from being done. The names are part of the API.
type Waits string

// What is waited for. A run and a table come to their end by themselves.
const (
	ForNothing Waits = ""
	ForRoom    Waits = "room on the disk"
	ForRun     Waits = "a run that is under way"
	ForTable   Waits = "a table that has come meanwhile"
)

// waitsFor is what a job waits for that was put off for that reason.
func waitsFor(err error) Waits {
	switch {
	case errors.Is(err, errUnfit):
		return ForRoom
	case errors.Is(err, errBusy):
		return ForRun
	case errors.Is(err, errNeeded):
		return ForTable
	}
	return ForNothing
}

// Status tells what is known of a copy, nothing where it is not here.
func (m *Maintainer) Status(id string) Status {
	roomy := m.cfg.Space.Now().State == space.Well
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.cares[id]
	if c == nil {
		return Status{Wanted: slices.Clone(m.early[id])}
	}
	s := Status{Record: c.record, Doing: c.doing, Since: c.since, Wanted: slices.Clone(c.wanted), Leaving: c.leaving != nil, Failure: c.failure()}
	if len(c.wanted) > 0 && c.doing == "" {
		s.Waits = c.waits[c.wanted[0]]
		if !roomy && c.wanted[0].writes() {
			s.Waits = ForRoom
		}
	}
	return s
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
// keeps nothing else from being done. What is under way already is done again: who asks wants to
// know how the copy is now.
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
		c.anew = c.anew || slices.Contains(jobs, c.doing)
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
