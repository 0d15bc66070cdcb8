package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"gitmirror/internal/gittest"
	"gitmirror/internal/testlog"
	"gitmirror/internal/upstream"
	"gitmirror/mirror"
	"gitmirror/mirror/refs"
)

// frozen is a peer whose process is stopped: it takes calls and never answers.
type frozen struct {
	name  string
	calls *atomic.Int64
}

func (f frozen) Name() string       { return f.name }
func (f frozen) Generation() uint64 { return 7 }
func (f frozen) Lost(ctx context.Context, generation uint64) (*refs.Table, error) {
	return f.Table(ctx, generation)
}
func (f frozen) Past(ctx context.Context, _ refs.Digest) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
func (f frozen) Doubt(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
func (f frozen) URL() string                     { return "http://127.0.0.1:1/" }
func (f frozen) Table(ctx context.Context, _ uint64) (*refs.Table, error) {
	f.calls.Add(1)
	<-ctx.Done()
	return nil, ctx.Err()
}

// locatorOf finds peers by a function.
type locatorOf func(id string) []mirror.Holder

func (f locatorOf) For(id string) mirror.Holders        { return mirror.Holders{Live: f(id)} }
func (f locatorOf) Logged(string) ([]refs.Change, bool) { return nil, false }

func published(id string, role mirror.Role, generation uint64) mirror.Assignment {
	return mirror.Assignment{ID: id, Name: id, URLs: []string{"http://127.0.0.1:1/" + id}, Role: role, Epoch: 1, Generation: generation, Digest: refs.Digest{1},
		Policy: mirror.Policy{Interval: 100 * time.Millisecond, RefPrefixes: []string{"refs/heads/"}}}
}

// However many copies wait for peers that never answer, upstreams are asked.
func TestWaitingForPeersTakesNoPlaceOfChecks(t *testing.T) {
	up := gittest.Upstream(t)
	r := sample(t, up, "x.git")
	b := newBook()
	var calls atomic.Int64
	n := startNode(t, b, t.TempDir(), func(c *mirror.Config) {
		c.Checks, c.Copies = 256, 1000
		c.Locator = locatorOf(func(id string) []mirror.Holder { return []mirror.Holder{frozen{"peer of " + id, &calls}} })
	})
	const many = 300
	for i := range many {
		id := fmt.Sprintf("repo%03d", i)
		b.rows[id] = published(id, mirror.Replica, 7)
		n.roles[id] = mirror.Replica
	}
	b.tell()
	testlog.Eventually(t, "all of them to wait", func() bool { return calls.Load() == many })
	owned(t, b, n, map[string]string{"repox": up.URL("x.git")})
	arrives(t, n, "repox", 1)
	gittest.Edit(t, r, func(e *upstream.Edit) { e.Commit("main", "more", map[string]string{"d": "d"}) })
	arrives(t, n, "repox", 2)
}

// One peer that is frozen holds no more than its share, and what others have is
// copied.
func TestOneFrozenPeerLeavesPlacesForOthers(t *testing.T) {
	up := gittest.Upstream(t)
	sample(t, up, "x.git")
	b := newBook()
	owner := startNode(t, b, t.TempDir())
	var calls atomic.Int64
	replica := startNode(t, b, t.TempDir(), func(c *mirror.Config) {
		c.Copies, c.CopiesPerPeer = 8, 4
		c.Locator = locatorOf(func(id string) []mirror.Holder {
			if id == "repox" {
				return []mirror.Holder{frozen{"frozen", &calls}, source{owner, id}}
			}
			return []mirror.Holder{frozen{"frozen", &calls}}
		})
	})
	owned(t, b, owner, map[string]string{"repox": up.URL("x.git")})
	arrives(t, owner, "repox", 1)
	b.mu.Lock()
	for i := range 300 {
		id := fmt.Sprintf("repo%03d", i)
		b.rows[id] = published(id, mirror.Replica, 7)
		replica.roles[id] = mirror.Replica
	}
	b.mu.Unlock()
	b.tell()
	testlog.Eventually(t, "the frozen peer's share to be taken", func() bool { return calls.Load() == 4 })
	b.mu.Lock()
	replica.roles["repox"] = mirror.Replica
	b.mu.Unlock()
	b.tell()
	arrives(t, replica, "repox", 1)
	if n := calls.Load(); n != 4 {
		t.Errorf("%d calls to the frozen peer, want no more than its share of 4", n)
	}
}

// A run that waits for a frozen peer ends when its role, epoch or target
// changes, and the job goes on with what is asked of it now.
func TestARunEndsWhenItsAssignmentChanges(t *testing.T) {
	up := gittest.Upstream(t)
	sample(t, up, "repox")
	now := published("repox", mirror.Replica, 7)
	now.URLs = []string{up.URL("repox")}
	for name, change := range map[string]func(*mirror.Assignment){
		"generation": func(a *mirror.Assignment) { a.Generation++ },
		"digest":     func(a *mirror.Assignment) { a.Digest[0]++ },
		"epoch":      func(a *mirror.Assignment) { a.Epoch++ },
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int64
			n := startNode(t, newBook(), t.TempDir(), func(c *mirror.Config) {
				c.Locator = locatorOf(func(string) []mirror.Holder { return []mirror.Holder{frozen{"frozen", &calls}} })
			})
			n.assign(now)
			testlog.Eventually(t, "the first run to wait", func() bool { return calls.Load() == 1 })
			n.assign(now)
			next := now
			change(&next)
			n.assign(next)
			testlog.Eventually(t, "another run", func() bool { return calls.Load() == 2 })
			if s, _ := n.engine.Status("repox"); s.Failure != nil || s.Failures != 0 {
				t.Errorf("what the cancelled run came to was booked: %v", s.Failure)
			}
		})
	}
	t.Run("role", func(t *testing.T) {
		var calls atomic.Int64
		b := newBook()
		n := startNode(t, b, t.TempDir(), func(c *mirror.Config) {
			c.Locator = locatorOf(func(string) []mirror.Holder { return []mirror.Holder{frozen{"frozen", &calls}} })
		})
		n.assign(now)
		testlog.Eventually(t, "the first run to wait", func() bool { return calls.Load() == 1 })
		owned(t, b, n, map[string]string{"repox": up.URL("repox")})
		arrives(t, n, "repox", 1)
	})
}

