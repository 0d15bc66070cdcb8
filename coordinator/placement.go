package coordinator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/ring"
)

// maxWanted bounds how many copies one node makes at a time: the rest of a plan
// waits.
const maxWanted = 200

// placement compares rows with where they shall be and proposes the difference:
// owners first, because no byte moves, then new copies, then the copies that
// are no longer needed. Everything is planned only when nodes have changed.
func (c *Coordinator) placement(ctx context.Context) error {
	s, t := c.survey(), c.term.Load()
	if s.brake && !t.braked {
		c.log.Warn("too many nodes are down at once to replace their copies; remove nodes that will not come back with: gitmirror node rm NAME")
	}
	t.braked = s.brake
	a := &t.agenda
	a.follow(s)
	errs := []error{c.placeRows(ctx, s, a.next(s.view))}
	if a.planNow(s.now) {
		errs = append(errs, c.planAll(ctx, c.survey())) // with what has just been done
	}
	return errors.Join(errs...)
}

// decision is what is to be done for some rows.
type decision struct {
	owners     []*command.Ownership
	placements []*command.Placement
	moving     map[string]bool // repos that get another owner because theirs cannot write them
}

// placeRows does what can be done for rows, each by itself.
func (c *Coordinator) placeRows(ctx context.Context, s *survey, rows []*fsm.Repo) error {
	a, board := &c.term.Load().agenda, s.board()
	d := decision{moving: map[string]bool{}}
	for _, r := range rows {
		plan := a.plan[r.ID]
		if plan != nil && s.complete(r, plan) { // how many copies are wanted may be another number by now
			delete(a.plan, r.ID)
			plan = nil
		}
		if plan == nil {
			plan = board.Place(ring.Repo{Hash: hashOf(r.ID), Replicas: r.Policy.Replicas, Holders: s.holders(r)})
		}
		owner := board.Own(ring.OwnerRepo{Hash: hashOf(r.ID), Owner: uint32(r.Owner), Ready: s.eligible(r, plan)})
		d.own(s, r, owner)
		if p := s.step(r, plan); p != nil {
			d.placements = append(d.placements, p)
		}
		switch {
		case s.complete(r, plan):
			delete(a.plan, r.ID)
		case a.plan[r.ID] == nil && s.short(r, plan): // it may have to wait for its turn
			a.plan[r.ID] = plan
			a.order = append(a.order, r.ID)
		}
	}
	if err := c.carryOut(ctx, s, d); err != nil {
		return err // they are looked at again
	}
	clear(a.look)
	return nil
}

// planAll plans everything, and does what can be done of it; the rest stays on the agenda.
func (c *Coordinator) planAll(ctx context.Context, s *survey) error {
	began := time.Now()
	a := &c.term.Load().agenda
	var rows []*fsm.Repo
	var in []ring.Repo
	s.view.Repos("", func(r *fsm.Repo) bool {
		if !r.Removed {
			rows = append(rows, r)
			in = append(in, ring.Repo{Hash: hashOf(r.ID), Replicas: r.Policy.Replicas, Holders: s.holders(r)})
		}
		return true
	})
	plan, changes := ring.Plan(in, s.nodes)
	own := make([]ring.OwnerRepo, len(rows))
	for i, r := range rows {
		own[i] = ring.OwnerRepo{Hash: hashOf(r.ID), Owner: uint32(r.Owner), Ready: s.eligible(r, plan[i])}
	}
	d := decision{moving: map[string]bool{}}
	for i, owner := range ring.Owners(own, s.nodes) {
		d.own(s, rows[i], owner)
	}
	a.plan, a.order, a.at = map[string][]uint32{}, nil, 0
	put := func(i int) {
		if p := s.step(rows[i], plan[i]); p != nil {
			d.placements = append(d.placements, p)
		}
		a.plan[rows[i].ID] = plan[i]
		a.order = append(a.order, rows[i].ID)
	}
	for _, ch := range changes { // the most urgent first
		put(ch.Repo)
	}
	for i, r := range rows {
		if a.plan[r.ID] == nil && s.surplus(r, plan[i]) {
			put(i)
		}
	}
	a.took, a.planned, a.due = time.Since(began), time.Now(), false
	err := c.carryOut(ctx, s, d)
	if err != nil {
		a.due = true
	}
	return err
}

// own notes that a row gets another owner, if it does.
func (d *decision) own(s *survey, r *fsm.Repo, owner uint32) {
	if num := fsm.NodeNum(owner); num != r.Owner && num != 0 {
		if unwritable(r) {
			d.moving[r.ID] = true
		}
		d.owners = append(d.owners, &command.Ownership{Repo: r.ID, Epoch: r.Epoch, Owner: s.byNum[num].ID})
	}
}

func (c *Coordinator) carryOut(ctx context.Context, s *survey, d decision) error {
	return errors.Join(
		c.attempt(ctx, "owners", "", func(ctx context.Context) error { return c.assign(ctx, d, s.now) }),
		c.attempt(ctx, "placement", "", func(ctx context.Context) error { return c.place(ctx, d.placements) }),
	)
}

func (c *Coordinator) place(ctx context.Context, placements []*command.Placement) error {
	return each(placements, func(batch []*command.Placement) error {
		out, err := c.cfg.Proposer.Propose(ctx, &command.Place{Rows: batch}, "")
		if err != nil {
			return fmt.Errorf("place copies: %w", err)
		}
		c.noteRefusals("placement", out)
		return nil
	})
}

func (c *Coordinator) assign(ctx context.Context, d decision, now time.Time) error {
	return each(d.owners, func(batch []*command.Ownership) error {
		out, err := c.cfg.Proposer.Propose(ctx, &command.AssignOwners{Rows: batch}, "")
		if err != nil {
			return fmt.Errorf("assign owners: %w", err)
		}
		c.noteRefusals("ownership", out)
		for _, item := range out.GetItems() {
			if item.Code == "" && d.moving[item.Repo] {
				c.term.Load().troubled.moved(item.Repo, now)
			}
		}
		c.log.Debug("assigned owners", "repos", len(batch))
		return nil
	})
}

// noteRefusals logs rows that moved on between look and proposal: they have changed, so
// the next look sees them as they are.
func (c *Coordinator) noteRefusals(what string, out *command.Outcome) {
	for _, item := range out.GetItems() {
		if item.Code != "" {
			c.log.Debug("row moved on", "what", what, "repo", item.Repo, "code", item.Code, "err", item.Message)
		}
	}
}
