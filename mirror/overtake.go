package mirror

import "errors"

// errOvertaken is the cause with which a run is cancelled whose assignment no
// longer holds.
var errOvertaken = errors.New("the assignment has changed")

// errStopping is the cause with which checks end before the node does.
var errStopping = errors.New("this node is stopping")

// overtaken tells whether the run under way works on what nobody wants any more:
// it may be waiting for a peer that is frozen, and the new assignment may be
// what came of that. Engine.mu is held.
//
// A change of the row that the run itself brought about, or is about to show,
// is no reason: what the row names is live here, or the candidate that is to be
// activated. Nor is a later generation for a replica that is fetching: the
// fetch ends by itself when it stalls, what it brings is needed for the later
// one too, and with an upstream that is busier than the link is fast the copy
// would otherwise never end.
func (e *Engine) overtaken(j *job, a Assignment) bool {
	was := j.run.Assignment
	if a.Role != was.Role || a.Epoch != was.Epoch {
		return true
	}
	if a.Generation == was.Generation && a.Digest == was.Digest {
		return false
	}
	if r := e.store.Repo(j.id); r != nil {
		if generation, digest := r.Generation(); generation == a.Generation && digest == a.Digest {
			return false
		}
		if generation, digest, _, pending := r.Candidate(); pending && generation == a.Generation && digest == a.Digest {
			return false
		}
	}
	return !e.worker.Findings(j.id).Syncing
}
