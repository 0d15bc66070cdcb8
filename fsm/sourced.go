package fsm

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/tidwall/btree"

	"gitmirror/internal/asciifold"
	"gitmirror/internal/policy"
)

// Sourced is what a row has that sources claim, or have claimed. It is replaced, never written to. A
// row without it is there because people added it.
type Sourced struct {
	Hand      bool     // people want it too
	ByHand    settings // people's, which no claim changes
	Labels    map[string]string
	Unlabel   []string // labels that people took away, sorted
	Names     []string // people's; the first is the row's name, unless it has that of its sources
	Besides   bool     // Names are only other names, beside that of its sources
	retiredMS int64
	had       numbered // what the claim was of that was the last; zero while there is one, and where it was no forge's
}

// RetiredAt is since when nobody claims the row, the zero time while somebody does.
func (s *Sourced) RetiredAt() time.Time {
	if s == nil {
		return time.Time{}
	}
	return fromMS(s.retiredMS)
}

// RetiredFor is how long a row is served that nobody claims any more, in log time: then it goes to
// the trash.
const RetiredFor = 7 * 24 * time.Hour

// settings are those of a row that claims ask for too.
type settings uint32

const (
	setReplicas settings = 1 << iota
	setInterval
	setRefs
	setUpstream
)

// settle has a row be what its claims ask for, after one of them has come, changed or gone: what
// people have set by hand counts most, then the oldest claim.
func (s *State) settle(e entry, id string) { s.settleWithout(e, id, numbered{}, nil) }

// settleWithout is settle where the claim has gone of what is known as gone, and others are keys that another row is about
// to have.
func (s *State) settleWithout(e entry, id string, gone numbered, others []string) {
	t := &s.tables
	row := t.liveRepo(id)
	if row == nil {
		return
	}
	list := t.claims.on(id)
	next := row.edit()
	of := t.sourced(row, len(list) > 0)
	next.Sourced = &of
	switch {
	case len(list) == 0 && !of.Hand:
		if of.retiredMS == 0 {
			of.retiredMS, of.had = max(toMS(e.at), 1), gone
		}
	default:
		of.retiredMS, of.had = 0, numbered{}
		urls, keys := t.upstreamOf(row, &of, list, others)
		for _, key := range keys {
			if t.others(row, key) {
				t.gives(e, key)
			}
		}
		next.setURLs(urls, keys)
		t.movesTo(e, row, next)
		for _, c := range list { // it may be called as its upstream is from now on
			if key := keys[0]; c.Alias != "" && c.Keys[0] == key && next.Estranged() == "" && t.nameTaken(id, c.Alias) == nil {
				t.giveWay(e, id, c.Alias)
			}
		}
		s.follow(next, next.Sourced, list)
		if len(list) == 0 {
			next.Sourced = nil // as it was before any claim came
		}
		next.setURLs(urls, keys) // by what it is called now
	}
	if next.same(row) && next.Sourced.equal(row.Sourced) {
		return
	}
	t.store(e, next)
	t.recordChange(e, row, next)
	switch was, is := row.Sourced.RetiredAt().IsZero(), next.Sourced.RetiredAt().IsZero(); {
	case was && !is:
		detail := "served until " + next.Sourced.RetiredAt().Add(RetiredFor).Format(time.RFC3339)
		if next.Generation == 0 {
			detail = "nothing of it was cloned"
		}
		t.record(e, EventRepoRetired, next, detail)
	case !was && is:
		t.record(e, EventRepoClaimed, next, "")
	}
}

// sourced is what a row has by hand, where its first claim comes too: what differs from what rows
// have by themselves was asked for.
func (t *tables) sourced(row *Repo, claimed bool) Sourced {
	if row.Sourced != nil {
		return *row.Sourced
	}
	if !claimed {
		return Sourced{Hand: true, Names: append([]string{row.Name}, row.Aliases...)}
	}
	of := Sourced{Hand: true, Labels: row.Labels, Names: append([]string{row.Name}, row.Aliases...)}
	usual := policy.Policy{}.Resolved()
	if row.Policy.Replicas != usual.Replicas {
		of.ByHand |= setReplicas
	}
	if row.Policy.Interval != usual.Interval {
		of.ByHand |= setInterval
	}
	if !slices.Equal(row.Policy.RefPrefixes, usual.RefPrefixes) {
		of.ByHand |= setRefs
	}
	return of
}

