package coordinator

import (
	"time"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/ring"
)

// placing is a board for new repos, kept up while they are added: those that are on their
// way into the log are counted too.
type placing struct {
	at    time.Time
	nodes map[fsm.NodeNum]*fsm.Node
	board *ring.Board
}

// boardFor is how long a board is used: other things move copies too.
const boardFor = 2 * time.Second

// placer returns the board for new repos. c.mu is held.
func (c *Coordinator) placer() *placing {
	if c.placing == nil || time.Since(c.placing.at) >= boardFor {
		s := c.survey()
		c.placing = &placing{at: time.Now(), nodes: s.byNum, board: s.board()}
	}
	return c.placing
}

// put gives a new row its copies and owner; none while no node can have it: the loop
// places it later.
func (p *placing) put(row *command.NewRepo) {
	want := int(row.Policy.Replicas)
	if want == 0 {
		want = fsm.DefaultReplicas
	}
	nodes := p.board.Place(ring.Repo{Hash: hashOf(row.Id), Replicas: want})
	for _, n := range nodes {
		row.Copies = append(row.Copies, p.nodes[fsm.NodeNum(n)].ID)
	}
	if owner := p.board.Own(ring.OwnerRepo{Hash: hashOf(row.Id), Ready: nodes}); owner != 0 {
		row.Owner = p.nodes[fsm.NodeNum(owner)].ID
	}
}
