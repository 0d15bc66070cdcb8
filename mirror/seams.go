package mirror

import (
	"gitmirror/mirror/schedule"
	"gitmirror/mirror/work"
)

// disk is what the schedule is told of this node's copies.
type disk struct{ e *Engine }

func (d disk) Held(id string) schedule.Held {
	r := d.e.store.Repo(id)
	if r == nil {
		return schedule.Held{}
	}
	h := schedule.Held{Any: true, Fetching: d.e.worker.Findings(id).Syncing}
	h.Generation, h.Digest = r.Generation()
	if generation, digest, _, pending := r.Candidate(); pending {
		h.Candidate = &work.Generation{Number: generation, Digest: digest}
	}
	return h
}
