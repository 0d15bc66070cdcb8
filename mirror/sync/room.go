package sync

import (
	"cmp"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/fetch"
	"gitmirror/mirror/store"
	"gitmirror/mirror/work"
)

// roomFor refuses to fetch what the disk does not take.
func (w *Worker) roomFor(repo *store.Repo) error {
	generation, _ := repo.Generation()
	if c := w.space.Now(); !c.Takes(generation == 0) {
		return failure.New(failure.Disk, "this node's disk: "+c.Message, nil)
	}
	return nil
}

// limits bound what a fetch from upstream may bring.
func (w *Worker) limits(a work.Assignment, repo *store.Repo) fetch.Limits {
	l := w.reserve(repo)
	l.Have, l.Size, l.Object = repo.Size(), cmp.Or(a.Policy.MaxSize, w.maxSize), cmp.Or(a.Policy.MaxObject, w.maxObject)
	l.Accept, l.Set = a.Policy.Accept, "gitmirror repo set "+a.Name
	return l
}

// reserve is what bounds a fetch from peers: the owner has judged what there is.
func (w *Worker) reserve(repo *store.Repo) fetch.Limits {
	generation, _ := repo.Generation()
	return fetch.Limits{Room: func() error {
		if err := w.space.Room(generation == 0); err != nil {
			w.space.Suspect()
			return failure.New(failure.Disk, "this node's disk: "+err.Error(), err)
		}
		return nil
	}}
}