// follow gives a row what claims ask for.
func (s *State) follow(next *Repo, of *Sourced, list []*Claim) {
	t := &s.tables
	p, asks := next.Policy.Policy, policy.Policy{}
	if len(list) > 0 {
		asks = list[0].Asks.Policy
	}
	usual := policy.Policy{}.Resolved()
	if of.ByHand&setReplicas == 0 {
		if p.Replicas = asks.Replicas; p.Replicas == 0 {
			p.Replicas = usual.Replicas
		}
	}
	if of.ByHand&setInterval == 0 {
		p.Interval = asks.Interval
	}
	if of.ByHand&setRefs == 0 {
		if p.RefPrefixes = asks.RefPrefixes; len(p.RefPrefixes) == 0 {
			p.RefPrefixes = usual.RefPrefixes
		}
	}
	if !p.Equal(next.Policy.Policy) {
		next.Policy = s.shared.policy(p)
	}
	labels := map[string]string{}
	for _, c := range slices.Backward(list) {
		maps.Copy(labels, c.Labels)
	}
	for _, key := range of.Unlabel {
		delete(labels, key)
	}
	maps.Copy(labels, of.Labels)
	for _, key := range slices.Sorted(maps.Keys(labels))[min(len(labels), maxLabels):] {
		delete(labels, key)
	}
	if !maps.Equal(labels, next.Labels) {
		next.Labels = s.shared.labelSet(labels)
	}
	names := of.called(list, next.calledAs(), func(name string) bool {
		is := t.repoNamed(name)
		return is != nil && is.ID != next.ID // who was called so meanwhile keeps it
	})
	if len(names) == 0 { // another row is called as its upstream is
		names = []string{next.Name}
	}
	next.Aliases = slices.Clip(names[1:min(len(names), 1+MaxAliases)])
	if next.Name != names[0] { // what is packed is shared with claims
		next.Name = names[0]
		next.pack()
	}
}

// calledAs is the key of the address that a row is called as; empty where it serves another's content: what others have at its
// address is not called as that is.
func (r *Repo) calledAs() string {
	if r.Estranged() != "" {
		return ""
	}
	return r.upstreamKeys()[0]
}

// names are all that a row has by hand and by its claims, each once. What it is called as an upstream is goes
// with that: where people have the row follow another, of that key, it is not called so.
func (of *Sourced) names(list []*Claim, key string) (names []string) {
	add := func(name string) { names = appendName(names, name) }
	if !of.Besides {
		for _, name := range of.Names {
			add(name)
		}
	}
	for _, c := range list {
		add(c.Name)
	}
	for _, c := range list {
		if c.Keys[0] == key {
			add(c.Alias)
		}
	}
	for _, name := range of.Names {
		add(name)
	}
	return names
}

// called are those names but what others are called, and those that it had by its claims before, as far as there is room.
func (of *Sourced) called(list []*Claim, key string, others func(name string) bool) []string {
	names := slices.DeleteFunc(of.names(list, key), others)
	if len(names) == 0 {
		return nil
	}
	for _, c := range list {
		for _, name := range c.Former {
			if !others(name) && len(names) <= MaxAliases {
				names = appendName(names, name)
			}
		}
	}
	return names
}

// appendName adds a name that is not there yet.
func appendName(names []string, name string) []string {
	if name == "" || slices.ContainsFunc(names, func(n string) bool { return asciifold.Compare(n, name) == 0 }) {
		return names
	}
	return append(names, name)
}

// canHave tells whether a row can have the names of a claim beside those that it has, at the address of that key.
func (r *Repo) canHave(list []*Claim, claim *Claim, key string) bool {
	of := Sourced{Hand: true, Names: append([]string{r.Name}, r.Aliases...)}
	if r.Sourced != nil {
		of = *r.Sourced
	}
	others := slices.DeleteFunc(slices.Clone(list), func(c *Claim) bool { return c.Source == claim.Source && c.Path == claim.Path })
	return len(of.names(append(others, claim), key)) <= 1+MaxAliases
}

