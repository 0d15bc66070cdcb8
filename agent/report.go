package agent

import (
	"context"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/clock"
	"gitmirror/mirror"
)

const (
	reportSpacing = time.Second // one command per node and second, but for full ones
	reportTimeout = 10 * time.Second

	// A report is full before it is too large for an entry, however long the names
	// and messages in it are: the last row may be beyond the bound.
	reportBytes = fsm.MaxEntry / 2
	reportRows  = fsm.MaxItems - 1 // a repo may have two
	rowOverhead = 8
)

// report tells the log what it does not know yet of this node's copies, in
// batches. What could not be told stays dirty. What fills a report goes without a rest:
// all copies of a dead host fail at once.
func (a *Agent) report(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.wake:
		}
		// A moment lets what happens together be told together.
		if clock.Sleep(ctx, clock.System, 50*time.Millisecond) != nil {
			return nil
		}
		for ids := a.takeDirty(); len(ids) > 0; {
			msg, looked := a.batch(ids)
			full := looked < len(ids)
			if len(msg.Copies)+len(msg.Health) > 0 {
				pctx, cancel := context.WithTimeout(ctx, reportTimeout)
				_, err := a.cfg.Proposer.Propose(pctx, msg, "")
				cancel()
				if err != nil {
					a.log.Debug("report not taken yet", "err", err)
					for _, id := range ids[:looked] {
						a.Changed(id)
					}
				}
				if (err != nil || !full) && clock.Sleep(ctx, clock.System, reportSpacing) != nil {
					return nil
				}
			}
			ids = ids[looked:]
		}
	}
}

func (a *Agent) takeDirty() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	ids := slices.Collect(maps.Keys(a.dirty))
	a.dirty = map[string]bool{} // one that has been large costs its size whenever it is looked through
	return ids
}

// batch builds the report of those repos for which the table is behind, until it is full,
// and returns how many it has looked at.
func (a *Agent) batch(ids []string) (msg *command.Report, looked int) {
	msg = &command.Report{Node: a.cfg.Self}
	view := a.cfg.State.View()
	self := view.NodeByID(a.cfg.Self)
	if self == nil {
		return msg, len(ids)
	}
	size := 0
	for i, id := range ids {
		if size > reportBytes || len(msg.Copies)+len(msg.Health) >= reportRows {
			return msg, i
		}
		r := view.Repo(id)
		if r == nil {
			continue
		}
		cp, ok := r.Copy(self.Num)
		if !ok {
			continue
		}
		status, held := a.mirror.Status(id)
		removing := a.isRemoving(id)
		if cp.State != fsm.CopyLeaving && (removing || !held) {
			continue // it was not taken up yet, or back: nothing is known of it
		}
		held = held || removing // it is gone when all of it is
		if c := copyReport(r, cp, status, held); c != nil {
			msg.Copies = append(msg.Copies, c)
			size += proto.Size(c) + rowOverhead
		}
		if r.Owner == self.Num {
			h, again := a.healthReport(r, status, time.Now())
			if h != nil {
				msg.Health = append(msg.Health, h)
				size += proto.Size(h) + rowOverhead
			}
			if again > 0 {
				time.AfterFunc(again, func() { a.Changed(id) })
			}
		}
	}
	return msg, len(ids)
}

// about tells whether a copy that shows nothing is about to show what was published: the log's word is
// applied before the disk's work is done.
func about(r *fsm.Repo, s mirror.Status) bool {
	return s.Prepared.Generation == r.Generation && fsm.Digest(s.Prepared.Digest) == r.Digest && s.Failure == nil
}

// copyReport returns what the table does not know of a copy yet, or nil.
func copyReport(r *fsm.Repo, cp fsm.Copy, s mirror.Status, held bool) *command.CopyReport {
	switch {
	case cp.State == fsm.CopyLeaving:
		if held {
			return nil
		}
		return &command.CopyReport{Repo: r.ID, State: command.CopyState_COPY_STATE_LEAVING, Gone: true}
	case s.Broken || s.Generation == 0 && cp.State == fsm.CopyReady && !about(r, s):
		if cp.State == fsm.CopyBroken {
			return nil
		}
		return &command.CopyReport{Repo: r.ID, State: command.CopyState_COPY_STATE_BROKEN}
	case s.Generation == 0 || s.Generation > r.Generation || cp.State == fsm.CopyReady && cp.Generation == s.Generation:
		return nil
	case s.Generation == r.Generation && fsm.Digest(s.Digest) != r.Digest:
		return nil
	case s.Generation < r.Generation && cp.State != fsm.CopyReady:
		return nil // complete, but of another day: it counts when it has caught up
	}
	return &command.CopyReport{Repo: r.ID, State: command.CopyState_COPY_STATE_READY, Generation: s.Generation}
}
