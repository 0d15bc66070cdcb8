package schedule

import "errors"

// The causes with which runs are cancelled.
var (
	ErrOvertaken = errors.New("the assignment has changed")
	errStopping  = errors.New("this node is stopping")
)

// vain tells whether a run asks an upstream that is not to be asked any more: another is the
// upstream by now, or nobody who waits for it had it asked and the repository is paused. What
// the log decides about is waited for.
func vain(r *run, is terms, urls uint64, held Held) bool {
	if !r.terms.owner || !r.step.AsksUpstream() || held.Candidate != nil {
		return false
	}
	return r.urls != 0 && urls != r.urls || is.paused && !r.terms.paused && !r.forced
}

// overtaken tells whether a run works on what nobody wants any more: it may be waiting
// for a peer that is frozen, and the new assignment may be what came of that.
//
// A change of the row that the run itself brought about, or is about to show,
// is no reason: what the row names is live here, or the candidate that is to be
// activated. Nor is a later generation for a replica that is fetching: the
// fetch ends by itself when it stalls, what it brings is needed for the later
// one too, and with an upstream that is busier than the link is fast the copy
// would otherwise never end.
func overtaken(was, is terms, held Held) bool {
	switch {
	case is.owner != was.owner, is.epoch != was.epoch:
		return true
	case is.names(was.generation, was.digest), is.names(held.Generation, held.Digest):
		return false
	case held.Candidate != nil && is.names(held.Candidate.Number, held.Candidate.Digest):
		return false
	}
	return !held.Fetching
}
