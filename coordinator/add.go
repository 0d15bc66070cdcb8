package coordinator

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// Added is the result for one of many, also of those that are changed: the id of its row, or an error, a
// *refusal.Error where the request is at fault.
type Added struct {
	ID  string
	Err error
}

// Add admits, places and commits new repos, each for itself. The error is for
// all of them: nothing may have been done. key makes a repeated call the same
// call; it must not be empty.
func (c *Coordinator) Add(ctx context.Context, repos []NewRepo, key string) ([]Added, error) {
	results, rows, where := c.admitAll(repos)
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

// add commits rows.
func (c *Coordinator) add(ctx context.Context, rows []*command.NewRepo, key string) ([]*command.Item, error) {
	items, err := inParts(ctx, rows, key, func(ctx context.Context, rows []*command.NewRepo, key string) (*command.Outcome, error) {
		return c.cfg.Proposer.Propose(ctx, &command.AddRepos{Repos: rows}, key)
	})
	if err != nil {
		return nil, fmt.Errorf("add repos: %w", err)
	}
	return items, nil
}

// WouldAdd tells what Add would come to now, and adds nothing: the ID of what could be added is
// the name that it would have.
func (c *Coordinator) WouldAdd(repos []NewRepo) ([]Added, error) {
	results, rows, where := c.admitAll(repos)
	out, err := c.cfg.State.Try(&command.AddRepos{Repos: rows})
	if err == nil {
		err = fsm.AsError(out)
	}
	if err != nil {
		return nil, err
	}
	for k, item := range out.Items {
		results[where[k]] = c.addedOf(rows[k], item)
		if results[where[k]].Err == nil {
			results[where[k]].ID = rows[k].Name
		}
	}
	return results, nil
}

// admitAll turns what can be admitted into rows, and tells of which request each is.
func (c *Coordinator) admitAll(repos []NewRepo) (results []Added, rows []*command.NewRepo, where []int) {
	results = make([]Added, len(repos))
	for i, n := range repos {
		row, err := c.admit(n)
		if err != nil {
			results[i].Err = err
			continue
		}
		rows, where = append(rows, row), append(where, i)
	}
	return results, rows, where
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
	there := c.cfg.State.View().RepoByName(r.Existing)
	switch {
	case r.Code == refusal.ConflictURL:
		r = r.Try("gitmirror repo show %s", r.Existing)
	case r.Code == refusal.ConflictName && there != nil && !strings.EqualFold(there.Name, row.Name):
		r = r.Try("choose another name with --name, or have %s give that one up: gitmirror repo set %s --alias none", there.Name, there.Name)
	}
	return Added{Err: r}
}

// Remove has every copy of the repos deleted. Each id gets an error or nil.
func (c *Coordinator) Remove(ctx context.Context, ids []string, key string) ([]error, error) {
	items, err := inParts(ctx, ids, key, func(ctx context.Context, ids []string, key string) (*command.Outcome, error) {
		return c.cfg.Proposer.Propose(ctx, &command.RemoveRepos{Ids: ids}, key)
	})
	if err != nil {
		return nil, fmt.Errorf("remove repos: %w", err)
	}
	errs := make([]error, len(items))
	for i, item := range items {
		errs[i] = fsm.ItemError(item)
	}
	return errs, nil
}

// Restore brings back what was removed, and returns its id: that of the first call with the key.
func (c *Coordinator) Restore(ctx context.Context, id, key string) (string, error) {
	out, err := c.cfg.Proposer.Propose(ctx, &command.RestoreRepos{Ids: []string{id}}, key)
	if err == nil {
		err = fsm.AsError(out)
	}
	if err != nil {
		return "", err
	}
	item := out.GetItems()[0]
	return item.GetRepo(), fsm.ItemError(item)
}

// Do proposes a command that has one outcome and needs no judgement of the leader's.
func (c *Coordinator) Do(ctx context.Context, msg proto.Message, key string) error {
	out, err := c.cfg.Proposer.Propose(ctx, msg, key)
	if err != nil {
		return err
	}
	return fsm.AsError(out)
}
