package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/oneline"
	"gitmirror/internal/reflimit"
	"gitmirror/internal/refusal"
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
func (a *Agent) Publish(ctx context.Context, c mirror.Candidate) (mirror.CommitStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	msg := &command.Publish{
		Repo: c.Repo, Node: a.cfg.Self, Epoch: c.Epoch, FromGeneration: c.FromGeneration, Generation: c.Generation,
		Candidate: c.ID, Digest: c.Digest[:], RefsDigest: c.PublicDigest[:], Refs: uint32(c.Refs), Head: oneline.Clip(text(string(c.Head)), reflimit.Head),
		Changes: changesOf(c.Changes), ChangesTotal: uint32(len(c.Changes)), Baseline: c.Baseline, Restored: c.Restored, Complete: c.Complete,
		BaseGeneration: c.Base.Number, Rebuilt: c.Rebuilt, Recovered: c.Recovered, Pinned: c.Pinned, Heard: c.Heard,
	}
	if c.Base.Number > 0 {
		msg.BaseDigest = c.Base.Digest[:]
	}
	// The epoch is part of the id: a candidate refused under one owner may be
	// right under the next, and must not be answered from memory.
	out, err := a.cfg.Proposer.Propose(ctx, msg, fmt.Sprintf("publish/%s/%d", c.ID, c.Epoch))
	if err == nil {
		err = fsm.AsError(out)
	}
	return statusOf(err), err
}

// overtaken are the refusals that say nothing against the candidate: the row is
// not what it was prepared for any more.
var overtaken = []error{refusal.StaleEpoch, refusal.StaleGeneration, refusal.NotOwner, refusal.NotFound}

func statusOf(err error) mirror.CommitStatus {
	switch {
	case err == nil:
		return mirror.Committed
	case slices.ContainsFunc(overtaken, func(o error) bool { return errors.Is(err, o) }):
		return mirror.Overtaken
	case refusal.Of(err) != nil && refusal.Of(err).Final(), errors.Is(err, fsm.ErrTooLarge):
		return mirror.Refused
	}
	return mirror.Unknown
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
		ref := text(c.Ref) // may be longer than the name
		if bytes += len(ref) + 100; len(list) == fsm.MaxChanges || bytes > changesBytes {
			break
		}
		list = append(list, &command.Change{Ref: ref, Old: c.Old, New: c.New, Kind: kinds[c.Kind]})
	}
	return list
}

// text makes a name fit for the log, which takes nothing but UTF-8, where git
// takes any bytes. The digests are over the names as they are.
func text(name string) string { return strings.ToValidUTF8(name, "\uFFFD") }
