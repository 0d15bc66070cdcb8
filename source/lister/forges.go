package lister

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/clock"
	"gitmirror/internal/oneline"
	"gitmirror/source"
	"gitmirror/source/forge"
	"gitmirror/source/forge/client"
)

// Forges asks forges, by the credentials that this node has.
type Forges interface {
	// List returns all that an account has, as client.List does with what it is given here, by the credential for
	// the source of that name, if there is one. It blocks for the forge. The error is of type *client.Error, or of
	// ctx, or says why the credential cannot be used.
	List(ctx context.Context, source string, ask client.Config) (*client.Result, error)
	// Serves tells whether anybody may clone from an address. It blocks for the answer.
	Serves(ctx context.Context, clone string) bool
	// Credentials are the names of the sources that this node has one for, sorted, without those that lead
	// elsewhere than it is for, and those that cannot be used now, with why. leads says where the source of a name
	// leads, false where there is none. It may block for the disk.
	Credentials(leads func(source string) (forge.Account, bool)) (usable []string, unusable []*command.Unusable)
}

// How soon a forge is listed again that could not be.
const (
	firstRest = time.Minute
	lastRest  = time.Hour
	stumble   = 5 * time.Second // of what was not the forge's fault

	lookSpacing = 200 * time.Millisecond
	lookAtLeast = 15 * time.Second // credentials come and go

	// Patience is how long the limits of a forge are waited for within a listing.
	patience = 4 * time.Hour
)

// forges are those that are listed here: each in a goroutine of its own, so that one that is slow, or
// whose limit is waited for, holds up no other.
type forges struct {
	mu       sync.Mutex
	running  map[string]context.CancelFunc // by source
	rests    map[string]time.Time          // of what stumbled, by source; "" is for what this node has
	memories map[string]*client.Memory     // by source
	done     chan struct{}                 // there is news of running
}

// RunForges lists the forges that this node owns until ctx ends.
func (l *Lister) RunForges(ctx context.Context) error {
	f := &forges{running: map[string]context.CancelFunc{}, rests: map[string]time.Time{}, memories: map[string]*client.Memory{}, done: make(chan struct{}, 1)}
	var work sync.WaitGroup
	defer work.Wait()
	for ctx.Err() == nil {
		alone, turns := l.alone()
		if alone {
			f.stop()
			select {
			case <-turns:
			case <-ctx.Done():
			}
			continue
		}
		changed := l.cfg.State.Changed()
		next := l.lookForges(ctx, f, &work)
		later := time.NewTimer(sooner(next, lookAtLeast))
		select {
		case <-changed:
			// Most of what changes has nothing to do with forges.
			_ = clock.Sleep(ctx, clock.System, lookSpacing)
		case <-later.C:
		case <-f.done:
		case <-turns:
		case <-ctx.Done():
		}
		later.Stop()
	}
	return nil
}

func (l *Lister) alone() (alone bool, turns <-chan struct{}) {
	if l.cfg.Alone == nil {
		return false, nil
	}
	return l.cfg.Alone()
}

// stop ends all that is being listed.
func (f *forges) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, stop := range f.running {
		stop()
	}
}

// lookForges begins to list what is due, and ends what is not this node's any more. It returns how long
// until the next is due; 0 where nothing is.
func (l *Lister) lookForges(ctx context.Context, f *forges, work *sync.WaitGroup) (next time.Duration) {
	f.mu.Lock() // what is not running is not under way in the view either, which is younger
	defer f.mu.Unlock()
	view := l.cfg.State.View()
	self := view.NodeByID(l.cfg.Self)
	if self == nil || !view.KnowsForges() {
		return 0
	}
	has := l.credentials(view)
	next = l.tellCredentials(ctx, f, view, self, has)
	mine := map[string]bool{}
	for _, src := range view.Sources() {
		if src.IsForge() && src.Owner == self.Num && f.running[src.ID] == nil {
			next = sooner(next, l.ends(ctx, view, target{src: src}))
		}
		if !src.IsForge() || src.Owner != self.Num || !has.mayList(view, src) {
			continue
		}
		at, ever := src.NextListing(view.Now())
		if !ever {
			continue
		}
		mine[src.ID] = true
		if f.running[src.ID] != nil {
			continue
		}
		if wait := max(at.Sub(l.cfg.Now()), time.Until(f.rests[src.ID])); wait > 0 {
			next = sooner(next, wait)
			continue
		}
		if f.memories[src.ID] == nil {
			f.memories[src.ID] = new(client.Memory)
		}
		l.begin(ctx, f, work, src, f.memories[src.ID])
	}
	for id, stop := range f.running {
		if !mine[id] {
			stop()
		}
	}
	for id := range f.memories {
		if !mine[id] {
			delete(f.memories, id)
		}
	}
	return next
}

