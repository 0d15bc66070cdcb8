package sync

import (
	"net/url"
	"slices"
	"time"

	"gitmirror/mirror/fetch"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/work"
)

// Findings is what runs have found out about a repository, for whoever asks.
type Findings struct {
	Syncing      bool           // a git process works on it
	Fetch        *Fetch         // that is under way, or waits for its turn; nil for none
	Skipped      int            // of upstream's refs, when it was last seen to change
	FirstSkipped []refs.Skipped // of them
	Pinned       []Pinned
	Moved        *work.Moved // the upstream that was asked last says so, nil where it does not
}

// Fetch is one that is under way.
type Fetch struct {
	From  string // the host of the upstream, or the name of the peer
	Peer  bool
	Since time.Time
	fetch.Progress
}

// Pinned is a pin, and what upstream shows in its place, empty for nothing.
type Pinned struct {
	work.Pin
	Upstream string
	Missing  bool // its object is in no copy any more: upstream's own value is shown
}

func (f *Findings) none() bool {
	return !f.Syncing && f.Fetch == nil && f.Skipped == 0 && len(f.Pinned) == 0 && f.Moved == nil
}

// Findings tells what is known of a repository.
func (w *Worker) Findings(id string) Findings {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f := w.found[id]; f != nil {
		return *f
	}
	return Findings{}
}

// Syncing counts the repositories that a git process works on.
func (w *Worker) Syncing() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.found {
		if f.Syncing {
			n++
		}
	}
	return n
}

// note changes what is known of a repository. Of one with nothing to tell nothing is
// kept.
func (w *Worker) note(id string, change func(*Findings)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.found[id]
	if f == nil {
		f = &Findings{}
	}
	if change(f); f.none() {
		delete(w.found, id)
	} else {
		w.found[id] = f
	}
}

func (w *Worker) setSyncing(id string, on bool) {
	w.note(id, func(f *Findings) { f.Syncing = on })
	w.changed(id)
}

// fetching has it known that a fetch is under way, or waits, until done is called. tell is told
// how far it is.
func (w *Worker) fetching(id string, from source) (tell func(fetch.Progress), done func()) {
	since := w.clock.Now()
	set := func(f *Fetch) { w.note(id, func(all *Findings) { all.Fetch = f }) }
	tell = func(p fetch.Progress) { set(&Fetch{From: from.name, Peer: from.peer, Since: since, Progress: p}) }
	tell(fetch.Progress{Phase: fetch.Waiting})
	return tell, func() { set(nil) }
}

// source is where objects come from, as people call it.
type source struct {
	name string
	peer bool
}

// upstreamOf is the source that an upstream is.
func upstreamOf(address string) source {
	u, err := url.Parse(address)
	if err != nil {
		return source{}
	}
	return source{name: u.Host}
}

// noteMoved remembers whether an upstream that has answered says that it is elsewhere.
func (w *Worker) noteMoved(id, from, to string) {
	w.note(id, func(f *Findings) {
		if f.Moved = nil; to != "" {
			f.Moved = &work.Moved{From: from, To: to}
		}
	})
}

// firstSkipped is how many of the refs that are not mirrored are named.
const firstSkipped = 5

// noteSkipped remembers which of upstream's refs are not mirrored.
func (w *Worker) noteSkipped(a work.Assignment, skipped []refs.Skipped) {
	w.note(a.ID, func(f *Findings) {
		if len(skipped) > 0 && len(skipped) != f.Skipped {
			w.log.Info("upstream refs not mirrored", "repo", a.Name, "count", len(skipped), "first", skipped[0].Name, "reason", skipped[0].Reason)
		}
		f.Skipped = len(skipped)
		f.FirstSkipped = slices.Clone(skipped[:min(len(skipped), firstSkipped)])
	})
}
