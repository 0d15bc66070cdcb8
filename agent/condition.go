package agent

import (
	"context"
	"time"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/oneline"
	"gitmirror/mirror"
)

// conditionEvery is how often the node's condition is compared with its row,
// whether anybody told of a change or not.
const conditionEvery = 10 * time.Second

// ConditionChanged notes that what keeps this node from its work may have
// changed. It does not block.
func (a *Agent) ConditionChanged() {
	select {
	case a.conditioned <- struct{}{}:
	default:
	}
}

// reportCondition keeps this node's row at what its disk and its copies are.
func (a *Agent) reportCondition(ctx context.Context) error {
	tick := time.NewTicker(conditionEvery)
	defer tick.Stop()
	for {
		if row := a.cfg.State.View().NodeByID(a.cfg.Self); row != nil {
			if c := conditionReport(row, a.mirror.Condition()); c != nil {
				pctx, cancel := context.WithTimeout(ctx, reportTimeout)
				_, err := a.cfg.Proposer.Propose(pctx, &command.Report{Node: a.cfg.Self, Condition: c}, "")
				cancel()
				if err != nil {
					a.log.Debug("condition not taken yet", "err", err)
				}
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-a.conditioned:
		}
	}
}

// conditionReport returns what the node's row does not say yet, or nil.
func conditionReport(row *fsm.Node, c mirror.Condition) *command.NodeCondition {
	disk := ""
	if row.Disk != nil {
		disk = row.Disk.Class
	}
	if disk == string(c.Disk.State) && (row.Sick != nil) == (c.Sick != "") {
		return nil
	}
	return &command.NodeCondition{Disk: string(c.Disk.State), DiskMessage: oneline.Clip(c.Disk.Message, 500), Sick: oneline.Clip(c.Sick, 500)}
}