// begin lists a forge in a goroutine. f is locked.
func (l *Lister) begin(ctx context.Context, f *forges, work *sync.WaitGroup, src *fsm.Source, memory *client.Memory) {
	once, stop := context.WithCancel(ctx)
	f.running[src.ID] = stop
	work.Go(func() {
		defer stop()
		stumbled := l.listForge(once, src, memory)
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.running, src.ID)
		if delete(f.rests, src.ID); stumbled {
			f.rests[src.ID] = time.Now().Add(stumble)
		}
		select {
		case f.done <- struct{}{}:
		default:
		}
	})
}

// credentials are those that this node was given.
type credentials struct {
	usable   []string // names of sources
	unusable []*command.Unusable
}

// mayList tells whether a forge is for this node to list, by what it has: without a credential it sees
// less than another, and what it does not see would seem to be gone.
func (c credentials) mayList(view *fsm.View, src *fsm.Source) bool {
	if slices.ContainsFunc(c.unusable, func(u *command.Unusable) bool { return strings.EqualFold(u.GetSource(), src.Name) }) {
		return false // it is to be listed with it, though the table may not have heard of that
	}
	_, withCredential := view.Listers(src)
	return !withCredential || c.has(src)
}

// has tells whether one for a forge is among them that can be used.
func (c credentials) has(src *fsm.Source) bool {
	return slices.ContainsFunc(c.usable, func(name string) bool { return strings.EqualFold(name, src.Name) })
}

// credentials are those of this node, by where the sources lead now.
func (l *Lister) credentials(view *fsm.View) credentials {
	usable, unusable := l.cfg.Forges.Credentials(func(name string) (forge.Account, bool) {
		if src := view.SourceByName(name); src != nil && src.IsForge() {
			return accountOf(src), true
		}
		return forge.Account{}, false
	})
	return credentials{usable, unusable}
}

func accountOf(src *fsm.Source) forge.Account {
	return forge.Account{Kind: forge.Kind(src.Forge.GetKind()), Base: src.Forge.GetBase(), Name: src.Forge.GetAccount()}
}

// tellCredentials has the table say what this node has, where it says otherwise. f is locked.
func (l *Lister) tellCredentials(ctx context.Context, f *forges, view *fsm.View, self *fsm.Node, has credentials) (next time.Duration) {
	if !view.KnowsCourse() {
		has.unusable = nil
	}
	if slices.Equal(self.Credentials, has.usable) && slices.EqualFunc(self.Unusable, has.unusable, func(a, b *command.Unusable) bool { return proto.Equal(a, b) }) {
		return 0
	}
	if wait := time.Until(f.rests[""]); wait > 0 {
		return wait
	}
	out, err := l.cfg.Proposer.Propose(ctx, &command.PutCredentials{Node: self.ID, Sources: has.usable, Unusable: has.unusable}, "")
	if err == nil {
		err = fsm.AsError(out)
	}
	if f.rests[""] = time.Now().Add(stumble); err != nil {
		l.log.Debug("what credentials there are is not written down", "err", err)
		return stumble
	}
	return 0
}

// listForge lists a forge, and has what came of it written down. It returns true where that was not the
// forge's fault, and it is to be tried again soon.
func (l *Lister) listForge(ctx context.Context, src *fsm.Source, memory *client.Memory) (stumbled bool) {
	t := target{src, nil, nil, newCourse()}
	defer l.telling(ctx, t)()
	err := l.askForge(ctx, t, memory)
	var e *client.Error
	switch {
	case err == nil || ctx.Err() != nil:
		return false
	case !errors.As(err, &e):
		l.log.Debug("a forge is not listed now", "source", src.Name, "err", err)
		return true
	}
	limited, again := e.Class == client.Limited, src.Failed.GetLimited()
	tries := src.Failed.GetTries() + 1
	rest := restAfter(tries)
	if limited {
		rest = max(time.Until(e.Until), time.Second)
		if !again {
			tries = 1
		} else { // what it told was too short, or is never enough
			rest = max(rest, restAfter(tries-1))
		}
	}
	why := e.Why
	if e.Try != "" {
		why += "; " + e.Try
	}
	switch {
	case !limited && (src.Failed == nil || again):
		l.log.Warn("a forge cannot be listed", "source", src.Name, "err", e)
	case limited && again && tries == 2:
		l.log.Warn("a forge limits how often it is asked, again when it was asked no sooner than it told", "source", src.Name, "err", e)
	}
	failed := &command.Listed{Error: oneline.Clip(why, 300), Again: src.Again, Revision: src.Revision, Tries: tries, RestMs: rest.Milliseconds(), Limited: limited}
	if err := l.propose(ctx, t, &command.Listing{Done: failed}); err != nil {
		l.log.Debug("that it cannot is not written down", "source", src.Name, "err", err)
		return true
	}
	return false
}

// restAfter is how long a forge is left alone that failed so often in a row.
func restAfter(tries uint32) time.Duration {
	if tries >= 7 {
		return lastRest
	}
	return min(firstRest<<(max(tries, 1)-1), lastRest)
}

// errOthers says that another lists a forge by now.
var errOthers = errors.New("another node lists it by now")

