package fsm

import (
	"fmt"
	"io"

	"github.com/tidwall/btree"

	"gitmirror/fsm/snapshot"
)

// Capture is a state to be written down: cheap to take, and independent of
// what is applied later.
type Capture struct {
	view     *View
	requests *btree.BTreeG[*request]
}

// Capture freezes the state as it is now.
func (s *State) Capture() *Capture {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &Capture{view: s.freeze(), requests: s.requests.queue.Copy()}
}

// Index is that of the last entry in the capture.
func (c *Capture) Index() uint64 { return c.view.Index() }

// Persist writes the snapshot. It takes as long as the table is large, and
// holds up nobody.
func (c *Capture) Persist(w io.Writer) error {
	if err := c.persist(newRecordWriter(w)); err != nil {
		return fmt.Errorf("write snapshot at index %d: %w", c.Index(), err)
	}
	return nil
}

func (c *Capture) persist(w *recordWriter) error {
	t := &c.view.tables
	w.header(t.index)
	digest := t.digest()
	end := &snapshot.End{Digest: digest[:], Marks: markRecords(t.marks)}
	for _, p := range parts {
		p.write(c, w)
		if p.count != nil {
			*p.counted(end) = uint64(p.count(t, c.requests))
		}
	}
	w.write(&snapshot.Record{Kind: &snapshot.Record_End{End: end}})
	return w.finish()
}
