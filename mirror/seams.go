package mirror

import (
	"gitmirror/mirror/schedule"
	"gitmirror/mirror/work"
)

// holdings are what the schedule is told of this node's copies.
type holdings struct{ e *Engine }

func (own holdings) Held(id string) schedule.Held {
	r := own.e.store.Repo(id)
	if r == nil {
		return schedule.Held{}
	}
	h := schedule.Held{Any: true, Fetching: own.e.worker.Findings(id).Syncing}
	h.Generation, h.Digest = r.Generation()
	if generation, digest, _, pending := r.Candidate(); pending {
		h.Candidate = &work.Generation{Number: generation, Digest: digest}
	}
	return h
}
