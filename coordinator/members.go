package coordinator

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// RemoveNode forgets a node that is down. Refused while it is up, and, unless that is
// accepted, while nobody else that lives has a ready copy of something that it has.
func (c *Coordinator) RemoveNode(ctx context.Context, id string, acceptLoss bool, key string) error {
	n := c.cfg.State.View().NodeByID(id)
	switch {
	case n == nil: // the log knows whether this request has removed it
	case n.ID == c.cfg.Self || n.State == fsm.NodeUp:
		return refusal.New(refusal.NodeUp, "node %s is up: removing it would take its copies away from under it", n.Name).
			Try("stop it first, and wait until `gitmirror node show %s` says down", n.Name)
	}
	err := c.Do(ctx, &command.RemoveNode{Id: id, AcceptLoss: acceptLoss}, key) // consensus follows the table, see voters
	if r := refusal.Of(err); r != nil && r.Code == refusal.LastCopy && n != nil {
		return r.Try("bring back a node that has them; where they are lost for good: gitmirror node rm %s --accept-loss, which has them cloned anew from upstream", n.Name)
	}
	return err
}

// Transfer has that voter lead, or any that is up, and returns when this node does not any
// more. That one leads already is no refusal.
func (c *Coordinator) Transfer(ctx context.Context, id string) error {
	view := c.cfg.State.View()
	heirs, err := c.heirs(view)
	if err != nil {
		return err
	}
	if id == c.cfg.Self {
		return nil
	}
	if n := view.NodeByID(id); id != "" {
		if n == nil {
			return refusal.New(refusal.NotFound, "no node %q", id)
		}
		if !slices.Contains(heirs, n) {
			return c.cannotLead(n)
		}
		heirs = []*fsm.Node{n}
	}
	if len(heirs) == 0 {
		return refusal.New(refusal.CannotLead, "no other node votes, is up and has caught up")
	}
	var errs []error
	for _, n := range heirs {
		if err := c.cfg.Voters.TransferTo(ctx, n.ID); err == nil || ctx.Err() != nil {
			return err
		} else {
			errs = append(errs, fmt.Errorf("to %s: %w", n.Name, err))
		}
	}
	return errors.Join(errs...)
}

// heirs are the voters that could lead instead of this node, those that stay first.
func (c *Coordinator) heirs(view *fsm.View) (list []*fsm.Node, err error) {
	servers, err := c.cfg.Voters.Servers()
	if err != nil {
		return nil, err
	}
	for _, s := range servers {
		if n := view.NodeByID(s.ID); s.Voter && n != nil && n.ID != c.cfg.Self && n.State == fsm.NodeUp && c.cfg.Voters.CaughtUp(s.ID) {
			list = append(list, n)
		}
	}
	slices.SortStableFunc(list, func(a, b *fsm.Node) int { return compareBool(a.Draining(), b.Draining()) })
	return list, nil
}

func (c *Coordinator) cannotLead(n *fsm.Node) error {
	servers, err := c.cfg.Voters.Servers()
	if err != nil {
		return err
	}
	votes := slices.ContainsFunc(servers, func(s Server) bool { return s.ID == n.ID && s.Voter })
	switch {
	case !votes && n.Draining():
		return refusal.New(refusal.CannotLead, "%s has no vote: it is draining", n.Name)
	case !votes:
		return refusal.New(refusal.CannotLead, "%s has no vote", n.Name)
	case n.State != fsm.NodeUp:
		return refusal.New(refusal.CannotLead, "%s is %s", n.Name, n.State)
	}
	return refusal.New(refusal.CannotLead, "%s has not caught up with the log", n.Name)
}

// handOver gives leadership to a voter that stays, where this node is draining: it is about
// to be stopped. Where there is none it goes on.
func (c *Coordinator) handOver(ctx context.Context) error {
	view := c.cfg.State.View()
	self := view.NodeByID(c.cfg.Self)
	if self == nil || !self.Draining() {
		return nil
	}
	heirs, err := c.heirs(view)
	if err != nil || len(heirs) == 0 || heirs[0].Draining() {
		return err
	}
	c.log.Info("handing leadership over, since this node is draining", "to", heirs[0].Name)
	return c.cfg.Voters.TransferTo(ctx, heirs[0].ID)
}
