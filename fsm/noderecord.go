package fsm

import (
	"github.com/tidwall/btree"

	"gitmirror/fsm/snapshot"
)

var nodePart = part{
	name: "nodes",
	write: func(c *Capture, w *recordWriter) {
		t := &c.view.tables
		for n := NodeNum(1); n <= t.lastNode; n++ {
			if node := t.nodes.byNum[n]; node != nil {
				w.write(nodeRecord(node))
			}
		}
	},
	read:    reads((*snapshot.Record).GetNode, (*builder).addNode),
	count:   func(t *tables, _ *btree.BTreeG[*request]) int { return len(t.nodes.byNum) },
	counted: func(end *snapshot.End) *uint64 { return &end.Nodes },
}

func nodeRecord(n *Node) *snapshot.Record {
	return &snapshot.Record{Kind: &snapshot.Record_Node{Node: &snapshot.Node{
		Num: uint32(n.Num), Id: n.ID, Name: n.Name, Peer: n.Peer, Http: n.HTTP,
		Zone: n.Zone, Version: n.Version, Weight: n.Weight, State: string(n.State),
		SinceMs: toMS(n.Since), JoinedMs: toMS(n.JoinedAt), Flaps: n.Flaps,
		Run: n.Run, Format: n.Format, Disk: failureRecord(n.Disk), Sick: failureRecord(n.Sick),
		DrainMs: toMS(n.Drain), Credentials: n.Credentials, Unusable: n.Unusable,
	}}}
}

func (b *builder) addNode(n *snapshot.Node) error {
	num := NodeNum(n.GetNum())
	if num == 0 || num > b.tables.lastNode || b.nodes[num] != nil {
		return damaged("node number %d of at most %d", num, b.tables.lastNode)
	}
	b.nodes[num] = &Node{
		Num: num, ID: n.GetId(), Name: n.GetName(), Peer: n.GetPeer(), HTTP: n.GetHttp(),
		Zone: n.GetZone(), Version: n.GetVersion(), Weight: n.GetWeight(), State: NodeState(n.GetState()),
		Since: fromMS(n.GetSinceMs()), JoinedAt: fromMS(n.GetJoinedMs()), Flaps: n.GetFlaps(),
		Run: n.GetRun(), Format: n.GetFormat(), Disk: failureOf(n.GetDisk()), Sick: failureOf(n.GetSick()),
		Drain: fromMS(n.GetDrainMs()), Credentials: n.GetCredentials(), Unusable: n.GetUnusable(),
	}
	return nil
}
