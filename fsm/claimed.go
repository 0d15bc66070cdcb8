package fsm

import (
	"cmp"
	"fmt"
	"slices"

	"gitmirror/fsm/command"
	"gitmirror/internal/asciifold"
	"gitmirror/internal/refusal"
	"gitmirror/source"
)

// claimed has an entry claim the row of its upstream: the one that is there, its own under another
// address, or a new one.
func (s *State) claimed(e entry, src *Source, c *command.Entry) (*Repo, *command.Item) {
	t, r := &s.tables, c.GetRepo()
	if err := checkEntry(c); err != nil {
		return nil, refuseItem(r.GetId(), refusal.Invalid, "%v", err)
	}
	claim := s.claimOf(e, src, c)
	k, refused := t.kin(src, c, claim)
	if refused != nil {
		return nil, refused
	}
	owner := k.owner(r.GetId())
	if k.was != nil && k.was.Repo == owner {
		claim.Since = k.was.Since
	}
	if k.before != nil && k.before.Repo == owner && src.IsForge() {
		claim.Former = formerOf(k.before, claim)
	}
	gives, refused := t.room(r, k, claim)
	if refused != nil {
		return nil, refused
	}
	row := k.row
	if row == nil {
		if row, refused = s.newSourced(e, r); refused != nil {
			return nil, refused
		}
	}
	if k.yields != nil {
		t.yields(e, k.yields)
	}
	t.gives(e, gives...)
	claim.Repo = row.ID
	t.movesOn(k.gone, claim)
	if was := k.was; was != nil && was.Repo != row.ID { // its name is free before another row has it
		t.claims.drop(was)
		s.settleWithout(e, was.Repo, numbered{}, claim.Keys)
		t.relist(e, was.Repo)
	}
	for _, name := range []string{row.Name, claim.Name, claim.Alias} {
		if name != "" {
			t.giveWay(e, row.ID, name)
		}
	}
	if k.row == nil {
		t.store(e, row)
		t.record(e, EventRepoAdded, row, "")
	}
	t.claims.put(claim)
	switch {
	case k.moved:
		t.reachedAt(e, row.ID, claim.URLs, claim.Keys)
	case (k.was == nil || k.was.Repo != row.ID) && t.replaces(row, src, claim): // the address is the same, and what is there may be another: it is looked at
		next := t.repo(row.ID).edit()
		next.cameAt = e.index
		t.store(e, next)
	}
	s.settle(e, row.ID)
	return t.repo(row.ID), nil
}

// claimOf is what an entry wants, of no row yet.
func (s *State) claimOf(e entry, src *Source, c *command.Entry) *Claim {
	r := c.GetRepo()
	claim := &Claim{
		Source: src.Num, Path: c.GetPath(), File: c.GetFile(), Hash: source.Hash(c.GetHash()), Since: e.index,
		Alias: c.GetAlias(), URLs: slices.Clip(r.GetUrls()), Keys: slices.Clip(r.GetUrlKeys()),
		Asks: s.shared.policy(policyOf(r.GetPolicy())), Learned: c.GetLearned(), Labels: s.shared.labelSet(r.GetLabels()), Submodules: c.GetSubmodules(),
		Seldom: &Seldom{Extra: c.GetExtra()},
	}
	if src.IsForge() {
		claim.Said = e.index
	}
	if _, below := source.Above(claim.Path); claim.Path != "" && !below {
		claim.Name = r.GetName() // an index, and a submodule, are called as their upstreams are
	}
	return claim
}

// room is which addresses others have for nobody that a claim is to have, or why it cannot have its own, or its name. A host/path
// that is another's is left out of it.
func (t *tables) room(r *command.NewRepo, k kin, claim *Claim) (gives []string, refused *command.Item) {
	id := r.GetId()
	owner := k.owner(id)
	for i, key := range claim.Keys {
		other := t.repoByURLKey(key)
		switch {
		case other == nil, other.ID == owner, k.yields != nil && other.ID == k.yields.ID, t.leavesKey(k.was, other, key):
		case t.mayGive(other, k.was) && (k.row == nil || k.row.Sourced != nil && !k.row.Sourced.Hand):
			gives = append(gives, key)
		default:
			item := refuseItem(id, refusal.ConflictURL, "%s mirrors %s already", other.Name, claim.URLs[i])
			item.Existing = other.Name
			return nil, item
		}
	}
	if taken := t.nameTaken(owner, claim.Name); claim.Name != "" && taken != nil && !t.leavesName(k.was, claim.Name) {
		return nil, taken
	}
	if taken := t.nameTaken(owner, r.GetName()); claim.Name == "" && k.row == nil && taken != nil {
		return nil, taken
	}
	if claim.Alias != "" && t.nameTaken(owner, claim.Alias) != nil {
		claim.Alias = "" // who has it keeps it
	}
	if k.row == nil {
		return gives, nil
	}
	key := k.row.upstreamKeys()[0]
	if k.moved {
		key = claim.Keys[0]
	}
	stay := slices.DeleteFunc(t.claims.on(k.row.ID), func(c *Claim) bool { return c == k.gone })
	if !k.row.canHave(stay, claim, key) {
		return nil, refuseItem(id, refusal.Invalid, "%s would have more than %d other names", k.row.Name, MaxAliases)
	}
	return gives, nil
}

