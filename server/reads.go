package server

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"gitmirror/internal/refusal"
)

// What an answer is from: an index of the log, and how many milliseconds ago this node
// heard from a leader.
const (
	headerIndex   = "X-Gitmirror-Index"
	headerContact = "X-Gitmirror-Last-Contact"
)

// stamp says how far the state is that an answer comes from.
func (s *Server) stamp(w http.ResponseWriter) {
	w.Header().Set(headerIndex, strconv.FormatUint(s.cfg.State.View().Index(), 10))
	if heard := s.cfg.Consensus.LastContact(); !heard.IsZero() {
		w.Header().Set(headerContact, strconv.FormatInt(max(s.cfg.Now().Sub(heard).Milliseconds(), 0), 10))
	}
}

const readTimeout = 5 * time.Second

// read answers from this node's state, or, with ?consistent=true, from a state
// that has everything committed before the request.
func (s *Server) read(answer handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		switch v := r.URL.Query().Get("consistent"); v {
		case "", "false":
		case "true":
			if err := s.catchUp(r.Context()); err != nil {
				return refusal.New(refusal.NotConsistent, "%s: %s", refusal.NotConsistent, err)
			}
			s.stamp(w)
		default:
			return refusal.New(refusal.QueryInvalid, "consistent is true or false")
		}
		return answer(w, r)
	}
}

// startPatience is how long a read waits for a node that has just started to
// learn the table.
const startPatience = 3 * time.Second

// informed is read for what a node must not answer before it knows the table:
// "there is none" would be a lie.
func (s *Server) informed(answer handler) handler {
	return s.read(func(w http.ResponseWriter, r *http.Request) error {
		if err := s.uninformed(r.Context()); err != nil {
			return err
		}
		s.stamp(w)
		return answer(w, r)
	})
}

func (s *Server) uninformed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	if err := s.cfg.Consensus.Await(ctx); err != nil {
		return refusal.NotCaughtUp
	}
	return nil
}

func (s *Server) catchUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	index, err := s.cfg.Consensus.ReadIndex(ctx)
	if err != nil {
		return err
	}
	return s.cfg.Consensus.WaitApplied(ctx, index)
}
