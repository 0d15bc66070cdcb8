package fsm

import (
	"cmp"
	"maps"
	"slices"

	"gitmirror/fsm/command"
	"gitmirror/internal/asciifold"
	"gitmirror/internal/refusal"
)

// nodeTable is all nodes, with the ways to find them. It is never changed but
// replaced: nodes are few, and change seldom.
type nodeTable struct {
	byNum  map[NodeNum]*Node
	byID   map[string]*Node
	byName map[string]*Node // folded; a node that left gives way
	sorted []*Node          // by folded name, then number
}

func newNodeTable(byNum map[NodeNum]*Node) *nodeTable {
	t := &nodeTable{
		byNum:  byNum,
		byID:   make(map[string]*Node, len(byNum)),
		byName: make(map[string]*Node, len(byNum)),
		sorted: slices.SortedFunc(maps.Values(byNum), func(a, b *Node) int {
			return cmp.Or(cmp.Compare(asciifold.String(a.Name), asciifold.String(b.Name)), cmp.Compare(a.Num, b.Num))
		}),
	}
	for _, n := range t.sorted {
		t.byID[n.ID] = n
		if other := t.byName[asciifold.String(n.Name)]; other == nil || other.State == NodeLeft {
			t.byName[asciifold.String(n.Name)] = n
		}
	}
	return t
}

// with returns the table with n in it, in the place of its namesake by number.
func (t *nodeTable) with(n *Node) *nodeTable {
	byNum := maps.Clone(t.byNum)
	if byNum == nil {
		byNum = map[NodeNum]*Node{}
	}
	byNum[n.Num] = n
	return newNodeTable(byNum)
}

func (t *nodeTable) without(n *Node) *nodeTable {
	byNum := maps.Clone(t.byNum)
	delete(byNum, n.Num)
	return newNodeTable(byNum)
}

// rival returns another node that has this name and has not left.
func (t *nodeTable) rival(id, name string) *Node {
	n := t.byName[asciifold.String(name)]
	if n == nil || n.ID == id || n.State == NodeLeft {
		return nil
	}
	return n
}

func refuseName(name string, rival *Node) *command.Outcome {
	return refuse(refusal.ConflictNode,
		"node name %q is taken by node %s (%s); start this one with another --name, or remove the other with: gitmirror node rm %s",
		name, rival.ID, rival.State, rival.Name)
}

func (s *State) foundCluster(_ entry, c *command.FoundCluster) *command.Outcome {
	if err := between("cluster id", c.GetClusterId(), 1, maxID); err != nil {
		return refuse(refusal.Invalid, "%v", err)
	}
	if s.tables.clusterID != "" {
		return refuse(refusal.ClusterNamed, "the cluster has the id %s already", s.tables.clusterID)
	}
	s.tables.clusterID, s.tables.format = c.GetClusterId(), max(c.GetFormat(), 1)
	return done()
}

// recoverCluster gives the cluster another id: that of its present incarnation. Nobody else is
// of it yet: whoever is still in the table is down.
func (s *State) recoverCluster(e entry, c *command.RecoverCluster) *command.Outcome {
	t := &s.tables
	if err := cmp.Or(between("cluster id", c.GetClusterId(), 1, maxID), between("former cluster id", c.GetFormer(), 1, maxID)); err != nil {
		return refuse(refusal.Invalid, "%v", err)
	}
	switch t.clusterID {
	case c.GetClusterId():
		return done()
	case c.GetFormer():
	default:
		return refuse(refusal.ClusterNamed, "the cluster has the id %s, not %s", t.clusterID, c.GetFormer())
	}
	t.clusterID = c.GetClusterId()
	if n := t.nodes.byID[c.GetNode()]; n != nil {
		// Nobody else is there who could tell it.
		t.events.add(&Event{Index: e.index, At: e.at, Type: EventRecovery, Name: n.Name, Node: n.Num, Detail: "was " + c.GetFormer() + ", is " + c.GetClusterId()})
	}
	for _, n := range t.nodes.sorted {
		if n.ID != c.GetNode() && n.State != NodeDown && n.State != NodeLeft {
			next := *n
			next.State, next.Since = NodeDown, e.at
			t.nodes = t.nodes.with(&next)
			t.recordNode(e, EventNodeDown, &next, "was "+string(n.State))
		}
	}
	return done()
}

