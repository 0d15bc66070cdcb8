package world

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"gitmirror/api"
	"gitmirror/mirror"
	"gitmirror/mirror/detect"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/remote"
	"gitmirror/mirror/wire"
)

// Upstream is one repository of somebody else.
type Upstream struct {
	of       *World
	URL      string
	replicas int // that people ask for

	mu     sync.Mutex
	refs   map[string]string // name → id
	head   string            // a branch
	mood   Mood
	states []string
	pasts  []past            // the same, as the log has them
	told   map[string][]past // what nodes were answered, by name
	since  time.Time         // of the last one, and of how it answers
	rid    time.Time         // when nobody waits any more for how it answered before
	alone  int               // how many have wanted it left alone, and not the contrary since
	failed map[string]bool   // classes of failure that it has answered with
	before map[string]string // the refs before the last edit: who lies shows them in turn
	tips   map[string]bool   // "id name" of each ref that has been there
	people map[string]bool   // refs that people set back, or tried to
	kept   bool              // it stays as it is when all is well again
}

// An upstream has two addresses, of which people have named the first.
const (
	forge     = "https://forge.example/"
	elsewhere = "https://elsewhere.example/"
)

func (u *Upstream) elsewhere() string { return elsewhere + strings.TrimPrefix(u.URL, forge) }

// past is how an upstream was from a time on.
type past struct {
	refs  refs.Digest
	names map[string]string // what they are
	from  time.Time
}

// Edit changes the refs as one push does: edit gets them as they are, and what it makes of
// them is what is there then.
func (u *Upstream) Edit(edit func(names map[string]string)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.before = maps.Clone(u.refs)
	edit(u.refs)
	u.note()
}

// note notes what is there now. The lock is held.
func (u *Upstream) note() {
	u.states, u.since = append(u.states, stateOf(u.refs)), time.Now()
	u.pasts = append(u.pasts, past{tableOf(u.refs, refs.Symbolic("refs/heads/"+u.head)).PublicDigest(), maps.Clone(u.refs), u.since})
	for name, id := range u.refs {
		u.tips[id+" "+name] = true
	}
}

// touch notes that people are about to set a ref back: nodes may show it where it was.
func (u *Upstream) touch(ref string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.people[ref] = true
}

// Push adds a commit to a branch, which is made where it is missing, and returns it.
func (u *Upstream) Push(branch string) (tip string) {
	u.Edit(func(names map[string]string) {
		name := "refs/heads/" + branch
		if old := names[name]; old != "" {
			tip = u.of.history.commit(old)
		} else {
			tip = u.of.history.commit()
		}
		names[name] = tip
	})
	return tip
}

// Feel changes how it answers.
func (u *Upstream) Feel(m Mood) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := time.Now()
	if u.rid = now; u.mood == Frozen || u.mood == Trickle {
		u.rid = now.Add(patience)
	}
	u.mood, u.since = m, now
}

// awaits is what a node should show that has asked not long ago, and since when that is so.
func (u *Upstream) awaits(shown map[string]string) (another bool, since time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	since = u.since
	if since.Before(u.rid) {
		since = u.rid
	}
	return u.mood == Well && u.alone <= 0 && !maps.Equal(u.refs, shown), since.Add(checkedEvery)
}

// pauses notes that a person wants it left alone, and, with -1, that one does no more.
func (u *Upstream) pauses(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.alone = max(u.alone+n, 0); n < 0 && u.rid.Before(time.Now()) {
		u.rid = time.Now()
	}
}

// paused tells whether it may be that nobody asks it by himself.
func (u *Upstream) paused() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.alone > 0
}

// well tells whether each node that asks regularly has had its answer by now.
func (u *Upstream) well() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.mood == Well && time.Now().After(u.rid.Add(checkedEvery))
}

// fails is an answer that is a failure.
func (u *Upstream) fails(class failure.Class, message string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.failed[string(class)] = true
	return failure.New(class, message, nil)
}

// failing tells whether a row says that the upstream fails, in a way in which it has: whoever
// has seen that asks again after pauses that grow, and a cluster is healthy meanwhile. It does
// not count where it should have been asked again by now.
func (u *Upstream) failing(row *api.Repo) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if due := row.NextCheck; due != nil && time.Since(*due) > 2*patience {
		return false
	}
	return row.Error != nil && u.failed[row.Error.Class]
}

// pausesFor tells whether a node shows a repository as failing, because of its upstream.
func (n *Node) pausesFor(ctx context.Context, u *Upstream) bool {
	row, err := n.Client.Repo(ctx, nameOf(u))
	return err == nil && u.failing(row)
}

// awaitsFirst tells whether nothing was published of a repository yet because of how its
// upstream answers, or has: without what was never published a cluster is healthy.
func (n *Node) awaitsFirst(ctx context.Context, u *Upstream) bool {
	row, err := n.Client.Repo(ctx, nameOf(u))
	return err == nil && row.Generation == 0 && (!u.well() || u.paused() || u.failing(row))
}

