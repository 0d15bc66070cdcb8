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

// applyListing brings claims to what a source lists. What comes is there before anything is taken
// away: an upstream that only has another path keeps its row.
func (s *State) applyListing(e entry, c *command.Listing) *command.Outcome {
	t := &s.tables
	if n := len(c.GetPut()) + len(c.GetTake()); n > MaxItems {
		return refuse(refusal.Invalid, "%d entries, more than %d", n, MaxItems)
	}
	src := t.sources.byID(c.GetSource())
	if src == nil || src.Removing {
		return refuse(refusal.NotFound, "no source %q", c.GetSource())
	}
	if refused := t.fenced(src, c); refused != nil {
		return refused
	}
	if err := cmp.Or(checkListed(c.GetDone()), checkUnder(c)); err != nil {
		return refuse(refusal.Invalid, "%v", err)
	}
	out := &command.Outcome{}
	for _, entry := range c.GetPut() {
		out.Items = append(out.Items, s.putEntry(e, src, entry))
	}
	left, refused := s.take(e, src, c)
	if refused != nil {
		out.Code, out.Message = refused.Code, refused.Message
		return out
	}
	if out.Left = left; left > 0 {
		return out // it is to come once more, before anything else of it
	}
	if c.GetCourse() != nil {
		t.runs(e, t.sources.byNum(src.Num), c)
	}
	if c.GetSubmodules().GetDone() {
		t.readUnder(e, src, c.GetSubmodules())
	}
	if c.GetDone() != nil {
		s.listed(e, c.GetDone(), t.sources.byNum(src.Num), c.GetApproved())
	}
	return out
}

// fenced refuses who does not own what is read: the index, or the row whose submodules are listed.
func (t *tables) fenced(src *Source, c *command.Listing) *command.Outcome {
	if src.IsForge() && c.GetSubmodules() == nil {
		if n := t.nodes.byID[c.GetNode()]; n == nil || n.Num != src.Owner || c.GetEpoch() != src.Epoch {
			return refuse(refusal.StaleEpoch, "%s is not for this node to list, in epoch %d", src.Name, c.GetEpoch())
		}
		return nil
	}
	id := src.Index
	if of := c.GetSubmodules(); of != nil {
		if claim := t.claims.get(src.Num, of.GetOf()); claim != nil && claim.Submodules {
			id = claim.Repo
		} else {
			return refuse(refusal.NotFound, "%s does not want submodules of %q", src.Name, of.GetOf())
		}
	}
	row := t.liveRepo(id)
	if row == nil {
		return refuse(refusal.NotFound, "what %s reads is gone", src.Name)
	}
	if n := t.nodes.byID[c.GetNode()]; n == nil || n.Num != row.Owner || c.GetEpoch() != row.Epoch {
		return refuse(refusal.StaleEpoch, "%s is not for this node to list, in epoch %d", src.Name, c.GetEpoch())
	}
	return nil
}

func checkListed(l *command.Listed) error {
	if len(l.GetFlaws()) > maxFlawsOf {
		return fmt.Errorf("%d flaws, more than %d", len(l.GetFlaws()), maxFlawsOf)
	}
	for _, f := range l.GetFlaws() {
		if err := firstError(between("file", f.GetFile(), 0, maxText), between("flaw", f.GetWhy(), 0, maxText), between("hint", f.GetTry(), 0, maxText)); err != nil {
			return err
		}
	}
	return firstError(between("error", l.GetError(), 0, maxText), between("ref", l.GetRef(), 0, maxText), between("path", l.GetPath(), 0, maxText), checkHold(l.GetHold()))
}

func checkHold(h *command.SourceHold) error {
	if len(h.GetFirst()) > maxFlawsOf {
		return fmt.Errorf("%d losses, more than %d", len(h.GetFirst()), maxFlawsOf)
	}
	for _, path := range h.GetFirst() {
		if err := between("path", path, 0, maxName); err != nil {
			return err
		}
	}
	return between("digest", string(h.GetDigest()), 0, maxWord)
}

// putEntry takes one up, as it is asked for.
func (s *State) putEntry(e entry, src *Source, c *command.Entry) *command.Item {
	if c.GetPath() == "" {
		return &command.Item{Code: string(refusal.Invalid), Message: "the path is missing"}
	}
	if was := s.tables.claims.get(src.Num, c.GetPath()); was != nil && string(was.Hash[:]) == string(c.GetHash()) {
		return &command.Item{Repo: was.Repo, Path: c.GetPath()}
	}
	refused := s.tables.roomUnder(src, c)
	var row *Repo
	if refused == nil {
		row, refused = s.claimed(e, src, c)
	}
	if refused != nil {
		refused.Path = c.GetPath()
		return refused
	}
	return &command.Item{Repo: row.ID, Path: c.GetPath()}
}

