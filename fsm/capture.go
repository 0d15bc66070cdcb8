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
	w.write(metaRecord(t))
	for n := NodeNum(1); n <= t.lastNode; n++ {
		if node := t.nodes.byNum[n]; node != nil {
			w.write(nodeRecord(node))
		}
	}
	policies := map[*Policy]uint32{}
	t.byName.Scan(func(row *Repo) bool {
		if policies[row.Policy] == 0 {
			policies[row.Policy] = uint32(len(policies) + 1)
			w.write(policyRecord(policies[row.Policy], row.Policy.Policy))
		}
		w.repo(row, policies[row.Policy])
		return w.err == nil
	})
	t.events.tree.Scan(func(e *Event) bool {
		w.write(eventRecord(e))
		return w.err == nil
	})
	c.requests.Scan(func(r *request) bool {
		w.write(requestRecord(r))
		return w.err == nil
	})
	digest := t.digest()
	w.write(&snapshot.Record{Kind: &snapshot.Record_End{End: &snapshot.End{
		Nodes:    uint64(len(t.nodes.byNum)),
		Repos:    uint64(t.byID.Len()),
		Events:   uint64(t.events.tree.Len()),
		Requests: uint64(c.requests.Len()),
		Digest:   digest[:],
		Marks:    markRecords(t.marks),
	}}})
	return w.finish()
}
