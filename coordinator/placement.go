package coordinator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/ring"
)

// maxWanted bounds how many copies one node makes at a time: the rest of a plan
// waits, and is planned anew.
const maxWanted = 200

// placement compares the table with the plan and proposes the difference:
// owners first, because no byte moves, then new copies, then the copies that
// are no longer needed.
func (c *Coordinator) placement(ctx context.Context) error {
	t := c.survey()
	if t.brake && !c.braked {
		c.log.Warn("too many nodes are down at once to replace their copies; remove nodes that will not come back with: gitmirror node rm NAME")
	}
	c.braked = t.brake
	if len(t.rows) == 0 {
		return nil
	}
	owners, placements := t.decide()
	return errors.Join(
		c.attempt(ctx, "owners", "", func(ctx context.Context) error { return c.assign(ctx, owners, t) }),
		c.attempt(ctx, "placement", "", func(ctx context.Context) error { return c.place(ctx, placements) }),
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

func (c *Coordinator) assign(ctx context.Context, owners []*command.Ownership, t *table) error {
	return each(owners, func(batch []*command.Ownership) error {
		out, err := c.cfg.Proposer.Propose(ctx, &command.AssignOwners{Rows: batch}, "")
		if err != nil {
			return fmt.Errorf("assign owners: %w", err)
		}
		c.noteRefusals("ownership", out)
		for _, item := range out.GetItems() {
			if item.Code == "" && t.moving[item.Repo] {
				c.troubled.moved(item.Repo, t.now)
			}
		}
		c.log.Info("assigned owners", "repos", len(batch))
		return nil
	})
}

// noteRefusals logs rows that moved on between look and proposal: the next look
// sees them as they are.
func (c *Coordinator) noteRefusals(what string, out *command.Outcome) {
	for _, item := range out.GetItems() {
		if item.Code != "" {
			c.log.Debug("row moved on", "what", what, "repo", item.Repo, "code", item.Code, "err", item.Message)
		}
	}
}

// table is a survey of the cluster at one moment, in the planner's terms.
type table struct {
	view  *fsm.View
	nodes []ring.Node
	byNum map[fsm.NodeNum]*fsm.Node
	rows  []*fsm.Repo
	load  map[fsm.NodeNum]int // copies that count
	// wanted counts copies in the making, by node.
	wanted map[fsm.NodeNum]int
	brake  bool                 // too many nodes are gone at once to act on it
	able   map[fsm.NodeNum]bool // nodes that can do an owner's work
	gone   map[fsm.NodeNum]bool // nodes that are not expected back

	moving map[string]bool // repos that get another owner because theirs cannot write them

	now      time.Time
	troubled *troubled
}

func (c *Coordinator) survey() *table {
	view := c.cfg.State.View()
	t := &table{view: view, byNum: map[fsm.NodeNum]*fsm.Node{}, load: map[fsm.NodeNum]int{}, wanted: map[fsm.NodeNum]int{}, able: map[fsm.NodeNum]bool{}, gone: map[fsm.NodeNum]bool{}, moving: map[string]bool{}}
	now := time.Now()
	t.now, t.troubled = now, &c.troubled
	states, brake := c.nodeStates(view, now)
	t.brake = brake
	for _, n := range view.Nodes() {
		t.byNum[n.Num] = n
		t.able[n.Num] = c.troubled.mayOwn(n, now)
		t.gone[n.Num] = states[n.Num] == ring.Gone
		t.nodes = append(t.nodes, ring.Node{ID: uint32(n.Num), Zone: n.Zone, Capacity: uint64(max(n.Weight, 1)), State: states[n.Num]})
	}
	view.Repos("", func(r *fsm.Repo) bool {
		if r.Removed {
			return true
		}
		t.rows = append(t.rows, r)
		for _, cp := range r.Copies {
			if cp.State != fsm.CopyLeaving {
				t.load[cp.Node]++
			}
			if cp.State == fsm.CopyWanted {
				t.wanted[cp.Node]++
			}
		}
		return true
	})
	return t
}

// The mass-failure brake: when more nodes than this share, and more than one,
// would be given up at once, something else is wrong; keep what is there.
const brakeShare = 4

// nodeStates turns the table's node states into the planner's. A node that is
// down is expected back until ReplaceAfter.
func (c *Coordinator) nodeStates(view *fsm.View, now time.Time) (states map[fsm.NodeNum]ring.NodeState, brake bool) {
	states = map[fsm.NodeNum]ring.NodeState{}
	nodes := view.Nodes()
	gone := 0
	for _, n := range nodes {
		switch n.State {
		case fsm.NodeUp:
			states[n.Num] = upState(n)
		case fsm.NodeDraining:
			states[n.Num] = ring.Draining
		case fsm.NodeLeft:
			states[n.Num] = ring.Gone
		default:
			states[n.Num] = ring.Down
			if c.gone(view, n, now) {
				states[n.Num] = ring.Gone
				gone++
			}
		}
	}
	if gone <= max(1, len(nodes)/brakeShare) {
		return states, false
	}
	for num, s := range states {
		if n := view.Node(num); s == ring.Gone && n.State == fsm.NodeDown {
			states[num] = ring.Down
		}
	}
	return states, true
}

// upState is what the planner makes of a node that is up: one whose disk is
// unwell keeps what it has and gets no more, one whose copies are out of
// service is as good as down, and expected back.
func upState(n *fsm.Node) ring.NodeState {
	switch {
	case n.Sick != nil:
		return ring.Down
	case n.Disk != nil:
		return ring.Full
	}
	return ring.Active
}

func hashOf(id string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	return h.Sum64()
}

// holders lists a row's copies that count, those in the making first and then
// by the load of their node: where one has to go, it is the last. A node that is
// down, or short of disk, keeps its copies, but not those it never made.
func (t *table) holders(r *fsm.Repo) []uint32 {
	copies := slices.DeleteFunc(slices.Clone(r.Copies), func(cp fsm.Copy) bool {
		n := t.byNum[cp.Node]
		return cp.State == fsm.CopyLeaving || cp.State == fsm.CopyWanted && n != nil && (n.State == fsm.NodeDown || n.Disk != nil)
	})
	slices.SortStableFunc(copies, func(a, b fsm.Copy) int {
		if wa, wb := a.State == fsm.CopyWanted, b.State == fsm.CopyWanted; wa != wb {
			if wa {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(t.load[a.Node], t.load[b.Node]), cmp.Compare(a.Node, b.Node))
	})
	ids := make([]uint32, len(copies))
	for i, cp := range copies {
		ids[i] = uint32(cp.Node)
	}
	return ids
}

// decide runs the planner and turns its answer into the next safe steps.
func (t *table) decide() (owners []*command.Ownership, placements []*command.Placement) {
	in := make([]ring.Repo, len(t.rows))
	for i, r := range t.rows {
		in[i] = ring.Repo{Hash: hashOf(r.ID), Replicas: r.Policy.Replicas, Holders: t.holders(r)}
	}
	plan, _ := ring.Plan(in, t.nodes)
	owners = t.owners(plan)
	for i, r := range t.rows {
		if p := t.step(r, plan[i]); p != nil {
			placements = append(placements, p)
		}
	}
	return owners, placements
}

// step is what can be done for one row now: missing copies are wanted at once,
// surplus ones leave when every copy of the plan is ready.
func (t *table) step(r *fsm.Repo, plan []uint32) *command.Placement {
	p := &command.Placement{Repo: r.ID, RowVersion: r.Version}
	settled := true
	for _, id := range plan {
		num := fsm.NodeNum(id)
		cp, ok := r.Copy(num)
		switch {
		case !ok:
			settled = false
			if t.wanted[num] < maxWanted {
				t.wanted[num]++
				p.Add = append(p.Add, t.byNum[num].ID)
			}
		case cp.State == fsm.CopyReady && cp.Generation == r.Generation:
		case r.Generation == 0 && cp.State == fsm.CopyWanted:
		default:
			settled = false
		}
	}
	if settled {
		for _, cp := range r.Copies {
			n := t.byNum[cp.Node]
			if cp.State != fsm.CopyLeaving && cp.Node != r.Owner && n != nil && !slices.Contains(plan, uint32(cp.Node)) {
				p.Leave = append(p.Leave, n.ID)
			}
		}
	}
	if len(p.Add) == 0 && len(p.Leave) == 0 {
		return nil
	}
	return p
}

// owners returns the ownerships that change: repos whose owner is gone go to
// the live copy that is furthest ahead; among equals, loads are evened out.
func (t *table) owners(plan [][]uint32) []*command.Ownership {
	in := make([]ring.OwnerRepo, len(t.rows))
	for i, r := range t.rows {
		in[i] = ring.OwnerRepo{Hash: hashOf(r.ID), Owner: uint32(r.Owner), Ready: t.eligible(r, plan[i])}
	}
	next := ring.Owners(in, t.nodes)
	var changes []*command.Ownership
	for i, r := range t.rows {
		if num := fsm.NodeNum(next[i]); num != r.Owner && num != 0 {
			if unwritable(r) {
				t.moving[r.ID] = true
			}
			changes = append(changes, &command.Ownership{Repo: r.ID, Epoch: r.Epoch, Owner: t.byNum[num].ID})
		}
	}
	return changes
}

// unwritable tells whether the owner of a row cannot write its copy, though its
// disk may be well as a whole.
func unwritable(r *fsm.Repo) bool { return r.Error != nil && r.Error.Class == "disk" }

// eligible lists the nodes that may own a row: up, and with nothing less than
// any other live copy. A live owner stays eligible while it is at work. Where
// others are as good, nodes that cannot do an owner's work and copies that the
// plan wants to drop are passed over.
func (t *table) eligible(r *fsm.Repo, plan []uint32) []uint32 {
	var most uint64
	live := func(cp fsm.Copy) bool {
		n := t.byNum[cp.Node]
		return n != nil && (n.State == fsm.NodeUp || n.State == fsm.NodeDraining) && cp.State != fsm.CopyLeaving && cp.State != fsm.CopyBroken
	}
	for _, cp := range r.Copies {
		if live(cp) && cp.State == fsm.CopyReady {
			most = max(most, cp.Generation)
		}
	}
	if cp, ok := r.Copy(r.Owner); ok && r.Generation == 0 && live(cp) && t.able[r.Owner] {
		return []uint32{uint32(r.Owner)} // it is cloning: upstream is cloned once
	}
	// When all copies are on nodes that are not expected back, one in the making is
	// the last hope: it is made from upstream, and only an owner asks it.
	lost := !slices.ContainsFunc(r.Copies, func(cp fsm.Copy) bool {
		return cp.State == fsm.CopyReady && t.byNum[cp.Node] != nil && !t.gone[cp.Node]
	})
	var all []uint32
	for _, cp := range r.Copies {
		if live(cp) && cp.Generation >= most && (r.Generation == 0 || cp.State == fsm.CopyReady || lost) {
			all = append(all, uint32(cp.Node))
		}
	}
	prefer := func(good func(node uint32) bool) {
		if some := slices.DeleteFunc(slices.Clone(all), func(n uint32) bool { return !good(n) }); len(some) > 0 {
			all = some
		}
	}
	prefer(func(n uint32) bool { return t.able[fsm.NodeNum(n)] })
	if unwritable(r) && t.troubled.mayMove(r.ID, t.now) {
		prefer(func(n uint32) bool { return fsm.NodeNum(n) != r.Owner })
	}
	prefer(func(n uint32) bool { return slices.Contains(plan, n) })
	return all
}
