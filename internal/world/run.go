package world

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/api"
	"gitmirror/internal/world/fabric"
)

// calmWithin is how long a cluster may take, when nothing is broken any more, until all is
// as it should be.
const calmWithin = time.Minute

// standsStill is how much time of ours a world may take.
const standsStill = 5 * time.Minute

// Setup is how a world begins.
type Setup struct {
	Seed  uint64
	Nodes int
	Repos int
}

// Result is what a run came to.
type Result struct {
	Violations []string       // of what must always hold
	Virtual    time.Duration  // that went by in the world
	Reads      int            // that were answered
	Entries    uint64         // of the log
	Terms      int            // in which somebody led
	Happened   map[string]int // steps that could be made, by kind, and what came of them
	Weights    []Weight       // of the steps that ask for it
}

// run is a world while steps happen to it.
type run struct {
	w     *World
	began int // with so many nodes
	work  sync.WaitGroup
	ops   operations
	aged  bool         // days have gone by
	asked atomic.Int64 // keys and values that were made up
	twins []pair

	readers context.Context
	reading sync.WaitGroup

	harmed  atomic.Bool // a node or a link was, at some time
	resting atomic.Bool // nothing more is broken

	mu       sync.Mutex
	result   Result
	repos    []*Upstream          // that people have asked for, or will
	known    map[string]*Upstream // acknowledged, by name
	seen     map[string]int       // which state of its upstream a node has shown last, by node and name
	touches  map[string]*presence
	former   []*Node         // that were removed for good
	owed     []*Node         // that are lost for good, and that nobody has removed yet
	draining map[string]bool // nodes that people have drained, or may have, by name
	staked   *Node           // whose disk may not have what others rely on

	claims   *claims
	verdicts *verdicts
	log      *chronicle
}

// Run makes a world, has the steps happen to it, mends all that is broken and waits for the
// world to come to rest. It returns what did not hold. dir must be empty.
func Run(t *testing.T, dir string, log *slog.Logger, s Setup, steps []Step) (out Result) {
	var in string
	defer func() {
		r := recover()
		if r != nil && !strings.HasPrefix(fmt.Sprint(r), "deadlock: main bubble goroutine has exited") {
			panic(r)
		}
		for _, stack := range left(in) {
			out.Violations = append(out.Violations, "a goroutine is left:\n"+stack)
		}
	}()
	var ops []Operation
	var late bool
	still := time.AfterFunc(standsStill, func() { panic("a world stands still: somebody in it is busy without end") })
	defer still.Stop()
	synctest.Test(t, func(t *testing.T) {
		in = bubble()
		began := time.Now()
		w := New(t, s.Seed, dir, log)
		r := &run{w: w, known: map[string]*Upstream{}, seen: map[string]int{}, touches: map[string]*presence{},
			claims: newClaims(), verdicts: newVerdicts(), log: newChronicle(w)}
		r.w.buried, r.w.ended = r.chronicle, r.ended
		defer func() {
			r.result.Virtual = time.Since(began)
			out = r.result
		}()
		if err := r.begin(s); err != nil {
			r.violated("a world does not begin: %v", err)
			_ = r.w.End()
			return
		}
		var stop context.CancelFunc
		r.readers, stop = context.WithCancel(context.Background())
		r.reading.Go(func() { r.keepTruth(r.readers) })
		for _, n := range r.w.Nodes {
			r.follow(n)
		}
		for _, step := range steps {
			time.Sleep(step.After)
			log.Info("step", "step", step.String())
			r.happen(step)
		}
		r.work.Wait()
		r.rest()
		r.work.Wait()
		stop()
		r.reading.Wait()
		r.hear()
		r.w.heard.end()
		if err := r.w.End(); err != nil {
			r.violated("a node does not stop in good order: %v", err)
		}
		r.reckon(dir)
		ops, late = r.ops.all(), r.aged || r.log.doubted.Load()
	})
	// Outside, where time goes by for whoever computes.
	out.Violations = append(out.Violations, linear(ops, late)...)
	return out
}

func (r *run) happen(s Step) {
	if s.What == Weigh {
		r.result.Weights = append(r.result.Weights, weight())
		return
	}
	r.happened(s.What)
	if do := harms[s.What]; do != nil {
		r.harmed.Store(true)
		do(r, s)
		return
	}
	kinds[s.What](r, s)
}

// happened counts what has happened.
func (r *run) happened(what string) { r.count(what, 1) }

// missed says that a step could not be made.
func (r *run) missed(s Step) { r.count(s.What, -1) }

func (r *run) count(what string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.result.Happened == nil {
		r.result.Happened = map[string]int{}
	}
	r.result.Happened[what] += n
}

// follow has clients ask a node for as long as the world lasts.
func (r *run) follow(n *Node) {
	var ctx context.Context
	ctx, n.unfollow = context.WithCancel(r.readers)
	r.reading.Go(func() { r.read(ctx, n) })
	r.reading.Go(func() { r.listen(ctx, n) })
	r.reading.Go(func() { r.watch(ctx, n) })
}

