package coordinator

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/giturl"
	"gitmirror/internal/policy"
	"gitmirror/internal/refusal"
)

// Change is what shall become of one repo; nil leaves what it is about as it is.
type Change struct {
	ID      string
	Policy  policy.Change
	Labels  map[string]*string // nil: the label goes
	URLs    []string
	Name    *string
	Aliases *[]string // all other names that it shall have
	Paused  *bool
}

// Change admits and commits changes, each for itself. The error is for all of them: nothing may
// have been done. key makes a repeated call the same call.
func (c *Coordinator) Change(ctx context.Context, changes []Change, key string) ([]Added, error) {
	results := make([]Added, len(changes))
	var rows []*command.RepoChange
	var where []int
	for i, ch := range changes {
		row, err := c.admitChange(ch)
		if err != nil {
			results[i].Err = err
			continue
		}
		rows, where = append(rows, row), append(where, i)
	}
	items, err := inParts(ctx, rows, key, c.commitChanges)
	if err != nil {
		return nil, fmt.Errorf("change repos: %w", err)
	}
	for k, item := range items {
		err := fsm.ItemError(item)
		if r := refusal.Of(err); r != nil && r.Code == refusal.ConflictURL {
			err = r.Try("gitmirror repo show %s", r.Existing)
		} else if r != nil && r.Code == refusal.ConflictName && changes[where[k]].Name == nil {
			err = r.Try("choose another with --alias; who has it: gitmirror repo show %s", r.Existing)
		} else if r != nil && r.Code == refusal.ConflictName {
			// Of two that shall swap their names one needs a third meanwhile.
			err = r.Try("choose another name with --name, or call %[1]s otherwise first: gitmirror repo set %[1]s --name OTHER --alias none", r.Existing)
		}
		results[where[k]] = Added{ID: item.Repo, Err: err}
	}
	return results, nil
}

// commitChanges proposes what members know: in a cluster of before, a change of one policy.
func (c *Coordinator) commitChanges(ctx context.Context, rows []*command.RepoChange, key string) (*command.Outcome, error) {
	if c.cfg.State.View().ChangesRows() {
		return c.cfg.Proposer.Propose(ctx, &command.ChangeRepos{Repos: rows}, key)
	}
	if len(rows) > 1 || !proto.Equal(rows[0], &command.RepoChange{Repo: rows[0].Repo, Policy: rows[0].Policy}) {
		return nil, refusal.New(refusal.FormatTooOld, "a member of the cluster is too old for it: it knows changes of one repository's limits")
	}
	alone := rows[0].Policy
	alone.Repo = rows[0].Repo
	out, err := c.cfg.Proposer.Propose(ctx, alone, key)
	if err != nil {
		return nil, err
	}
	return &command.Outcome{Items: []*command.Item{{Repo: alone.Repo, Code: out.Code, Message: out.Message}}}, nil
}

// admitChange checks a change, and spells it as the log does.
func (c *Coordinator) admitChange(ch Change) (*command.RepoChange, error) {
	row := &command.RepoChange{Repo: ch.ID, Paused: ch.Paused}
	p, err := ch.Policy.Admit()
	if err == nil { // here, for Admit of the log refuses all of a batch
		err = fsm.AdmitChange(p, c.cfg.State.View().Format())
	}
	if err != nil {
		return nil, err
	}
	if p != (policy.Change{}) {
		row.Policy = fsm.ChangeCommand("", p)
	}
	if ch.URLs != nil {
		if row.Upstream, _, err = c.admitURLs(ch.URLs); err != nil {
			return nil, err
		}
	}
	if ch.Name != nil {
		name := giturl.NormalName(*ch.Name)
		row.Name = &name
	}
	if ch.Aliases != nil {
		row.Aliases = &command.Aliases{}
		for _, name := range *ch.Aliases {
			row.Aliases.Names = append(row.Aliases.Names, giturl.NormalName(name))
		}
	}
	for _, name := range append(slices.Clone(row.GetAliases().GetNames()), named(row.Name)...) {
		if err := giturl.CheckName(name); err != nil {
			return nil, err
		}
	}
	return row, c.admitLabels(ch, row)
}

func named(name *string) []string {
	if name == nil {
		return nil
	}
	return []string{*name}
}

// admitLabels checks what labels there would be.
func (c *Coordinator) admitLabels(ch Change, row *command.RepoChange) error {
	for _, key := range slices.Sorted(maps.Keys(ch.Labels)) {
		value := ch.Labels[key]
		if value == nil {
			row.Unlabel = append(row.Unlabel, key)
			continue
		}
		if row.Labels == nil {
			row.Labels = map[string]string{}
		}
		row.Labels[key] = *value
	}
	labels := maps.Clone(row.Labels)
	if is := c.cfg.State.View().Repo(ch.ID); is != nil {
		for key, value := range is.Labels {
			if _, said := ch.Labels[key]; !said && labels != nil {
				labels[key] = value
			}
		}
	}
	return policy.AdmitLabels(labels)
}
