package cluster

import "sync"

// writes are what is being written to the log right now. One that does not end
// is a disk that hangs, even if other files on it can be written.
type writes struct {
	mu      sync.Mutex
	begun   uint64
	running map[uint64]string // what each does
}

// begin notes a write, until end is called.
func (w *writes) begin(op string) (end func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running == nil {
		w.running = map[uint64]string{}
	}
	w.begun++
	id := w.begun
	w.running[id] = op
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.running, id)
	}
}

// oldest is the write that has been running for longest, with a number that no
// other has, or 0 if there is none.
func (w *writes) oldest() (id uint64, op string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for n, name := range w.running {
		if id == 0 || n < id {
			id, op = n, name
		}
	}
	return id, op
}

// oldestWrite follows the write to the log that has been running for longest.
type oldestWrite struct {
	id    uint64
	op    string
	ticks int // for which it has been seen
}

func (o *oldestWrite) look(id uint64, op string) {
	if id == 0 || id != o.id {
		*o = oldestWrite{id: id, op: op}
		return
	}
	o.ticks++
}