func (r *run) begin(s Setup) error {
	r.began = s.Nodes
	if err := r.startFirst(s); err != nil {
		return err
	}
	for i := range s.Repos {
		u := r.w.Upstream(fmt.Sprintf("r%d", i))
		r.repos = append(r.repos, u)
		n := r.w.Nodes[i%s.Nodes]
		op := r.ops.begin(Operation{What: "add", Subject: nameOf(u), Input: u.URL})
		row, err := n.Client.Add(context.Background(), wish(u), "")
		if err != nil {
			return err
		}
		r.ops.asked(op, n, row.ID, nil)
		r.ops.end(op)
		r.acknowledged(row.Name, u)
	}
	if err := r.gather(calmWithin); err != nil {
		return err
	}
	return r.calm(calmWithin)
}

// hear asks each node how far it is in the log.
func (r *run) hear() {
	for _, n := range r.w.Nodes {
		if index, err := n.Get(context.Background(), "/api/v1/status", new(api.Status)); err == nil {
			r.w.heard.at(n.Name, index)
		}
	}
}

// chronicle takes in the log of a node that does not run.
func (r *run) chronicle(dir string) {
	if err := r.log.read(dir); err != nil {
		r.violated("%v", err)
	}
}

// reckon measures what was seen and said against what the log says, when all has ended.
func (r *run) reckon(dir string) {
	for _, n := range r.w.Nodes {
		r.chronicle(n.dir())
	}
	flaws := r.log.replay(r.w.heard.newest)
	flaws = append(flaws, r.claims.against(r.log)...)
	flaws = append(flaws, r.w.heard.against(r.log, r.unmarred)...)
	flaws = append(flaws, r.againstSources(r.log)...)
	flaws = append(flaws, r.kept(r.log)...)
	flaws = append(flaws, r.w.removals.against(r.log)...)
	flaws = append(flaws, r.w.lives.against(r.log)...)
	for _, path := range open(dir) {
		flaws = append(flaws, "a descriptor is left of "+path)
	}
	for _, f := range flaws {
		r.violated("%s", f)
	}
	r.result.Entries, r.result.Terms = r.log.last, r.log.terms
	r.count("listings", r.log.listings)
	r.count("listings, held", r.log.holds)
}

func (r *run) unmarred(name string) bool {
	for _, n := range r.w.every() {
		if n.Name == name && !n.unmarred() {
			return false
		}
	}
	return true
}

func nameOf(u *Upstream) string { return strings.TrimPrefix(u.URL, "https://") }

func (r *run) violated(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	what := fmt.Sprintf(format, args...)
	r.w.log.Error("VIOLATION", "what", what)
	r.result.Violations = append(r.result.Violations, what)
}

func (r *run) acknowledged(name string, u *Upstream) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[name] = u
}

func (r *run) all() map[string]*Upstream {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.known)
}