// blockUpstream holds up every check until release.
func blockUpstream(up *upstream.Server) (asked <-chan struct{}, release func()) {
	arrived, gate := make(chan struct{}, 100), make(chan struct{})
	up.Intercept(func(http.ResponseWriter, *http.Request) bool { arrived <- struct{}{}; <-gate; return false })
	return arrived, func() { up.Intercept(nil); close(gate) }
}

// Whoever waits for a check that is cancelled gets the next, or hears that it is
// another node's now.
func TestWaitersOutliveACancelledRun(t *testing.T) {
	up, b, n := mirrored(t)
	type result struct {
		mirror.SyncResult
		err error
	}
	answered := make(chan result, 1)
	ask := func() { res, err := n.engine.Sync(t.Context(), "repox"); answered <- result{res, err} }
	raise := func(role mirror.Role) {
		b.mu.Lock()
		row := b.rows["repox"]
		row.Epoch++
		b.rows["repox"] = row
		n.roles["repox"] = role
		b.mu.Unlock()
		b.tell()
	}

	asked, release := blockUpstream(up)
	go ask()
	<-asked
	raise(mirror.Owner)
	<-asked // the cancelled run is followed by another
	release()
	if r := <-answered; r.err != nil || r.Failure != nil || r.Generation != 1 {
		t.Errorf("the waiter got %+v", r)
	}

	asked, release = blockUpstream(up)
	go ask()
	<-asked
	raise(mirror.Replica)
	if r := <-answered; !errors.Is(r.err, mirror.ErrNotOwner) {
		t.Errorf("the waiter of a repository that went to another node got %+v, want ErrNotOwner", r)
	}
	release()
}

// told hands out the assignments that a publish makes before it returns, as a
// node does that applies it.
type told struct {
	*book
	cut *atomic.Int64 // publishes whose run was cancelled
}

func (p told) Publish(ctx context.Context, c mirror.Candidate) (mirror.CommitStatus, error) {
	o, err := p.book.Publish(ctx, c)
	p.book.tell()
	if ctx.Err() != nil {
		p.cut.Add(1)
	}
	return o, err
}

func TestARunIsNotCancelledByItsOwnPublish(t *testing.T) {
	up := gittest.Upstream(t)
	r := sample(t, up, "x.git")
	b := newBook()
	var cut atomic.Int64
	n := startNode(t, b, t.TempDir(), func(c *mirror.Config) { c.Publisher = told{b, &cut} })
	owned(t, b, n, map[string]string{"repox": up.URL("x.git")})
	arrives(t, n, "repox", 1)
	res, err := n.engine.Sync(t.Context(), "repox")
	if err != nil || res.Failure != nil {
		t.Fatal(res.Failure, err)
	}
	gittest.Edit(t, r, func(e *upstream.Edit) { e.Commit("main", "more", map[string]string{"d": "d"}) })
	arrives(t, n, "repox", 2)
	if cut.Load() > 0 {
		t.Errorf("%d runs were cancelled by their own publish", cut.Load())
	}
}
