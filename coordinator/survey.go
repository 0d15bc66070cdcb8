package coordinator

import (
	"hash/fnv"
	"slices"
	"time"

	"gitmirror/fsm"
	"gitmirror/ring"
)

// survey is the cluster at one moment in the planner's terms: its nodes, and what each
// has. It does not look at rows.
type survey struct {
	view   *fsm.View
	now    time.Time
	nodes  []ring.Node
	byNum  map[fsm.NodeNum]*fsm.Node
	wanted map[fsm.NodeNum]int  // copies in the making, by node
	able   map[fsm.NodeNum]bool // nodes that can do an owner's work
	gone   map[fsm.NodeNum]bool // nodes that are not expected back
	brake  bool                 // too many nodes are gone at once to act on it

	troubled *troubled
}

func (c *Coordinator) survey() *survey {
	view, now, troubled := c.cfg.State.View(), time.Now(), &c.term.Load().troubled
	s := &survey{view: view, now: now, byNum: map[fsm.NodeNum]*fsm.Node{}, wanted: map[fsm.NodeNum]int{}, able: map[fsm.NodeNum]bool{}, gone: map[fsm.NodeNum]bool{},
		troubled: troubled}
	var states map[fsm.NodeNum]ring.NodeState
	states, s.brake = c.nodeStates(view, now)
	for _, n := range view.Nodes() {
		s.byNum[n.Num] = n
		s.able[n.Num] = troubled.mayOwn(n, now)
		s.gone[n.Num] = states[n.Num] == ring.Gone
		s.wanted[n.Num] = view.Holding(n.Num).Making
		s.nodes = append(s.nodes, ring.Node{ID: uint32(n.Num), Zone: n.Zone, Capacity: uint64(max(n.Weight, 1)), State: states[n.Num], Mute: !n.HasGit()})
	}
	return s
}

// board is for placing rows one by one.
func (s *survey) board() *ring.Board {
	return ring.NewBoard(s.nodes, func(id uint32) ring.Load {
		h := s.view.Holding(fsm.NodeNum(id))
		return ring.Load{Copies: h.Copies, Owned: h.Owned}
	})
}

// condition is what of a node decides about rows other than its own.
type condition struct {
	ring.Node
	able bool
	// What of the row's state decides who may own, and which copies count.
	state fsm.NodeState
	full  bool
}

// conditions change when rows have to be looked at that have not changed.
func (s *survey) conditions() []condition {
	list := make([]condition, len(s.nodes))
	for i, n := range s.nodes {
		node := s.byNum[fsm.NodeNum(n.ID)]
		list[i] = condition{Node: n, able: s.able[node.Num], state: node.State, full: node.Disk != nil}
	}
	return list
}

// lost lists the nodes whose rows need another owner now: those that nobody can reach, and
// those that cannot do the work. 0 stands for the rows without an owner.
func (s *survey) lost() []fsm.NodeNum {
	list := []fsm.NodeNum{0}
	for _, n := range s.view.Nodes() {
		if !mayOwn(n.State) || !s.able[n.Num] {
			list = append(list, n.Num)
		}
	}
	slices.Sort(list)
	return list
}

func mayOwn(state fsm.NodeState) bool { return state == fsm.NodeUp }

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
		case fsm.NodeLeft:
			states[n.Num] = ring.Gone
		default:
			states[n.Num] = awayState(n)
			if c.downFor(view, n, now, c.cfg.ReplaceAfter) {
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
			states[num] = awayState(n)
		}
	}
	return states, true
}

// awayState is what the planner makes of a node that may come back. What a draining one has
// is made elsewhere at once: nobody waits for it.
func awayState(n *fsm.Node) ring.NodeState {
	if n.Draining() {
		return ring.Draining
	}
	return ring.Down
}

// upState is what the planner makes of a node that is up: one whose disk is
// unwell keeps what it has and gets no more, one whose copies are out of
// service is as good as down, and expected back.
func upState(n *fsm.Node) ring.NodeState {
	switch {
	case n.Draining():
		return ring.Draining
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