// upstreamOf are the addresses that a row has, and their keys: people's, or those of the oldest
// claim of what it follows, as far as no other row has them. Where no claim is of that any more, it follows the oldest.
func (t *tables) upstreamOf(row *Repo, of *Sourced, list []*Claim, others []string) (urls, keys []string) {
	theirs := func(key string) bool {
		return t.others(row, key) && !t.mayGive(t.repoByURLKey(key), nil) || slices.Contains(others, key)
	}
	urls, keys = row.URLs(), row.upstreamKeys()
	if of.Hand || of.ByHand&setUpstream != 0 || len(list) == 0 {
		return urls, keys
	}
	at := slices.IndexFunc(list, func(c *Claim) bool { return c.Keys[0] == keys[0] })
	if t.format < formatCourse && at > 0 {
		at = -1
	}
	gone := at < 0
	if gone && t.format >= formatCourse {
		at = slices.IndexFunc(list, func(c *Claim) bool { return !theirs(c.Keys[0]) })
	}
	if at < 0 {
		return urls, keys
	}
	follows := list[at]
	if gone {
		follows = t.saidLast(follows, list, theirs)
	}
	if !slices.ContainsFunc(follows.Keys, theirs) {
		return follows.URLs, follows.Keys // shared: neither is written to
	}
	urls, keys = nil, nil
	for i, key := range follows.Keys {
		if !theirs(key) {
			urls, keys = append(urls, follows.URLs[i]), append(keys, key)
		}
	}
	return urls, keys
}

// saidLast is, of the claims that have a repository of a forge by the same number, the one whose source said last that it has it, but
// for those whose address is another's.
func (t *tables) saidLast(claim *Claim, list []*Claim, theirs func(key string) bool) *Claim {
	src, last := t.sources.byNum(claim.Source), claim
	if src == nil || !src.IsForge() {
		return claim
	}
	for _, c := range list {
		of := t.sources.byNum(c.Source)
		if of != nil && of.atForge(src) && c.Path == claim.Path && !theirs(c.Keys[0]) && of.said(c) > t.sources.byNum(last.Source).said(last) {
			last = c
		}
	}
	return last
}

// others tells whether another row has an upstream.
func (t *tables) others(row *Repo, key string) bool {
	other := t.repoByURLKey(key)
	return other != nil && other.ID != row.ID
}

func (s *Sourced) equal(o *Sourced) bool {
	if s == nil || o == nil {
		return s == o
	}
	return s.Hand == o.Hand && s.ByHand == o.ByHand && maps.Equal(s.Labels, o.Labels) && slices.Equal(s.Unlabel, o.Unlabel) &&
		slices.Equal(s.Names, o.Names) && s.Besides == o.Besides && s.retiredMS == o.retiredMS && s.had == o.had
}

func newRetired() *btree.BTreeG[*Repo] {
	return btree.NewBTreeGOptions(func(a, b *Repo) bool {
		return cmp.Or(cmp.Compare(a.Sourced.retiredMS, b.Sourced.retiredMS), cmp.Compare(a.ID, b.ID)) < 0
	}, unlocked)
}

// retire keeps the rows together that nobody claims.
func (t *tables) retire(was, is *Repo) {
	if was.live() && was.retired() {
		t.retired.Delete(was)
	}
	if was.gone() {
		t.gone.Delete(was)
	}
	if is.gone() {
		t.gone.Set(is)
	}
	if was.lapsed() {
		t.lapsed.Delete(was)
	}
	if is.lapsed() {
		t.lapsed.Set(is)
	}
	if is.live() && is.retired() {
		t.retired.Set(is)
	}
}

// Retired calls fn with the rows that nobody claims any more, those that were so first at first, until
// it returns false.
func (v *View) Retired(fn func(*Repo) bool) { v.tables.retired.Scan(fn) }

// LeftAlone tells whether upstream is asked for nobody but who waits for that: people have paused it,
// or nobody claims it any more.
func (r *Repo) LeftAlone() bool { return r.Paused || r.retired() }
