package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gitmirror/api"
	"gitmirror/coordinator"
	"gitmirror/internal/advice"
	"gitmirror/membership"
	"gitmirror/peer"
)

// onlyProcess makes sure, before consensus starts, that no other process is
// this node.
func (n *node) onlyProcess(ctx context.Context) error {
	others := slices.Concat(n.cfg.Join, n.id.Others())
	newer := make(chan error, 1)
	go func() { newer <- membership.Superseded(ctx, n.id.Cluster(), others, n.peers) }()
	err := membership.OnlyProcess(ctx, n.self(), n.info.Peer, others, n.peers)
	if err := <-newer; err != nil {
		return superseded(err)
	}
	if errors.Is(err, membership.ErrCopied) {
		return copied(err)
	}
	return err
}

// stillOnlyProcess asks again until there is a leader, often at first: members that
// were not there before consensus started may know of another process since. It returns
// nil then, or when ctx ends.
func (n *node) stillOnlyProcess(ctx context.Context) error {
	for wait := onlySoon; ; wait = min(2*wait, onlySeldom) {
		again := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			again.Stop()
			return nil
		case <-n.ready:
			again.Stop()
			return nil
		case <-again.C:
		}
		err := membership.OnlyProcess(ctx, n.self(), n.info.Peer, slices.Concat(n.cfg.Join, n.id.Others()), n.peers)
		select {
		case <-n.ready: // from now on the table says who is this node: another that has just woken up ends
			return nil
		default:
		}
		if errors.Is(err, membership.ErrCopied) {
			return err
		}
	}
}

const (
	onlySoon   = 250 * time.Millisecond
	onlySeldom = 10 * time.Second
)

func (n *node) self() membership.Self {
	return membership.Self{ID: n.id.ID, Run: n.runID, Runs: n.id.Runs}
}

func copied(err error) *advice.Error {
	return &advice.Error{Code: 6, Message: err.Error(), Err: err, Try: "start it with an empty --data directory and --join"}
}

func superseded(err error) *advice.Error {
	return &advice.Error{Code: 6, Message: err.Error(), Err: err,
		Try: "move its --data directory aside, and start it with an empty one and --join: nothing of the old one was touched"}
}

func removed(err error) *advice.Error {
	return &advice.Error{Code: 6, Message: "this node was removed from the cluster", Err: err,
		Try: "start it with an empty --data directory and --join to have it in again"}
}

// stand ends the node when it finds that it is not the node that it says it is
// any more: removed, taken over by another process, or outvoted about the table.
func (n *node) stand(ctx context.Context) error {
	outlook := membership.Outlook{Self: n.self(), Cluster: n.id.Cluster, Led: n.consensus.Led, Members: n.seeds, Call: n.peers, Claims: n.greeter.newer}
	results := make(chan error, 4)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, watch := range []func(context.Context) error{outlook.Run, n.agreement.Run, n.standby.Run, n.stillOnlyProcess} {
		go func() { results <- watch(ctx) }()
	}
	seen, ready := false, n.ready
	for {
		changed := n.machine.state.Changed()
		row := n.machine.state.View().NodeByID(n.id.ID)
		switch {
		case ready != nil: // what is replayed is of another day
		case row == nil && seen:
			return removed(membership.ErrOut)
		case row != nil:
			seen = true
			if row.Run == n.runID && n.id.RowRun != n.runID {
				if err := n.id.Confirm(n.runID); err != nil {
					n.log.Warn("cannot note that this run is in the table", "err", err)
				}
			}
			if row.Run != "" && !slices.Contains(n.id.Runs, row.Run) {
				return copied(fmt.Errorf("%w of %s's: another process runs as %s now", membership.ErrCopied, row.Name, row.Name))
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ready:
			ready = nil
		case <-changed:
		case err := <-results:
			switch {
			case errors.Is(err, membership.ErrOut):
				return removed(err)
			case errors.Is(err, membership.ErrSuperseded):
				return superseded(err)
			case errors.Is(err, membership.ErrCopied):
				return copied(err)
			case errors.Is(err, membership.ErrOutvoted):
				return &advice.Error{Message: err.Error(), Err: err,
					Try: fmt.Sprintf("remove the node from the cluster: gitmirror node rm %s --yes, then start it with an empty --data directory", n.cfg.Name)}
			}
		}
	}
}

// remember keeps in node.json what a later start needs to know before it has
// heard from anybody.
func (n *node) remember(ctx context.Context) error {
	for {
		changed := n.machine.state.Changed()
		format, members := n.machine.state.View().Format(), n.memberAddresses()
		var soon <-chan time.Time // becoming ready changes nothing in the table
		if n.consensus.Ready() != nil {
			soon = time.After(time.Second)
		} else if err := n.id.Note(format, members); err != nil {
			n.log.Warn("cannot write node.json", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-soon:
		}
	}
}

// memberAddresses are the peer addresses in the table, but for this node's.
func (n *node) memberAddresses() []string {
	var list []string
	for _, row := range n.machine.state.View().Nodes() {
		if row.ID != n.id.ID && row.Peer != "" {
			list = append(list, row.Peer)
		}
	}
	return list
}

// greeter is the peer client in the coordinator's terms.
type processes struct{ *peer.Client }

func (g processes) Greet(ctx context.Context, addr string) (coordinator.Process, error) {
	h, err := g.Hello(ctx, addr)
	return coordinator.Process{ID: h.ID, Run: h.Run}, err
}

func (g processes) Clock(ctx context.Context, addr string) (time.Time, error) {
	p, err := g.Pulse(ctx, addr)
	return p.Now, err
}

// marks are the digests of this node's table, for others to compare.
func (p *parts) marks() []peer.Mark {
	var list []peer.Mark
	for _, m := range p.machine.state.View().Marks() {
		list = append(list, peer.Mark{Index: m.Index, Sum: m.Digest.String()})
	}
	return list
}

// voters are the peer addresses of the nodes that vote, by id.
func (p *parts) voters() map[string]string {
	list := map[string]string{}
	servers, err := p.cluster.Servers()
	if err != nil {
		return list
	}
	for _, s := range servers {
		if s.Voter {
			list[s.ID] = s.Addr
		}
	}
	return list
}

// trouble is what this node has to say under Attention: what it fails at as
// leader, or as one that does not reach who leads, and a table that differs from another's.
func (p *parts) trouble() []api.Trouble {
	work := []coordinator.Trouble{}
	if p.cluster.IsLeader() {
		work = p.coordinator.Trouble()
	} else if since, err := p.reach.Unanswered(); err != nil {
		work = append(work, coordinator.Trouble{Step: "reaching the leader", Message: err.Error(), Since: since})
	}
	doubt, since := p.agreement.Doubt()
	return troubles(work, p.cluster.DiskHungSince(), doubt, since)
}

// troubles are what the node fails at in its work for the cluster, a disk of its log that hangs
// since then, and a doubt about its table; zero and empty for none.
func troubles(work []coordinator.Trouble, hung time.Time, doubt string, since time.Time) (list []api.Trouble) {
	for _, t := range work {
		list = append(list, api.Trouble{Step: t.Step, Subject: t.Subject, Message: t.Message, Since: t.Since.UTC()})
	}
	if !hung.IsZero() {
		list = append(list, api.Trouble{Step: "writing its raft log", Message: "the disk does not answer", Since: hung.UTC()})
	}
	if doubt != "" {
		list = append(list, api.Trouble{Step: "agreement", Message: doubt, Since: since.UTC()})
	}
	return list
}
