package membership

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"gitmirror/internal/clock"
	"gitmirror/internal/crashpoint"
	"gitmirror/internal/refusal"
	"gitmirror/peer"
)

// Gathering is this process as it waits, with others that were started with the same line,
// until one of them has founded their cluster: who that is, Promise decides. It answers others
// from the process's first moment on. It is safe for concurrent use.
type Gathering struct {
	*Applicant
	Expect int // how many are to be there, this one included

	mu      sync.Mutex
	sees    map[string]peer.Waiting // those that answered last, by id
	learned map[string]bool         // addresses of others, from others
}

// maxLearned bounds the addresses that others tell.
const maxLearned = 100

// self is this node, without what it has promised.
func (g *Gathering) self() peer.Waiting {
	return peer.Waiting{ID: g.Request.ID, Name: g.Request.Name, Peer: g.Request.Peer, Expect: g.Expect}
}

// me is this node as others see it.
func (g *Gathering) me() peer.Waiting {
	w, p := g.self(), g.ID.Promised()
	w.Word, w.Calls = p.Word, p.Calls
	return w
}

// Meet is what another is answered that waits.
func (g *Gathering) Meet(rq peer.MeetRequest) (a peer.MeetAnswer, err error) {
	if g == nil || g.ID.Cluster() != "" {
		return peer.MeetAnswer{}, nil
	}
	w := rq.Waiting
	if uuid.Validate(w.ID) != nil || len(w.Name) > 300 || len(w.Peer) > 300 || !dialable(w.Peer) || rq.Asks && (w.Word.Founder != w.ID || w.Word.Call == 0) {
		return peer.MeetAnswer{}, refusal.New(refusal.Malformed, "that is no node that waits")
	}
	g.learn(w.Peer)
	// Who cannot be reached from here could not be joined either.
	if rq.Asks && w.Expect == g.Expect && g.seen(w.ID) {
		word := peer.Word{Founder: w.ID, Call: w.Word.Call, Name: w.Name, Peer: w.Peer}
		if _, a.Given, err = g.ID.promise(func(p Promise) (Promise, bool) { return p.Give(word) }); err != nil {
			return peer.MeetAnswer{}, err
		}
	}
	me := g.me()
	a.Waiting, a.Known = &me, g.known()
	return a, nil
}

func dialable(addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	return err == nil && host != "" && port != ""
}

func (g *Gathering) learn(addrs ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.learned == nil {
		g.learned = map[string]bool{}
	}
	for _, a := range addrs {
		if len(g.learned) < maxLearned && len(a) <= 300 && dialable(a) && a != g.Request.Peer {
			g.learned[a] = true
		}
	}
}

func (g *Gathering) seen(id string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, seen := g.sees[id]
	return seen
}

// known are the addresses of those that answered last.
func (g *Gathering) known() (list []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, w := range g.sees {
		list = append(list, w.Peer)
	}
	return list
}

// Run returns when the node has joined a cluster, or is to found one, as its node.json says
// then; founded tells which. A refusal is final. It says every ten seconds what it waits for.
func (g *Gathering) Run(ctx context.Context, seeds []string) (cluster string, founded bool, err error) {
	said, last := time.Now().Add(-joinSayEach+time.Second), ""
	for {
		r := &round{g: g, silent: map[string]error{}}
		if cluster, founded, err = r.run(ctx, seeds); err != nil || cluster != "" {
			return cluster, founded, err
		}
		if ctx.Err() != nil {
			return "", false, ctx.Err()
		}
		waits := r.tell()
		if waits != last && g.Waits != nil {
			g.Waits(waits)
		}
		last = waits
		if now := time.Now(); now.Sub(said) >= joinSayEach {
			g.Log.Warn("no cluster yet: " + waits)
			said = now
		}
		if clock.Sleep(ctx, clock.System, joinEvery) != nil {
			return "", false, ctx.Err()
		}
	}
}

// round is one look around.
type round struct {
	g      *Gathering
	seen   map[string]peer.Waiting // by address
	silent map[string]error        // by address
	given  map[string]bool         // those that gave their word, by id; nil: nobody was asked
}

// met is what came of one address.
type met struct {
	hello   peer.Hello
	waiting *peer.Waiting
	known   []string
	err     error
}

func (r *round) run(ctx context.Context, seeds []string) (cluster string, founded bool, err error) {
	g := r.g
	if r.seen, cluster, err = r.look(ctx, seeds); err != nil || cluster != "" {
		return cluster, false, err
	}
	seen := slices.Collect(maps.Values(r.seen))
	promised, asks, err := g.ID.promise(func(p Promise) (Promise, bool) { return p.Turn(g.self(), seen) })
	if err != nil || !asks {
		return "", false, err
	}
	call := promised.Word
	rq := peer.MeetRequest{Waiting: g.me(), Asks: true}
	r.given = map[string]bool{}
	for _, a := range askAll(ctx, slices.Collect(maps.Keys(r.seen)), func(ctx context.Context, addr string) (peer.MeetAnswer, error) {
		return g.Call.Meet(ctx, addr, rq)
	}) {
		if a.Waiting != nil && a.Given {
			r.given[a.Waiting.ID] = true
		}
	}
	if !promised.Founds(g.self(), call, r.given) {
		return "", false, nil
	}
	crashpoint.Hit(crashpoint.WordsGiven)
	id := uuid.NewString()
	founded, err = g.ID.enterAsFounder(id, func(p Promise) bool { return p.Founds(g.self(), call, r.given) })
	if err != nil || !founded {
		return "", false, err
	}
	return id, true, nil
}

