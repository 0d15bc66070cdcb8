package mirror

import (
	"gitmirror/mirror/past"
	"gitmirror/mirror/refs"
)

// Dir is where the copy's repository is on this disk.
func (c *OpenCopy) Dir() string { return c.view.Repo.Dir() }

// Remembered is what Recall hands out.
func (e *Engine) Remembered(id string) (*refs.Table, *past.Record, error) { return e.remembered(id) }

// Suspected tells whether a copy is tested, or was, that may be damaged.
func (e *Engine) Suspected(id string) bool {
	e.prover.mu.Lock()
	defer e.prover.mu.Unlock()
	_, is := e.prover.next[id]
	return is
}