// claimed has an entry claim the row of its upstream: the one that is there, its own under another
// address, or a new one.
func (s *State) claimed(e entry, src *Source, c *command.Entry) (*Repo, *command.Item) {
	t, r := &s.tables, c.GetRepo()
	id := r.GetId()
	if err := checkEntry(c); err != nil {
		return nil, refuseItem(id, refusal.Invalid, "%v", err)
	}
	claim := &Claim{
		Source: src.Num, Path: c.GetPath(), File: c.GetFile(), Hash: source.Hash(c.GetHash()), Since: e.index,
		Alias: c.GetAlias(), URLs: slices.Clip(r.GetUrls()), Keys: slices.Clip(r.GetUrlKeys()),
		Asks: s.shared.policy(policyOf(r.GetPolicy())), Learned: c.GetLearned(), Labels: s.shared.labelSet(r.GetLabels()), Submodules: c.GetSubmodules(),
		Seldom: &Seldom{Extra: c.GetExtra()},
	}
	if _, below := source.Above(claim.Path); claim.Path != "" && !below {
		claim.Name = r.GetName() // an index, and a submodule, are called as their upstreams are
	}
	was := t.claims.get(src.Num, claim.Path)
	before, gone := was, t.renames(src, c)
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
			return nil, estranged(id, row)
		}
		yields, row = row, nil // what nobody wants keeps no address whose content it never had
		if row = t.ownOf(was); row == nil || row.Generation == 0 {
			row = cmp.Or(t.lapsedFrom(claim.Keys[0]), row)
		}
		moved = row != nil
	}
	if row != nil && (was == nil || was.Repo != row.ID) && t.ofAnother(row, src, claim) {
		item := refuseItem(id, refusal.ConflictURL, "%s mirrors %s until what it is of is listed at its own address", row.Name, claim.URLs[0])
		item.Existing = row.Name
		return nil, item
	}
	owner := id // of names and addresses, that others must not have
	if row != nil {
		owner = row.ID
	}
	if was != nil && was.Repo == owner {
		claim.Since = was.Since
	}
	if before != nil && before.Repo == owner && src.IsForge() {
		claim.Former = formerOf(before, claim)
	}
	var gives []string // what others have for nobody
	for i, key := range claim.Keys {
		if other := t.repoByURLKey(key); other != nil && other.ID != owner && (yields == nil || other.ID != yields.ID) && !t.leavesKey(was, other, key) {
			if t.mayGive(other, was) && (row == nil || row.Sourced != nil && !row.Sourced.Hand) {
				gives = append(gives, key)
				continue
			}
			item := refuseItem(id, refusal.ConflictURL, "%s mirrors %s already", other.Name, claim.URLs[i])
			item.Existing = other.Name
			return nil, item
		}
	}
	if taken := t.nameTaken(owner, claim.Name); claim.Name != "" && taken != nil && !t.leavesName(was, claim.Name) {
		return nil, taken
	}
	if taken := t.nameTaken(owner, claim.Alias); claim.Alias != "" && taken != nil {
		if claim.Name == "" && row == nil {
			return nil, taken
		}
		claim.Alias = "" // who has it keeps it
	}
	if row != nil && !row.canHave(t.claims.on(row.ID), claim) {
		return nil, refuseItem(id, refusal.Invalid, "%s would have more than %d other names", row.Name, maxAliases)
	}
	added := row == nil
	if added {
		var refused *command.Item
		if row, refused = s.newSourced(e, r); refused != nil {
			return nil, refused
		}
	}
	if yields != nil {
		t.yields(e, yields)
	}
	t.gives(e, gives...)
	claim.Repo = row.ID
	t.movesOn(gone, claim)
	if was != nil && was.Repo != row.ID { // its name is free before another row has it
		t.claims.drop(was)
		s.settleWithout(e, was.Repo, numbered{}, claim.Keys)
		t.relist(e, was.Repo)
	}
	for _, name := range []string{row.Name, claim.Name, claim.Alias} {
		if name != "" {
			t.giveWay(e, row.ID, name)
		}
	}
	if added {
		t.store(e, row)
		t.record(e, EventRepoAdded, row, "")
	}
	t.claims.put(claim)
	switch {
	case moved:
		t.reachedAt(e, row.ID, claim.URLs, claim.Keys)
	case was == nil && t.replaces(row, src, claim): // the address is the same, and what is there may be another: it is looked at
		next := t.repo(row.ID).edit()
		next.cameAt = e.index
		t.store(e, next)
	}
	s.settle(e, row.ID)
	return t.repo(row.ID), nil
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
	if own != nil && own.Sourced != nil && own.Sourced.ByHand&setUpstream != 0 {
		return own, false // people have it follow another address
	}
	if !t.alone(own, was) {
		return nil, false
	}
	return own, true
}

