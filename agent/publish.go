package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/mirror"
	"gitmirror/mirror/refs"
)

// publishTimeout bounds one attempt to have the log decide: a candidate waits
// on disk for the next as well as here.
const publishTimeout = 10 * time.Second

// changesBytes bounds the names and ids a publish carries, within an entry.
const changesBytes = 128 << 10

// Publish implements mirror.Publisher: it proposes the candidate and waits
// until this node's own state machine has applied it.
func (a *Agent) Publish(ctx context.Context, c mirror.Candidate) (mirror.Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	msg := &command.Publish{
		Repo: c.Repo, Node: a.cfg.Self, Epoch: c.Epoch, FromGeneration: c.FromGeneration, Generation: c.Generation,
		Candidate: c.ID, Digest: c.Digest[:], RefsDigest: c.PublicDigest[:], Refs: uint32(c.Refs), Head: text(string(c.Head)),
		Changes: changesOf(c.Changes), ChangesTotal: uint32(len(c.Changes)), Baseline: c.Baseline, Restored: c.Restored,
	}
	// The epoch is part of the id: a candidate refused under one owner may be
	// right under the next, and must not be answered from memory.
	out, err := a.cfg.Proposer.Propose(ctx, msg, fmt.Sprintf("publish/%s/%d", c.ID, c.Epoch))
	if err != nil {
		return mirror.Unknown, err
	}
	if err := fsm.AsError(out); err != nil {
		var r *fsm.Refused
		if errors.As(err, &r) {
			return mirror.Refused, err
		}
		return mirror.Unknown, err
	}
	return mirror.Committed, nil
}

var kinds = map[refs.Kind]command.ChangeKind{
	refs.Created: command.ChangeKind_CHANGE_KIND_CREATED,
	refs.Updated: command.ChangeKind_CHANGE_KIND_UPDATED,
	refs.Forced:  command.ChangeKind_CHANGE_KIND_FORCED,
	refs.Deleted: command.ChangeKind_CHANGE_KIND_DELETED,
}

func changesOf(changes []refs.Change) []*command.Change {
	var list []*command.Change
	bytes := 0
	for _, c := range changes {
		if bytes += len(c.Ref) + 100; len(list) == fsm.MaxChanges || bytes > changesBytes {
			break
		}
		list = append(list, &command.Change{Ref: text(c.Ref), Old: c.Old, New: c.New, Kind: kinds[c.Kind]})
	}
	return list
}

// text makes a name fit for the log, which takes nothing but UTF-8, where git
// takes any bytes. The digests are over the names as they are.
func text(name string) string { return strings.ToValidUTF8(name, "\uFFFD") }
