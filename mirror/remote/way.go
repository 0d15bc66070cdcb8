package remote

import (
	"log/slog"

	"gitmirror/internal/egress"
)

// Moved is known once LsRefs was answered.
func (s *site) Moved() string { return s.moved }

// Fetch makes a way to where the upstream was found, and to no other host.
func (s *site) Fetch() (Way, error) {
	grant, err := s.cfg.Proxy.Grant(s.base)
	if err != nil {
		return nil, Classify(err)
	}
	return &way{grant, s.base, s.cfg.Log}, nil
}

// way leads through the egress proxy, by a grant of its own; a relay before it asks again
// where the upstream stumbles.
type way struct {
	*egress.Grant
	upstream string
	log      *slog.Logger
}

func (w *way) Open() (Route, error) {
	r, err := newRelay(w.upstream, w.Grant, w.log)
	if err != nil {
		return nil, Classify(err)
	}
	return r, nil
}

func (w *way) Close() { w.Revoke() }
