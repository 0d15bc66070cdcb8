package coordinator

import (
	"slices"
	"sync"
	"time"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/policy"
	"gitmirror/ring"
)

// placing is a board for new repos, kept up while they are added: those that are on their
// way into the log are counted too.
type placing struct {
	mu    sync.Mutex
	at    time.Time // when the board was made
	known []*fsm.Node
	nodes map[fsm.NodeNum]*fsm.Node
	board *ring.Board
}

// boardFor is how long a board is used: other things move copies too.
const boardFor = 2 * time.Second

// placeNew gives new rows their copies and owners.
func (c *Coordinator) placeNew(rows []*command.NewRepo) {
	p := &c.term.Load().placing
	p.mu.Lock()
	defer p.mu.Unlock()
	// A node that has changed since may be draining, or down.
	if p.board == nil || time.Since(p.at) >= boardFor || !slices.Equal(p.known, c.cfg.State.View().Nodes()) {
		s := c.survey()
		p.at, p.known, p.nodes, p.board = time.Now(), s.view.Nodes(), s.byNum, s.board()
	}
	for _, row := range rows {
		p.put(row)
	}
}

// put gives a new row its copies and owner; none while no node can have it: the loop
// places it later.
func (p *placing) put(row *command.NewRepo) {
	want := int(row.Policy.Replicas)
	if want == 0 {
		want = policy.DefaultReplicas
	}
	nodes := p.board.Place(ring.Repo{Hash: hashOf(row.Id), Replicas: want})
	for _, n := range nodes {
		row.Copies = append(row.Copies, p.nodes[fsm.NodeNum(n)].ID)
	}
	if owner := p.board.Own(ring.OwnerRepo{Hash: hashOf(row.Id), Ready: nodes}); owner != 0 {
		row.Owner = p.nodes[fsm.NodeNum(owner)].ID
	}
}
