package membership

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"gitmirror/peer"
)

// Self is this process.
type Self struct {
	ID   string   // node id
	Run  string   // made at the start of this process
	Runs []string // of this data directory, this one included
}

func (s Self) knows(run string) bool { return run == s.Run || slices.Contains(s.Runs, run) }

// Caller asks other nodes by their peer address.
type Caller interface {
	Hello(ctx context.Context, addr string) (peer.Hello, error)
	Whois(ctx context.Context, addr string, claim peer.Claim) (peer.Whois, error)
	Member(ctx context.Context, addr, id string) (peer.Membership, error)
	Pulse(ctx context.Context, addr string) (peer.Pulse, error)
	// Meet tells the node at addr that this one waits for a cluster.
	Meet(ctx context.Context, addr string, rq peer.MeetRequest) (peer.MeetAnswer, error)
	// Join asks the leader at addr to write this process down as a node.
	Join(ctx context.Context, addr string, rq peer.JoinRequest) (peer.JoinAnswer, error)
}

// ErrCopied says that this data directory is a copy of one that has been used,
// or is being used, by another process.
var ErrCopied = errors.New("the data directory is a copy")

// askTimeout bounds one question to one node. Who does not answer within it is
// not reachable.
const askTimeout = 2 * time.Second

// OnlyProcess is asked before this process votes or acknowledges anything. It
// asks all members at addrs, as far as they answer, for the run that the table
// has of this node, and whoever was seen as this node whether it still is. An
// error that wraps ErrCopied says that this process must not go on.
func OnlyProcess(ctx context.Context, self Self, listen string, addrs []string, call Caller) error {
	claim := peer.Claim{ID: self.ID, Run: self.Run, Addr: listen}
	answers := askAll(ctx, addrs, func(ctx context.Context, addr string) (peer.Whois, error) {
		return call.Whois(ctx, addr, claim)
	})
	seen := slices.Clone(addrs)
	for _, w := range answers {
		if w.Known && w.Run != "" && !self.knows(w.Run) {
			return fmt.Errorf("%w of %s's: another process has run as %s since", ErrCopied, w.Name, w.Name)
		}
		seen = append(seen, w.Seen...)
	}
	slices.Sort(seen)
	for addr, h := range askAll(ctx, slices.Compact(seen), call.Hello) {
		if h.ID == self.ID && h.Run != self.Run {
			return fmt.Errorf("%w of %s's, which runs at %s", ErrCopied, h.Name, addr)
		}
	}
	return nil
}

// askAll asks all addresses at once and returns the answers that came in time.
func askAll[T any](ctx context.Context, addrs []string, ask func(context.Context, string) (T, error)) map[string]T {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var mu sync.Mutex
	answers := map[string]T{}
	var wg sync.WaitGroup
	for _, addr := range addrs {
		if addr == "" {
			continue
		}
		wg.Go(func() {
			answer, err := ask(ctx, addr)
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			answers[addr] = answer
		})
	}
	wg.Wait()
	return answers
}

// Claims remembers for a while who said to be which node: of two processes of
// one data directory that start at once, each hears of the other. It is safe
// for concurrent use.
type Claims struct {
	mu    sync.Mutex
	known map[peer.Claim]time.Time
}

// Anybody who reaches the peer port can claim: what a claim may hold, how many are
// kept and how many are told bounds what that costs.
const (
	claimFor      = 30 * time.Second
	maxClaims     = 1000
	maxTold       = 16
	maxClaimField = 300 // bytes of an address, the longest of them
)

// Note remembers a claim and returns where others claimed to be the same node, as
// far as they are told. What is too long to be a claim is not remembered.
func (c *Claims) Note(claim peer.Claim) (others []string) {
	if max(len(claim.ID), len(claim.Run), len(claim.Addr)) > maxClaimField {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for known, at := range c.known {
		switch {
		case now.Sub(at) > claimFor:
			delete(c.known, known)
		case known.ID == claim.ID && known.Run != claim.Run && len(others) < maxTold:
			others = append(others, known.Addr)
		}
	}
	if c.known == nil {
		c.known = map[peer.Claim]time.Time{}
	}
	if len(c.known) < maxClaims {
		c.known[claim] = now
	}
	return others
}