// kin is what an entry was before, by all that is known of it.
type kin struct {
	was    *Claim // the claim of its path
	gone   *Claim // that of the path that it had
	before *Claim // one of these, or of the same repository elsewhere, or what a row was that is retired
	row    *Repo  // nil for a new one
	moved  bool   // row is to have its addresses
	yields *Repo  // has its address, and gives it up
}

// owner is the id of who is to have the names and addresses, that no other may have: of a new row, or of the one there is.
func (k kin) owner(id string) string {
	if k.row != nil {
		return k.row.ID
	}
	return id
}

// kin finds the row of a claim: that of its upstream, its own, or what nobody wants any more and serves that.
func (t *tables) kin(src *Source, c *command.Entry, claim *Claim) (k kin, refused *command.Item) {
	id, was, gone := c.GetRepo().GetId(), t.claims.get(src.Num, claim.Path), t.renames(src, c)
	before := was
	if before == nil {
		before = gone // what only gets another path keeps its row
	}
	if before == nil { // what a forge has moved here from another account does too
		before = t.movedFrom(src, claim)
	}
	row, moved := t.rowFor(before, claim)
	var again *Repo // what it was before it was retired, whatever that serves
	if before == nil {
		if is, as := t.retiredAs(src, claim); is != nil && (row == nil || row == is && !src.IsForge()) {
			row, again, before, moved = is, is, as, src.IsForge()
		}
	}
	if row == nil || moved && row != again && row.Generation == 0 {
		if is := t.lapsedFrom(claim.Keys[0]); is != nil {
			row, moved = is, true
		}
	}
	var yields *Repo // its address
	if own := t.renamed(src, before, row); own != nil {
		yields, row, moved = row, own, true
	}
	if row != nil && !moved && row != again && row.Estranged() != "" && (was == nil || was.Repo != row.ID) && (gone == nil || gone.Repo != row.ID || gone.Keys[0] != claim.Keys[0]) {
		if !row.retired() {
			return k, estranged(id, row)
		}
		yields = row // what nobody wants keeps no address whose content it never had
		if row = t.ownOf(was); row == nil || row.Generation == 0 {
			row = cmp.Or(t.lapsedFrom(claim.Keys[0]), row)
		}
		moved = row != nil
	}
	if row != nil && (was == nil || was.Repo != row.ID) && t.ofAnother(row, src, claim) {
		item := refuseItem(id, refusal.ConflictURL, "%s mirrors %s until what it is of is listed at its own address", row.Name, claim.URLs[0])
		item.Existing = row.Name
		return k, item
	}
	return kin{was: was, gone: gone, before: before, row: row, moved: moved, yields: yields}, nil
}

// rowFor is the row that a claim is of, nil for a new one; was is the claim before of the same. moved tells that the row is to have the
// claim's address.
func (t *tables) rowFor(was, claim *Claim) (row *Repo, moved bool) {
	row = t.repoByURLKey(claim.Keys[0])
	if row != nil && row.upstreamKeys()[0] == claim.Keys[0] {
		return row, false
	}
	if was == nil {
		return nil, false
	}
	own := t.liveRepo(was.Repo)
	if t.pinned(own, was) {
		return own, false
	}
	if !t.alone(own, was) {
		return nil, false
	}
	return own, true
}

// pinned tells whether people have a row follow another address than a claim says. It is none which only has the claim's own first,
// beside further ones, or which the claim is there for: what is listed elsewhere then goes there.
func (t *tables) pinned(row *Repo, claim *Claim) bool {
	return row != nil && row.Sourced != nil && row.Sourced.ByHand&setUpstream != 0 && (t.format < formatCourse || row.upstreamKeys()[0] != claim.Keys[0])
}

// ownOf is the row that a claim may have follow another address, nil where there is none.
func (t *tables) ownOf(was *Claim) *Repo {
	if was == nil {
		return nil
	}
	own := t.liveRepo(was.Repo)
	if !t.alone(own, was) || t.pinned(own, was) {
		return nil
	}
	return own
}

// leavesName tells whether a row has a name by that claim alone.
func (t *tables) leavesName(claim *Claim, name string) bool {
	if claim == nil || asciifold.Compare(claim.Name, name) != 0 {
		return false
	}
	row := t.repoNamed(name)
	if row == nil || row.ID != claim.Repo || row.Sourced == nil {
		return false
	}
	others := slices.DeleteFunc(t.claims.on(claim.Repo), func(c *Claim) bool { return c == claim })
	left := row.Sourced.names(others, row.upstreamKeys()[0])
	if len(left) == 0 && len(others) > 0 {
		left = []string{row.Name} // it is called nothing else
	}
	return !slices.ContainsFunc(left, func(n string) bool { return asciifold.Compare(n, name) == 0 })
}

