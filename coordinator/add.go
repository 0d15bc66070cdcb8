package coordinator

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// Added is the result for one of many: the id of its row, or an error, a
// *refusal.Error where the request is at fault.
type Added struct {
	ID  string
	Err error
}

// Add admits, places and commits new repos, each for itself. The error is for
// all of them: nothing may have been done. key makes a repeated call the same
// call; it must not be empty.
func (c *Coordinator) Add(ctx context.Context, repos []NewRepo, key string) ([]Added, error) {
	results := make([]Added, len(repos))
	var rows []*command.NewRepo
	var where []int
	for i, n := range repos {
		row, err := c.admit(n)
		if err != nil {
			results[i].Err = err
			continue
		}
		rows, where = append(rows, row), append(where, i)
	}
	c.placeNew(rows)
	items, err := c.add(ctx, rows, key)
	if err != nil {
		return nil, err
	}
	for k, item := range items {
		results[where[k]] = c.addedOf(rows[k], item)
	}
	return results, nil
}

// add commits rows, in as many commands as it takes.
func (c *Coordinator) add(ctx context.Context, rows []*command.NewRepo, key string) ([]*command.Item, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	out, err := c.cfg.Proposer.Propose(ctx, &command.AddRepos{Repos: rows}, key)
	if errors.Is(err, fsm.ErrTooLarge) && len(rows) > 1 {
		// A call repeated with the same key is cut in the same places.
		half := len(rows) / 2
		first, err := c.add(ctx, rows[:half], key+"/0")
		if err != nil {
			return nil, err
		}
		second, err := c.add(ctx, rows[half:], key+"/1")
		return append(first, second...), err
	}
	if err == nil {
		err = fsm.AsError(out)
	}
	if err != nil {
		return nil, fmt.Errorf("add repos: %w", err)
	}
	if len(out.Items) != len(rows) {
		// Another leader, with another --allow-upstream, admitted others of them.
		return nil, refusal.New(refusal.KeyReused, "this request was made before, and came out otherwise").Try("see what is there with: gitmirror repo ls; then use a new key")
	}
	return out.Items, nil
}

func (c *Coordinator) addedOf(row *command.NewRepo, item *command.Item) Added {
	err := fsm.ItemError(item)
	if err == nil {
		return Added{ID: item.Repo}
	}
	r := refusal.Of(err)
	if r.Code == refusal.ConflictName {
		// Where it is the name of what was asked for, the name is not what is wrong.
		for i, key := range row.UrlKeys {
			if there := c.cfg.State.View().RepoByURLKey(key); there != nil && there.Name == r.Existing {
				r = refusal.New(refusal.ConflictURL, "%s mirrors %s already", there.Name, row.Urls[i])
				r.Existing = there.Name
			}
		}
	}
	if r.Code == refusal.ConflictURL {
		r = r.Try("gitmirror repo show %s", r.Existing)
	}
	return Added{Err: r}
}

// Remove has every copy of the repos deleted. Each id gets an error or nil.
func (c *Coordinator) Remove(ctx context.Context, ids []string, key string) ([]error, error) {
	out, err := c.cfg.Proposer.Propose(ctx, &command.RemoveRepos{Ids: ids}, key)
	if err == nil {
		err = fsm.AsError(out)
	}
	if err != nil {
		return nil, fmt.Errorf("remove repos: %w", err)
	}
	errs := make([]error, len(ids))
	for i := range errs {
		if i < len(out.Items) {
			errs[i] = fsm.ItemError(out.Items[i])
		}
	}
	return errs, nil
}

// Do proposes a command that has one outcome and needs no judgement of the leader's.
func (c *Coordinator) Do(ctx context.Context, msg proto.Message, key string) error {
	out, err := c.cfg.Proposer.Propose(ctx, msg, key)
	if err != nil {
		return err
	}
	return fsm.AsError(out)
}

// RemoveNode forgets a node that is down. Refused while it is up, and while it
// holds the only ready copy of anything.
func (c *Coordinator) RemoveNode(ctx context.Context, id, key string) error {
	n := c.cfg.State.View().NodeByID(id)
	switch {
	case n == nil: // the log knows whether this request has removed it
	case n.ID == c.cfg.Self || n.State == fsm.NodeUp:
		return refusal.New(refusal.NodeUp, "node %s is up: removing it would take its copies away from under it", n.Name).
			Try("stop it first, and wait until `gitmirror node show %s` says down", n.Name)
	}
	out, err := c.cfg.Proposer.Propose(ctx, &command.RemoveNode{Id: id}, key)
	if err != nil {
		return fmt.Errorf("remove node: %w", err)
	}
	return fsm.AsError(out) // consensus follows the table, see voters
}