// ownOf is the row that a claim may have follow another address, nil where there is none.
func (t *tables) ownOf(was *Claim) *Repo {
	if was == nil {
		return nil
	}
	own := t.liveRepo(was.Repo)
	if !t.alone(own, was) || own.Sourced.ByHand&setUpstream != 0 {
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
	others := slices.DeleteFunc(t.claims.on(claim.Repo), func(c *Claim) bool { return c == claim })
	left := row.Sourced.names(others, row.upstreamKeys()[0])
	if len(left) == 0 && len(others) > 0 {
		left = []string{row.Name} // it is called nothing else
	}
	return row.ID == claim.Repo && !slices.ContainsFunc(left, func(n string) bool { return asciifold.Compare(n, name) == 0 })
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
	others := 0
	for _, c := range t.claims.on(row.ID) {
		if of := t.sources.byNum(c.Source); c != claim && of != nil && of.atForge(src) {
			if others++; c.Path == claim.Path {
				return false
			}
		}
	}
	return others > 0
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

// reachedAt gives a row another address.
func (t *tables) reachedAt(e entry, id string, urls, keys []string) {
	row := t.repo(id)
	next := row.edit()
	next.setURLs(urls, keys)
	next.Moved, next.Fallback = nil, nil
	t.movesTo(e, row, next)
	t.store(e, next)
	t.recordChange(e, row, next)
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

// take ends claims, unless more would go than may go unasked. What hangs on them goes with them, before them: where
// that is too much for one entry, left is how many of them stay until the next.
func (s *State) take(e entry, src *Source, c *command.Listing) (left uint32, refused *command.Outcome) {
	t := &s.tables
	var gone []*Claim
	leaving := map[string]bool{}
	for _, path := range c.GetTake() {
		if claim := t.claims.get(src.Num, path); claim != nil && path != "" && !leaving[path] {
			leaving[path] = true
			gone = append(gone, claim)
		}
	}
	below, stay, later := t.below(src.Num, gone, leaving)
	lost, losing := later, 0 // by all of it; by what goes now
	for _, claim := range append(below, gone...) {
		if t.goesOn(claim, leaving) {
			continue
		}
		if lost++; !stay[claim.Path] {
			losing++
		}
	}
	already := src.Lost(e.at)
	approved := t.approved(src, c)
	if had := t.claimed(src) + already; lost > 0 && !approved && already+lost > source.MayLose(had) {
		return 0, refuse(refusal.SourceHeld, "%d claims of %d would have gone within 24 hours", already+lost, had)
	}
	for _, claim := range append(below, gone...) {
		if stay[claim.Path] {
			left++
			continue
		}
		claim = t.claims.get(src.Num, claim.Path) // it may have inherited
		s.ends(e, claim)
	}
	if losing > 0 && !approved {
		next := *t.sources.byNum(src.Num)
		next.loses(e.at, losing)
		t.putSource(e, &next)
	}
	return left, nil
}

// listed notes how a listing went.
func (s *State) listed(e entry, l *command.Listed, src *Source, approved []byte) {
	next := *src
	if l.GetError() != "" {
		next.endCourse()
		if next.Error == "" || next.Error != l.GetError() && s.tables.format < formatCourse {
			next.ErrorAt = e.at // it lasts since the first that failed, whatever was said since
		}
		next.Error = l.GetError()
		if src.IsForge() {
			next.Failed, next.FailedAt = l, e.at
		}
		s.tables.putSource(e, &next)
		return
	}
	next.Error, next.ErrorAt = "", fromMS(0)
	next.Failed, next.FailedAt = nil, fromMS(0)
	next.endCourse()
	was := next.Hold
	if next.Hold = l.GetHold(); next.Hold == nil {
		next.HoldAt, next.Approved = fromMS(0), ""
	} else if was == nil || string(was.GetDigest()) != string(next.Hold.GetDigest()) {
		next.HoldAt, next.Approved = e.at, ""
		s.tables.recordSource(e, EventSourceHeld, src, fmt.Sprintf("%d would go", next.Hold.GetLost()))
	}
	next.Listed, next.ListedAt = l, e.at
	if l.GetLeft() > 0 {
		next.loses(e.at, int(l.GetLeft()))
	}
	s.tables.putSource(e, &next)
	if l.GetAdded()+l.GetChanged()+l.GetGone() > 0 {
		s.tables.recordSource(e, EventSourceListed, src, fmt.Sprintf("%d added, %d changed, %d gone", l.GetAdded(), l.GetChanged(), l.GetGone()))
	}
}

// inherit has another path of the same row, in the same source, be as old as one that is gone: a source that
// calls it otherwise wants it for no shorter time.
func (t *tables) inherit(gone *Claim) {
	for _, c := range t.claims.on(gone.Repo) {
		if c.Source == gone.Source {
			if c.Since > gone.Since {
				next := c.edit()
				next.Since = gone.Since
				t.claims.put(next)
			}
			return
		}
	}
}