// read is a client of one node, who never sees what upstream never had, nor what it had
// before what has been seen.
func (r *run) read(ctx context.Context, n *Node) {
	wait := func() {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
	for ctx.Err() == nil {
		all := r.all()
		for name, u := range all {
			if r.look(ctx, n, name, u); ctx.Err() != nil {
				return
			}
			wait()
		}
		if len(all) == 0 { // people have had all removed: time goes on only while nobody is busy
			wait()
		}
	}
}

// look has the node show a repository, and tells whether it is what upstream has, where
// that answers.
func (r *run) look(ctx context.Context, n *Node, name string, u *Upstream) bool {
	shown, err := n.Read(ctx, name)
	if ctx.Err() != nil || r.all()[name] == nil || !n.running() {
		// People have asked for its removal since; or the node is down, which a cluster is
		// healthy without when others have taken its place.
		return true
	}
	if err == nil {
		r.judge(n, name, u, shown)
	}
	if r.out(n) {
		return true
	}
	still := func() bool { return r.all()[name] == u && !r.look(ctx, n, name, u) }
	missing := err != nil && r.reached(n) && !n.awaitsFirst(ctx, u)
	r.verdicts.is(n.Name+" does not serve "+name, missing, trouble{of: n.Name, still: still})
	if err != nil {
		return !missing
	}
	another, since := u.awaits(shown.Refs)
	another = another && !n.holdsBack(ctx, name) && !n.pausesFor(ctx, u)
	r.verdicts.is("no node shows what the upstream of "+name+" has", another, trouble{since: since, still: func() bool { return r.all()[name] == u && !r.anyShows(ctx, name, u) }})
	r.verdicts.is(n.Name+" does not show what the upstream of "+name+" has", another, trouble{of: n.Name, after: followed, since: since.Add(followed), still: still})
	return !another
}

// reached tells whether nothing is between people and a node, nor between it and others, nor its disk.
func (r *run) reached(n *Node) bool {
	if n.frozen() {
		return false
	}
	hosts := []*fabric.Host{r.w.desk}
	for _, o := range r.others(n) {
		hosts = append(hosts, o.Host)
	}
	for _, h := range hosts {
		if !r.fair(h, n.Host) {
			return false
		}
	}
	return true
}

func (r *run) anyShows(ctx context.Context, name string, u *Upstream) bool {
	for _, n := range r.nodes() {
		if n.running() && !r.out(n) && r.look(ctx, n, name, u) {
			return true
		}
	}
	return false
}

func (r *run) judge(n *Node, name string, u *Upstream, shown Shown) {
	at, state := n.Name+" "+name, stateOf(shown.Refs)
	r.claims.refs(refsClaim{n.Name, name, shown.Digest})
	r.mu.Lock()
	last := r.seen[at]
	r.result.Reads++
	r.mu.Unlock()
	now := u.index(state, last)
	switch {
	case now >= 0:
		r.mu.Lock()
		r.seen[at] = now
		r.mu.Unlock()
	case u.index(state, 0) >= 0:
		// An older copy is better than none: where the holder of the newest is away, it
		// is shown.
		if !r.harmed.Load() {
			r.violated("%s shows %s as it was before what it has shown", n.Name, name)
		}
	default:
		r.violated("%s shows what %s never was:\n%s", n.Name, name, state)
	}
}

// rest ends all that is broken, and waits for calm: first with what is lost still lost.
func (r *run) rest() {
	for _, u := range r.w.everyUpstream() {
		u.Feel(Well)
	}
	for _, n := range r.w.Nodes {
		n.feel("")
		n.drag(0)
	}
	r.carryOn()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	r.reading.Go(func() { r.attend(ctx) }) // a node that is to be removed may have what is only cloned anew when that is let in
	r.repair()
	r.clear()
	r.listAll()
	// Who has seen it so before, and not what came between, must not take it for what is here.
	for i, u := range r.w.everyUpstream() {
		u.Edit(func(refs map[string]string) { u.become(int(r.w.seed)+i, refs) })
	}
	if err := r.calm(calmWithin); err != nil {
		r.violated("%s after the last fault: %v", calmWithin, err)
	}
	r.mirrorAll(calmWithin)
}

// retry does what a person does who sees that an upstream was failing, and is well again:
// by itself a node waits minutes.
func (r *run) retry(at []*Node) {
	ctx, cancel := context.WithTimeout(context.Background(), calmWithin)
	defer cancel()
	for name := range r.all() {
		for _, n := range at {
			row, err := n.Client.Repo(ctx, name)
			if err != nil {
				continue
			}
			if row.State == api.StateFailing || slices.ContainsFunc(row.Also, func(also string) bool { return strings.HasPrefix(also, api.StateFailing) }) {
				r.w.heard.asked(n.Name, name)
				_, _ = n.Client.Sync(ctx, name, 0)
			}
			break
		}
	}
}

// calm waits until all is as it should be, or says what is not after that long.
func (r *run) calm(within time.Duration) (err error) {
	for end := time.Now().Add(within); ; time.Sleep(time.Second) {
		if err = r.wrong(); err == nil || time.Now().After(end) {
			return err
		}
		for _, n := range r.w.Nodes { // whoever runs one has it started again
			r.start(n)
		}
		r.retry(r.w.Nodes)
	}
}

// wrong says what is not as it should be.
func (r *run) wrong() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	leaders := map[string]bool{}
	for _, n := range r.w.Nodes {
		s, err := n.Client.Status(ctx)
		if err != nil {
			return fmt.Errorf("%s has no status: %w", n.Name, err)
		}
		if leaders[s.Leader] = true; s.Leader == "" || len(leaders) > 1 {
			return fmt.Errorf("who leads? %v", leaders)
		}
		if s.Verdict != "healthy" {
			return fmt.Errorf("%s is %s: %v, %+v", n.Name, s.Verdict, s.Trouble, s.Repos.ByState)
		}
		for name, u := range r.all() {
			row, err := n.Client.Repo(ctx, name)
			if err != nil {
				return fmt.Errorf("%s does not know %s: %w", n.Name, name, err)
			}
			shown, err := n.Read(ctx, name)
			if err != nil {
				return fmt.Errorf("%s does not serve %s: %w", n.Name, name, err)
			}
			if want := u.Refs(); !maps.Equal(shown.Refs, want) {
				return fmt.Errorf("%s shows %s as %v, upstream has %v; it is %s (%s) %v, owned by %s, to be checked %v", n.Name, name, shown.Refs, want, row.State, row.Reason, row.Also, row.Owner, row.NextCheck)
			}
			for _, c := range row.Copies {
				if c.State == "ready" && c.Generation != row.Generation {
					return fmt.Errorf("%s on %s has generation %d of %d", name, c.Node, c.Generation, row.Generation)
				}
			}
		}
	}
	return nil
}

// Err is nil where all that must hold has held.
func (out Result) Err() error {
	if len(out.Violations) == 0 {
		return nil
	}
	return errors.New(strings.Join(out.Violations, "\n"))
}
