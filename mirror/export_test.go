package mirror

import (
	"gitmirror/mirror/past"
	"gitmirror/mirror/refs"
)

// Dir is where the copy's repository is on this disk.
func (c *OpenCopy) Dir() string { return c.view.Repo.Dir() }

// Remembered is what Recall hands out.
func (e *Engine) Remembered(id string) (*refs.Table, *past.Record, error) { return e.remembered(id) }
