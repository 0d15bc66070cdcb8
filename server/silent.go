package server

import (
	"sync"
	"time"

	"gitmirror/api"
	"gitmirror/fsm"
)

const (
	// silentAfter is how long a node that counts as up does not answer this one until that is
	// shown: what it has to say of its work is not known here meanwhile.
	silentAfter = 10 * time.Second
	// silentFor is how long that is so where it was not asked again.
	silentFor = time.Minute
)

// silent is which nodes have not answered this one, by id.
type silent struct {
	mu sync.Mutex
	by map[string]silence
}

type silence struct {
	since, last time.Time
	err         error
}

// note takes in what asking a node came to.
func (s *silent) note(node string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		delete(s.by, node)
		return
	}
	now := time.Now()
	is, known := s.by[node]
	if !known || now.Sub(is.last) > silentFor {
		is.since = now
	}
	is.last, is.err = now, err
	if s.by == nil {
		s.by = map[string]silence{}
	}
	s.by[node] = is
}

// trouble is that this node gets no answer from others that count as up.
func (s *silent) trouble(view *fsm.View, self string) (list []api.Trouble) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, n := range view.Nodes() {
		if is, known := s.by[n.ID]; known && n.State.Live() && now.Sub(is.last) <= silentFor && now.Sub(is.since) >= silentAfter {
			list = append(list, api.Trouble{Node: self, Step: "status", Subject: n.Name, Message: is.err.Error(), Since: is.since.UTC()})
		}
	}
	return list
}