// askForge asks a forge, and has the difference to what is claimed written down.
func (l *Lister) askForge(ctx context.Context, t target, memory *client.Memory) error {
	began := time.Now()
	withCredential := l.credentials(l.cfg.State.View()).has(t.src)
	ask := client.Config{Account: accountOf(t.src), Memory: memory, Patience: patience, Progress: t.course.progress}
	found, err := l.cfg.Forges.List(ctx, t.src.Name, ask)
	if err != nil {
		return err
	}
	// That may have taken hours: what is wanted is what is wanted now.
	view, repos, again := l.cfg.State.View(), found.Repos, t.src.Again
	src := view.SourceByID(t.src.ID)
	if src == nil || src.Epoch != t.src.Epoch {
		return errOthers
	}
	t.src = src
	account := accountOf(src)
	selector, err := Selection(src.Forge.GetSelection()).Read()
	if err != nil {
		return &client.Error{Class: client.Failed, Why: err.Error()}
	}
	listing, plan := l.listingOf(ctx, view, src, account, selector, repos)
	doubted(listing, account, found)
	changes := compare(view, src, listing)
	if len(changes.Gone) > 0 {
		// A page may have been left out while the account changed: what seems to be gone is looked for once more.
		ask.Anew = true
		if found, err = l.cfg.Forges.List(ctx, src.Name, ask); err != nil {
			return err
		}
		repos = united(repos, found.Repos)
		listing, plan = l.listingOf(ctx, view, src, account, selector, repos)
		doubted(listing, account, found)
		changes = compare(view, src, listing)
	}
	skipped := 0
	for i := range plan {
		if plan[i].Skip != "" {
			skipped++
		}
	}
	state := &command.Listed{Generation: src.Listed.GetGeneration() + 1, Again: again, Revision: src.Revision, Entries: uint32(len(listing.Entries)), Kept: uint32(changes.Kept), Skipped: uint32(skipped), WithCredential: withCredential}
	if err := l.bring(ctx, view, t, listing, changes, state); err != nil {
		return err
	}
	l.log.Info("a forge is listed", "source", src.Name, "listing", state.Generation, "entries", state.Entries, "skipped", skipped, "added", state.Added, "changed", state.Changed, "gone", state.Gone,
		"flaws", state.FlawsTotal, "held", state.GetHold().GetLost(), "pages", found.Pages, "same", found.Same, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// listingOf is what is wanted of what an account has.
func (l *Lister) listingOf(ctx context.Context, view *fsm.View, src *fsm.Source, account forge.Account, selector *forge.Selector, repos []forge.Repo) (*source.Listing, []forge.Planned) {
	has := func(id, name string) bool {
		c := view.ClaimOf(src.Num, id)
		return c != nil && strings.EqualFold(c.Name, Name(src.Namespace, name))
	}
	plan := selector.Plan(account, repos, has, func(*forge.Repo) bool { return true })
	listing := forge.Listing(l.withWikis(ctx, view, src, plan))
	l.deny(listing)
	return listing, plan
}

// wikisEach is how many wikis are looked for at a listing, of those that nobody has found yet.
const wikisEach = 50

// withWikis leaves out wikis that nobody has written to. Those that are mirrored are; of the others some
// are looked for at each listing.
func (l *Lister) withWikis(ctx context.Context, view *fsm.View, src *fsm.Source, plan []forge.Planned) []forge.Planned {
	claimed := func(p *forge.Planned) bool { return view.ClaimOf(src.Num, p.ID()) != nil }
	unknown := 0
	for i := range plan {
		if p := &plan[i]; p.Wiki && p.Flaw == nil && !claimed(p) {
			unknown++
		}
	}
	rounds := (unknown + wikisEach - 1) / wikisEach
	turn, n := 0, 0
	if rounds > 0 {
		turn = int(src.Listed.GetGeneration() % uint64(rounds))
	}
	look := map[string]bool{}
	for i := range plan {
		if p := &plan[i]; p.Wiki && p.Flaw == nil && !claimed(p) {
			look[p.ID()] = n/wikisEach == turn
			n++
		}
	}
	return client.WithoutEmptyWikis(plan, func(p *forge.Planned) bool {
		return claimed(p) || look[p.ID()] && l.cfg.Forges.Serves(ctx, p.Entry.URLs[0])
	})
}

// united are the repositories of two listings of an account, as the second tells them.
func united(first, second []forge.Repo) []forge.Repo {
	type identity struct{ number, made int64 }
	at := map[identity]forge.Repo{}
	for _, r := range slices.Concat(first, second) {
		at[identity{r.ID, r.Made}] = r
	}
	all := make([]forge.Repo, 0, len(at))
	for _, r := range at {
		all = append(all, r)
	}
	return all
}

// Selection is that of the log in the words of package forge.
func Selection(s *command.Selection) forge.Selection {
	return forge.Selection{Match: s.GetMatch(), Exclude: s.GetExclude(), Topics: s.GetTopics(), Visibility: s.GetVisibility(), SkipArchived: s.GetSkipArchived(), SkipForks: s.GetSkipForks(),
		MaxSize: s.GetMaxSize(), Wiki: s.GetWiki(), Template: s.GetTemplate()}
}