func (s *State) putNode(e entry, c *command.PutNode) *command.Outcome {
	t, n := &s.tables, c.GetNode()
	if err := checkNode(n); err != nil {
		return refuse(refusal.Invalid, "%v", err)
	}
	if rival := t.nodes.rival(n.GetId(), n.GetName()); rival != nil {
		return refuseName(n.GetName(), rival)
	}
	if format := max(n.GetFormat(), 1); format < t.format {
		return refuse(refusal.FormatTooOld, "%s speaks cluster formats up to %d, this cluster is at %d; upgrade it", n.GetName(), format, t.format)
	}
	next := Node{State: NodeUp, Since: e.at, JoinedAt: e.at}
	known := t.nodes.byID[n.GetId()]
	if known != nil {
		if known.Run != n.GetRun() && known.Run != c.GetReplacesRun() {
			return refuse(refusal.StaleRun, "another process has run as node %s since", known.Name)
		}
		next = *known
	}
	if refused := t.takeAddress(n); refused != nil {
		return refused
	}
	if known == nil {
		t.lastNode++
		next.Num = t.lastNode
	}
	joined := next.ID == ""
	next.ID, next.Name, next.Peer, next.HTTP = n.GetId(), n.GetName(), n.GetPeer(), n.GetHttp()
	next.Zone, next.Version, next.Weight = n.GetZone(), n.GetVersion(), max(n.GetWeight(), 1)
	next.Run, next.Format = n.GetRun(), max(n.GetFormat(), 1)
	t.nodes = t.nodes.with(&next)
	if joined {
		t.recordNode(e, EventNodeJoined, &next, next.Peer)
	}
	return done()
}

// takeAddress refuses a peer address that another living node has. A node that
// is down gives its address up: whoever has it now was asked, and answered.
func (t *tables) takeAddress(n *command.Node) *command.Outcome {
	for _, other := range t.nodes.sorted {
		if n.GetPeer() == "" || other.Peer != n.GetPeer() || other.ID == n.GetId() {
			continue
		}
		if other.State.Live() {
			return refuse(refusal.ConflictAddress, "the peer address %s is that of node %s, which is %s; start this one with another --peer or --advertise", n.GetPeer(), other.Name, other.State)
		}
		moved := *other
		moved.Peer, moved.HTTP = "", ""
		t.nodes = t.nodes.with(&moved)
	}
	return nil
}

func (s *State) setNodeState(e entry, c *command.SetNodeState) *command.Outcome {
	t := &s.tables
	state, known := nodeStates[c.GetState()]
	if !known {
		return refuse(refusal.Invalid, "%d is no state of a node", c.GetState())
	}
	n := t.nodes.byID[c.GetId()]
	if n == nil {
		return refuse(refusal.NotFound, "no node %q", c.GetId())
	}
	if n.State == state {
		return done()
	}
	if rival := t.nodes.rival(n.ID, n.Name); rival != nil {
		return refuseName(n.Name, rival)
	}
	next := *n
	next.State, next.Since = state, e.at
	if state == NodeDown && n.State != NodeLeft {
		next.Flaps++
	}
	t.nodes = t.nodes.with(&next)
	switch {
	case state == NodeDown:
		t.recordNode(e, EventNodeDown, &next, "was "+string(n.State))
	case state == NodeUp && (n.State == NodeDown || n.State == NodeLeft):
		t.recordNode(e, EventNodeUp, &next, "was "+string(n.State))
	}
	return done()
}

var nodeStates = map[command.NodeState]NodeState{
	command.NodeState_NODE_STATE_UP:      NodeUp,
	command.NodeState_NODE_STATE_SUSPECT: NodeSuspect,
	command.NodeState_NODE_STATE_DOWN:    NodeDown,
	command.NodeState_NODE_STATE_LEFT:    NodeLeft,
}
