package membership

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"gitmirror/internal/advice"
	"gitmirror/internal/clock"
	"gitmirror/internal/network"
	"gitmirror/internal/refusal"
	"gitmirror/peer"
)

const (
	joinEvery   = 500 * time.Millisecond
	joinSayEach = 10 * time.Second
	joinTimeout = 5 * time.Second // of one call
)

// Applicant is this process as it asks to be written down as a node. It is safe for
// concurrent use.
type Applicant struct {
	Request peer.JoinRequest // all but ClusterID, which is the identity's
	ID      *Identity
	Call    Caller
	Log     *slog.Logger
	Waits   func(string) // told what a start waits for, in words; may be nil
}

func (a *Applicant) request() peer.JoinRequest {
	rq := a.Request
	rq.ClusterID = a.ID.Cluster()
	return rq
}

// Join asks the seeds to take this node in until one does, and returns the cluster's id.
// It says every ten seconds why it is not in yet. A refusal is final.
func (a *Applicant) Join(ctx context.Context, seeds []string) (string, error) {
	said := time.Now().Add(-joinSayEach + time.Second)
	for {
		var last error
		for _, seed := range seeds {
			id, err := a.through(ctx, seed)
			if err == nil {
				return id, nil
			}
			if r := refusal.Of(err); r != nil && r.Final() {
				return "", refused(seed, r)
			}
			last = fmt.Errorf("%s: %w", seed, err)
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if now := time.Now(); now.Sub(said) >= joinSayEach {
			a.Log.Warn("not joined yet, trying again", "err", last)
			if a.Waits != nil {
				a.Waits(fmt.Sprintf("to be taken into a cluster: %v", last))
			}
			said = now
		}
		if clock.Sleep(ctx, clock.System, joinEvery) != nil {
			return "", ctx.Err()
		}
	}
}

func (a *Applicant) through(ctx context.Context, seed string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	h, err := a.Call.Hello(ctx, seed)
	if err != nil {
		return "", err
	}
	if h.ID == a.Request.ID {
		return "", errors.New("that is this node itself")
	}
	if h.Leader == "" {
		return "", errors.New("it has no leader now")
	}
	if network.Loopback(h.Leader) && !network.Loopback(a.Request.Peer) {
		return "", refusal.New(refusal.JoinInvalid, "it is led from %s, a loopback address, which leads nowhere from here", h.Leader).
			Try("start its nodes with --peer HOST:7655 --insecure-peers --http HOST:7654, where HOST is their machine's address in this network")
	}
	answer, err := a.Call.Join(ctx, h.Leader, a.request())
	if err == nil {
		a.ID.descend(answer.Former)
	}
	return answer.ClusterID, err
}

func refused(by string, r *refusal.Error) *advice.Error {
	e := &advice.Error{Message: fmt.Sprintf("the cluster at %s refused this node: %s", by, r.Detail), Try: r.Hint, Code: 1, Err: r}
	switch r.Code {
	case refusal.ConflictNode:
		e.Code = 6
		e.Try = "choose another with --name; or, where the other is gone for good: gitmirror node rm NAME --yes"
	case refusal.NodeRemoved, refusal.NodeCopied, refusal.ConflictAddress:
		e.Code = 6
	case refusal.HTTPPort:
		e.Message, e.Code = fmt.Sprintf("--join %s is the port of the API and git, not that of nodes", by), 2
	case refusal.HostUnknown: // so does a node of an older release say it
		e.Message, e.Code = fmt.Sprintf("--join %s is not the port of nodes: %s", by, r.Detail), 2
		e.Try = fmt.Sprintf("--join with the peer address, as it is shown by: gitmirror node ls -o json --addr http://%s", by)
	case refusal.FormatTooOld:
		e.Try = "start it with the gitmirror that the other nodes run"
	default:
		if r.HTTP() == http.StatusBadRequest {
			e.Code = 2
		}
	}
	return e
}

// CheckSeeds refuses to go on when a seed is of another cluster than the one this data
// directory belongs to. Seeds that do not answer prove nothing.
func (a *Applicant) CheckSeeds(ctx context.Context, seeds []string) error {
	ours := a.ID.Cluster()
	for _, seed := range seeds {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		h, err := a.Call.Hello(ctx, seed)
		cancel()
		if err == nil && slices.Contains(h.Former, ours) {
			return fmt.Errorf("%w: %s, at %s, is of it", ErrSuperseded, h.Name, seed)
		}
		if err == nil && h.ClusterID != "" && h.ClusterID != ours {
			return &advice.Error{Code: 6, Message: fmt.Sprintf("%s belongs to cluster %s, but this data directory to cluster %s", seed, h.ClusterID, ours),
				Try: "start without --join to go on in its own cluster, or with an empty --data directory to join the other"}
		}
	}
	return nil
}

// Announcement has the table say what is true of this node: its name, addresses and
// version.
type Announcement struct {
	*Applicant
	Told   func() bool                                   // whether the table says it
	Leader func() (id, addr string)                      // empty where there is none
	Itself func(context.Context, peer.JoinRequest) error // while this node leads
	Seeds  func() []string                               // where members should be
}

// askSeedsAfter is how long an announcement waits to hear from a leader before it asks
// those it knew: a node that has moved may not hear from one.
const askSeedsAfter = 3 * time.Second

// Run returns nil when the table says it, or ctx ends; else why this node is refused.
func (a Announcement) Run(ctx context.Context) error {
	alone, said := time.Now(), time.Now().Add(-joinSayEach+time.Second)
	for !a.Told() {
		err := a.once(ctx, time.Since(alone) > askSeedsAfter)
		r := refusal.Of(err)
		if r != nil && stays(r) {
			return refused("its peers", r)
		}
		if now := time.Now(); r != nil && now.Sub(said) >= joinSayEach {
			a.Log.Warn("the leader does not write down where this node is, trying again", "err", err, "try", r.Hint)
			said = now
		}
		if clock.Sleep(ctx, clock.System, joinEvery) != nil {
			return nil
		}
	}
	return nil
}

// stays tells a refusal that asking again does not change. A row that moved on is looked
// at again: if another process runs as this node, that ends it elsewhere.
func stays(r *refusal.Error) bool { return r.Final() && r.Code != refusal.StaleRun }

func (a Announcement) once(ctx context.Context, askSeeds bool) error {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	id, addr := a.Leader()
	switch {
	case id == a.Request.ID:
		return a.Itself(ctx, a.request())
	case id != "":
		_, err := a.Call.Join(ctx, addr, a.request())
		return err
	case !askSeeds:
		return nil
	}
	var errs []error
	for _, addr := range a.Seeds() {
		h, err := a.Call.Hello(ctx, addr)
		if err != nil || h.ClusterID != a.ID.Cluster() || h.Leader == "" || h.ID == a.Request.ID {
			continue
		}
		if _, err = a.Call.Join(ctx, h.Leader, a.request()); err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