// Refs are what is there.
func (u *Upstream) Refs() map[string]string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return maps.Clone(u.refs)
}

// index is the first state from one on that is that one, -1 for none. What people have set
// back may be where it was at any time.
func (u *Upstream) index(state string, from int) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	state, possible := u.without(state)
	if !possible {
		return -1
	}
	for i := from; i < len(u.states); i++ {
		was := u.states[i]
		if len(u.people) > 0 {
			was, _ = u.without(was)
		}
		if was == state {
			return i
		}
	}
	return -1
}

// without is a state without the refs that people have set back, and whether these were ever
// as they are in it. The lock is held.
func (u *Upstream) without(state string) (rest string, possible bool) {
	if len(u.people) == 0 {
		return state, true
	}
	var b strings.Builder
	for line := range strings.Lines(state) {
		line = strings.TrimSuffix(line, "\n")
		switch _, name, _ := strings.Cut(line, " "); {
		case !u.people[name]:
			b.WriteString(line + "\n")
		case !u.tips[line]:
			return "", false
		}
	}
	return b.String(), true
}

// toldTo tells whether that is what a node was answered last, until a time.
func (u *Upstream) toldTo(node string, digest refs.Digest, until time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range slices.Backward(u.told[node]) {
		if !p.from.After(until) {
			return p.refs == digest
		}
	}
	return false
}

// tableOf are refs as a node keeps them.
func tableOf(names map[string]string, head refs.Head) *refs.Table {
	t := &refs.Table{Head: head}
	for name, id := range names {
		t.Refs = append(t.Refs, refs.Ref{Name: name, OID: id})
	}
	refs.Sort(t.Refs)
	return t
}

// stateOf is a set of refs in one string.
func stateOf(names map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(names)) {
		fmt.Fprintf(&b, "%s %s\n", names[name], name)
	}
	return b.String()
}

// upstreams are those of a world, as a node asks them.
type upstreams struct{ by *Node }

var _ mirror.Upstream = upstreams{}

// Check answers as package detect does.
func (us upstreams) Check(ctx context.Context, url string, prefixes []string, last detect.Fingerprint) (detect.Result, error) {
	w := us.by.of
	u := w.upstream(url)
	if u == nil {
		return detect.Result{}, failure.New(failure.NotFound, "there is nothing at "+url, nil)
	}
	w.heard.checked(us.by.Name, nameOf(u), url)
	if err := u.answer(ctx); err != nil {
		return detect.Result{}, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.turn()
	if u.told == nil {
		u.told = map[string][]past{}
	}
	told, is := u.told[us.by.Name], u.pasts[len(u.pasts)-1].refs
	if len(told) == 0 || told[len(told)-1].refs != is {
		u.told[us.by.Name] = append(told, past{refs: is, from: time.Now()})
	}
	ad := &wire.Advert{}
	for _, name := range slices.Sorted(maps.Keys(u.refs)) {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
			ad.Refs = append(ad.Refs, wire.AdvertRef{Name: name, OID: u.refs[name]})
		}
	}
	ad.HeadRef, ad.HeadOID = "refs/heads/"+u.head, u.refs["refs/heads/"+u.head]
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %s %v", ad.HeadRef, ad.HeadOID, ad.Refs)
	res := detect.Result{Fingerprint: detect.Fingerprint(h.Sum64() | 1), Remote: shown{u, url}}
	if res.Unchanged = res.Fingerprint == last; !res.Unchanged {
		res.Advert = ad
	}
	return res, nil
}

// Forget has nothing to forget: nothing is learned of servers here.
func (us upstreams) Forget(string) {}

// shown is an upstream that has been asked.
type shown struct {
	*Upstream
	url string // at which
}

func (shown) LsRefs(context.Context, []string) (*remote.Answer, error) {
	panic("an upstream is asked by Check here")
}

func (shown) Moved() string { return "" }

func (s shown) Fetch() (remote.Way, error) { return &way{of: s.Upstream, url: s.url}, nil }

// way is how objects of an upstream are reached.
type way struct {
	remote.Way
	of  *Upstream
	url string
}

func (w *way) Slow(bool) {}
func (w *way) Close()    {}

// objects are all that can be fetched: what the refs lead to.
func (w *way) objects(ctx context.Context) (map[string]bool, error) {
	if err := w.of.answer(ctx); err != nil {
		return nil, err
	}
	w.of.mu.Lock()
	cuts := w.of.mood == Cuts
	w.of.mu.Unlock()
	if cuts {
		return nil, w.of.fails(failure.Network, "the upstream broke off")
	}
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	return w.of.of.history.closure(slices.Collect(maps.Values(w.of.refs))...), nil
}