// look finds who waits, by address, or a cluster that takes this node in.
func (r *round) look(ctx context.Context, seeds []string) (map[string]peer.Waiting, string, error) {
	g := r.g
	g.mu.Lock()
	addrs := slices.Concat(seeds, slices.Collect(maps.Keys(g.learned)))
	g.learned = nil
	g.mu.Unlock()
	if holder := g.ID.Promised().Word.Peer; holder != "" {
		addrs = append(addrs, holder)
	}
	slices.Sort(addrs)
	addrs = slices.Compact(addrs)
	rq := peer.MeetRequest{Waiting: g.me()}
	answers := askAll(ctx, addrs, func(ctx context.Context, addr string) (m met, err error) {
		if m.hello, err = g.Call.Hello(ctx, addr); err != nil || m.hello.ClusterID != "" || m.hello.ID == g.Request.ID {
			return met{hello: m.hello, err: err}, nil
		}
		a, err := g.Call.Meet(ctx, addr, rq)
		return met{m.hello, a.Waiting, a.Known, err}, nil
	})
	seen, sees := map[string]peer.Waiting{}, map[string]peer.Waiting{}
	var learned []string
	for _, addr := range addrs {
		m, answered := answers[addr]
		switch {
		case !answered:
			r.silent[addr] = errors.New("no answer in time")
		case m.hello.ID == g.Request.ID && m.hello.Run != g.Request.Run:
			return nil, "", fmt.Errorf("%w of %s's, which runs at %s", ErrCopied, m.hello.Name, addr)
		case m.hello.ID == g.Request.ID:
		case m.hello.ClusterID != "":
			id, err := g.through(ctx, addr)
			if err == nil {
				return nil, id, nil
			}
			if rf := refusal.Of(err); rf != nil && rf.Final() {
				return nil, "", refused(addr, rf)
			}
			r.silent[addr] = fmt.Errorf("it is of cluster %s: %w", m.hello.ClusterID, err)
		case m.err != nil:
			if rf := refusal.Of(m.err); m.hello.ID == "" && rf != nil && rf.Final() {
				return nil, "", refused(addr, rf)
			}
			r.silent[addr] = m.err
		case m.waiting == nil:
			r.silent[addr] = errors.New("it waits without --bootstrap-expect")
		default:
			seen[addr], sees[m.waiting.ID] = *m.waiting, *m.waiting
			learned = append(append(learned, m.waiting.Peer, m.waiting.Word.Peer), m.known...)
		}
	}
	g.learn(learned...)
	g.mu.Lock()
	g.sees = sees
	g.mu.Unlock()
	return seen, "", nil
}

// tell says who is here and who is missing, and who holds whose word.
func (r *round) tell() string {
	g := r.g
	var parts, here []string
	byID := map[string]peer.Waiting{g.Request.ID: g.me()}
	for _, w := range r.seen {
		byID[w.ID] = w
	}
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		w := byID[id]
		if w.Expect != g.Expect {
			parts = append(parts, fmt.Sprintf("%s has --bootstrap-expect %d, this node %d: give all the same", w.Name, w.Expect, g.Expect))
			continue
		}
		name := w.Name
		if id == g.Request.ID {
			name += " (this node)"
		}
		here = append(here, name)
		holder, present := byID[w.Word.Founder]
		switch {
		case w.Word.Founder == "" || w.Word.Founder == id:
		case present:
			parts = append(parts, fmt.Sprintf("%s's word is %s's", w.Name, holder.Name))
		default:
			parts = append(parts, fmt.Sprintf("%s's word is %s's (%s), which is not here: bring it back, or, where it is gone for good, empty the --data directory of %s", w.Name, w.Word.Name, w.Word.Peer, w.Name))
		}
	}
	head := fmt.Sprintf("%d of %d nodes are here: %s", len(here), g.Expect, strings.Join(here, ", "))
	if missing := g.Expect - len(here); missing > 0 {
		head += fmt.Sprintf("; %d missing", missing)
	}
	if tooMany(g.Expect, len(here)-1) {
		head += fmt.Sprintf("; two halves of them could each found a cluster: start them with --bootstrap-expect %d", len(here)/2+1)
	}
	list := []string{head}
	for _, addr := range slices.Sorted(maps.Keys(r.silent)) {
		list = append(list, fmt.Sprintf("%s: %v", addr, r.silent[addr]))
	}
	return strings.Join(append(list, parts...), "; ")
}
