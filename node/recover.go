package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/raft"

	"gitmirror/cluster"
	"gitmirror/fsm"
	"gitmirror/internal/advice"
	"gitmirror/internal/network"
	"gitmirror/membership"
	"gitmirror/peer"
)

// Remains is what the data directory of a node that does not run has of its cluster.
type Remains struct {
	Dir       string   `json:"dir"`
	Name      string   `json:"name"`
	ID        string   `json:"id"`
	ClusterID string   `json:"cluster_id"`
	Former    []string `json:"former"` // ids that the cluster had before
	Members   []string `json:"members"`
	Last      Position `json:"last"` // of the log, or of the snapshot where that is further
	Log       Position `json:"log"`
	Snapshot  Position `json:"snapshot"`
	Term      uint64   `json:"current_term"`
}

// Position is an entry of the log.
type Position = cluster.Position

// askedFor is how long a member may take to answer before it counts as gone.
const askedFor = 2 * time.Second

// Examine reads what the data directory of a node that does not run has, and changes nothing
// there.
func Examine(ctx context.Context, dir string) (Remains, error) {
	id, lock, err := takeStopped(ctx, dir)
	if err != nil {
		return Remains{}, err
	}
	defer lock.Close()
	return examine(id, dir)
}

func examine(id *membership.Identity, dir string) (Remains, error) {
	r, err := cluster.Examine(nil, filepath.Join(dir, "raft"), id.Log)
	if err != nil {
		return Remains{}, storeAdvice(err)
	}
	return Remains{Dir: dir, Name: cmp.Or(id.Place.Name, id.ID), ID: id.ID, ClusterID: id.ClusterID, Former: append([]string{}, id.Former...), Members: append([]string{}, id.Members...),
		Last: r.Last, Log: r.Log, Snapshot: r.Snapshot, Term: r.Term}, nil
}

// takeStopped takes a data directory that is there, and that no process uses.
func takeStopped(ctx context.Context, dir string) (*membership.Identity, *os.File, error) {
	if _, err := membership.Of(nil, dir, fsm.Format); err != nil {
		return nil, nil, err // before anything is made there
	}
	lock, err := membership.Lock(ctx, nil, dir, nil)
	if err != nil {
		return nil, nil, err
	}
	id, err := membership.Of(nil, dir, fsm.Format)
	if err == nil && (id.ClusterID == "" || id.Log == "") {
		err = &advice.Error{Message: fmt.Sprintf("%s is of no cluster: there is nothing to recover", dir)}
	}
	if err != nil {
		return nil, nil, errors.Join(err, lock.Close())
	}
	return id, lock, nil
}

// Furthest is the index of those remains whose log is the furthest, by its last entry's term
// and then its index. It is an error when they are not of one cluster.
func Furthest(list []Remains) (int, error) {
	best := 0
	for i, r := range list {
		if r.ClusterID != list[0].ClusterID {
			return 0, &advice.Error{Code: 6, Message: fmt.Sprintf("%s is of cluster %s, %s of cluster %s", list[0].Dir, list[0].ClusterID, r.Dir, r.ClusterID),
				Try: "give the directories of one cluster; of two incarnations, those of the newer"}
		}
		if r.Last.Compare(list[best].Last) > 0 {
			best = i
		}
	}
	return best, nil
}

// Recover makes a cluster of one of the node whose data directory that is, from its log, as a
// new incarnation of the cluster that it was in. It is refused while another member answers, over
// the network that is given: who goes on in the old incarnation would end when it hears of the
// new one.
func Recover(ctx context.Context, dir string, on network.Network, log *slog.Logger) (Remains, error) {
	id, lock, err := takeStopped(ctx, dir)
	if err != nil {
		return Remains{}, err
	}
	defer lock.Close()
	if err := nobodyAnswers(ctx, id, on); err != nil {
		return Remains{}, err
	}
	if _, err := examine(id, dir); err != nil {
		return Remains{}, err
	}
	replayed := recovering{newMachine(), func() error { return id.BeginRecovery(uuid.NewString()) }}
	err = cluster.Recover(cluster.Config{ID: id.ID, Name: cmp.Or(id.Place.Name, id.ID), ClusterID: id.ClusterID, Dir: filepath.Join(dir, "raft"),
		Advertise: cmp.Or(id.Place.Advertise, id.Place.Peer, id.ID+".invalid:1"), LogID: id.Log, Mark: filepath.Join(dir, "raft.mark"), FSM: replayed, Log: log})
	if err != nil {
		return Remains{}, storeAdvice(err)
	}
	if err := id.EndRecovery(); err != nil {
		return Remains{}, err
	}
	return examine(id, dir)
}

// recovering is a state machine that gives no snapshot of itself when it could not go on with
// an entry. It is asked for one when all of the log has been applied, and before anything is
// written: what is to be noted first is noted then.
type recovering struct {
	*machine
	begin func() error
}

func (r recovering) Snapshot() (raft.FSMSnapshot, error) {
	r.mu.Lock()
	broken := r.broken
	r.mu.Unlock()
	if broken != nil {
		return nil, broken
	}
	if err := r.begin(); err != nil {
		return nil, err
	}
	return r.machine.Snapshot()
}

// nobodyAnswers refuses to go on while another member runs, of this incarnation of the cluster,
// of one before it, or of one that came of either: there would be two that go on.
func nobodyAnswers(ctx context.Context, id *membership.Identity, on network.Network) error {
	ctx, cancel := context.WithTimeout(ctx, askedFor)
	defer cancel()
	calls := peer.NewClient(on, id.Cluster, nil)
	defer calls.Close()
	ours := append(id.Incarnations(), id.Cluster())
	var mu sync.Mutex
	var here, newer []string
	var asked sync.WaitGroup
	for _, addr := range id.Others() {
		asked.Go(func() {
			h, err := calls.Hello(ctx, addr)
			if err != nil || h.ID == id.ID {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case slices.Contains(ours, h.ClusterID):
				here = append(here, h.Name+" at "+addr)
			case slices.ContainsFunc(h.Former, func(former string) bool { return slices.Contains(ours, former) }):
				newer = append(newer, h.Name+" at "+addr)
			}
		})
	}
	asked.Wait()
	slices.Sort(here)
	slices.Sort(newer)
	switch {
	case len(newer) > 0:
		return &advice.Error{Code: 6, Message: fmt.Sprintf("the cluster goes on in another incarnation: %s", strings.Join(newer, ", ")),
			Try: "move this directory away, and have the node join them with an empty --data"}
	case len(here) > 0 && id.Recovering:
		return &advice.Error{Code: 6, Message: fmt.Sprintf("members of the cluster run since this recovery was interrupted: %s", strings.Join(here, ", ")),
			Try: "where they are enough to vote, move this directory away, and have the node join them with an empty --data; where they are not, stop them all, and run this again"}
	case len(here) > 0:
		return &advice.Error{Code: 6, Message: fmt.Sprintf("members of the cluster run: %s", strings.Join(here, ", ")),
			Try: "where they are enough to vote, start this node again: nothing is lost; where they are not, stop them all, and compare their logs first: gitmirror cluster recover --data DIR, on each host"}
	}
	return nil
}

// storeAdvice says what to do about a log that cannot be used for a recovery.
func storeAdvice(err error) error {
	return &advice.Error{Message: err.Error(), Err: err, Try: "recover from the directory of another node: gitmirror cluster recover --data DIR"}
}