// ofAnother tells whether a row is of another repository of the same forge than a claim, which only was at its address for a
// while: one of its claims has it elsewhere.
func (t *tables) ofAnother(row *Repo, src *Source, claim *Claim) bool {
	return t.format >= formatCourse && src.IsForge() && slices.ContainsFunc(t.claims.on(row.ID), func(c *Claim) bool {
		of := t.sources.byNum(c.Source)
		return of != nil && of.atForge(src) && c.Path != claim.Path && c.Keys[0] != claim.Keys[0]
	})
}

// replaces tells whether a claim is of another repository of a forge than those were that a row is of.
func (t *tables) replaces(row *Repo, src *Source, claim *Claim) bool {
	if t.format < formatCourse || !src.IsForge() || row.Generation == 0 {
		return false
	}
	is := t.numberOf(src, claim)
	if had := row.had(); had.forge == is.forge && had.number != is.number {
		return true
	}
	others := row.Sourced == nil || row.Sourced.Hand // what it was of is not known where people have it, or an index; or it was of another
	for _, c := range t.claims.on(row.ID) {
		if c == claim {
			continue
		}
		if of := t.sources.byNum(c.Source); of != nil && of.atForge(src) && c.Path == claim.Path {
			return false
		}
		others = true
	}
	return others
}

// leavesKey tells whether a row has a further address by that claim alone, so that it is free once that is of another.
func (t *tables) leavesKey(was *Claim, row *Repo, key string) bool {
	if was == nil || was.Repo != row.ID || row.Sourced == nil || row.Sourced.Hand || row.Sourced.ByHand&setUpstream != 0 || t.format < formatCourse {
		return false
	}
	first := row.upstreamKeys()[0]
	others := slices.DeleteFunc(t.claims.on(row.ID), func(c *Claim) bool { return c == was })
	at := slices.IndexFunc(others, func(c *Claim) bool { return c.Keys[0] == first })
	return first != key && at >= 0 && !slices.Contains(others[at].Keys, key)
}

// reachedAt gives a row another address. What people have set ends with that of what is retired; else what is further of it stays.
func (t *tables) reachedAt(e entry, id string, urls, keys []string) {
	row := t.repo(id)
	next := row.edit()
	if row.Sourced != nil && row.Sourced.ByHand&setUpstream != 0 && !row.retired() {
		urls, keys = t.besides(row, urls, keys)
	} else {
		next.forgetsUpstream()
	}
	next.setURLs(urls, keys)
	next.Moved, next.Fallback = nil, nil
	t.movesTo(e, row, next)
	t.store(e, next)
	t.recordChange(e, row, next)
}

// besides are some addresses, and behind them the further ones of a row.
func (t *tables) besides(row *Repo, urls, keys []string) ([]string, []string) {
	urls, keys = slices.Clone(urls), slices.Clone(keys)
	for i, key := range row.upstreamKeys() {
		if i > 0 && len(urls) < maxURLs && !slices.Contains(keys, key) {
			urls, keys = append(urls, row.URLs()[i]), append(keys, key)
		}
	}
	return urls, keys
}

// newSourced makes a row that nobody but a source wants.
func (s *State) newSourced(e entry, r *command.NewRepo) (*Repo, *command.Item) {
	t := &s.tables
	if other := t.repo(r.GetId()); other != nil || t.trash.find(r.GetId()) != nil {
		return nil, refuseItem(r.GetId(), refusal.Invalid, "the id belongs to another")
	}
	row := s.newRow(e, r)
	row.Sourced = &Sourced{}
	if refused := s.firstCopies(row, r); refused != nil {
		return nil, refused
	}
	return row, nil
}

func checkEntry(c *command.Entry) error {
	if c.GetRepo() == nil {
		return fmt.Errorf("the repo is missing")
	}
	if len(c.GetHash()) != len(source.Hash{}) {
		return fmt.Errorf("a hash of %d bytes, want %d", len(c.GetHash()), len(source.Hash{}))
	}
	keys := slices.Sorted(slices.Values(c.GetRepo().GetUrlKeys()))
	if len(slices.Compact(keys)) < len(c.GetRepo().GetUrlKeys()) {
		return fmt.Errorf("one upstream is there twice")
	}
	err := firstError(checkNewRepo(c.GetRepo()), between("path", c.GetPath(), 0, maxName), between("file", c.GetFile(), 0, maxText), between("extra", c.GetExtra(), 0, maxExtra), between("from", c.GetFrom(), 0, maxName))
	if err == nil && c.GetAlias() != "" {
		err = plainName(c.GetAlias())
	}
	return err
}
