package fsm

import (
	"cmp"
	"maps"
	"time"

	"github.com/tidwall/btree"

	"gitmirror/fsm/command"
	"gitmirror/source"
)

// Claim is an entry of a source that was taken up. It never changes: another takes its place.
type Claim struct {
	Source     SourceNum
	Path       string // names it in its source; empty for the source's claim of its own index
	File       string // where the source says so
	Hash       source.Hash
	Repo       string // id of the row
	Since      uint64 // log index, since when it is on this row
	Said       uint64 // log index, when its source put it last; 0 of an index
	Name       string // the row has it while the claim lasts; empty for none
	Alias      string // so too; empty for none
	URLs, Keys []string
	Asks       *Policy // what is zero it says nothing of; shared by all with an equal one
	Labels     map[string]string
	*Seldom         // one value for most
	Learned    bool // the interval of 0 is asked for
	Submodules bool // what its .gitmodules names is wanted too

	sum sum
}

// Seldom is what few claims have. It is shared where it is empty: only a claim from edit, or a new
// one, has one that may be written to.
type Seldom struct {
	Former []string // names that the row had by it, the latest first; whoever wants them gets them
	Extra  string   // JSON of what means nothing here

	SubmodulesRead string // names what was read of them; empty where they are to be read
	SubmodulesFlaw string // what of them cannot be followed; empty for nothing

	Held     *command.SourceHold // what of its submodules would go, and may not; not to be written to
	HeldAt   time.Time
	Approved string // digest of what a person lets go of that
}

var nothingElse = new(Seldom)

// edit returns a claim that may be changed without touching c.
func (c *Claim) edit() *Claim {
	next, seldom := *c, *c.Seldom
	next.Seldom = &seldom
	return &next
}

func (s *Seldom) isEmpty() bool {
	return len(s.Former) == 0 && s.Extra == "" && s.SubmodulesRead == "" && s.SubmodulesFlaw == "" && s.Held == nil && s.HeldAt.IsZero() && s.Approved == ""
}

// claims are the table of them.
type claims struct {
	byPath *btree.BTreeG[*Claim] // by source and path
	byRepo *btree.BTreeG[*Claim] // by repo, the oldest first
	above  *btree.BTreeG[*Claim] // those whose submodules are wanted too, by source and path
	held   *btree.BTreeG[*Claim] // those of whose submodules something is held, so too
	flawed *btree.BTreeG[*Claim] // those of whose submodules something cannot be followed, so too
	counts map[SourceNum]int
	shared bool // counts is a clone's too: it is copied before it is written to
	sum    sum
}

func newClaims() claims {
	byPath := func(a, b *Claim) bool {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Path, b.Path)) < 0
	}
	return claims{
		byPath: btree.NewBTreeGOptions(byPath, unlocked),
		above:  btree.NewBTreeGOptions(byPath, unlocked),
		held:   btree.NewBTreeGOptions(byPath, unlocked),
		flawed: btree.NewBTreeGOptions(byPath, unlocked),
		byRepo: btree.NewBTreeGOptions(func(a, b *Claim) bool {
			return cmp.Or(cmp.Compare(a.Repo, b.Repo), cmp.Compare(a.Since, b.Since), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Path, b.Path)) < 0
		}, unlocked),
	}
}

func (c *claims) clone() claims {
	c.shared = true
	return claims{byPath: c.byPath.Copy(), byRepo: c.byRepo.Copy(), above: c.above.Copy(), held: c.held.Copy(), flawed: c.flawed.Copy(), counts: c.counts, shared: true, sum: c.sum}
}

func (c *claims) get(src SourceNum, path string) *Claim {
	claim, _ := c.byPath.Get(&Claim{Source: src, Path: path})
	return claim
}

// put stores a claim, in the place of one of the same path. It must come from edit, or be new.
func (c *claims) put(claim *Claim) {
	if claim.isEmpty() {
		claim.Seldom = nothingElse
	}
	if was := c.get(claim.Source, claim.Path); was != nil {
		c.drop(was)
	}
	claim.sum = sumOf(marshal(nil, claimRecord(claim)))
	c.sum = c.sum.plus(claim.sum)
	c.byPath.Set(claim)
	c.byRepo.Set(claim)
	if claim.Submodules {
		c.above.Set(claim)
	}
	if claim.Held != nil {
		c.held.Set(claim)
	}
	if claim.SubmodulesFlaw != "" {
		c.flawed.Set(claim)
	}
	c.add(claim.Source, +1)
}

// drop takes a claim away, as it is now.
func (c *claims) drop(claim *Claim) {
	if claim = c.get(claim.Source, claim.Path); claim == nil {
		return
	}
	c.sum = c.sum.minus(claim.sum)
	c.byPath.Delete(claim)
	c.byRepo.Delete(claim)
	c.above.Delete(claim)
	c.held.Delete(claim)
	c.flawed.Delete(claim)
	c.add(claim.Source, -1)
}

func (c *claims) add(src SourceNum, n int) {
	if c.shared || c.counts == nil {
		if c.counts = maps.Clone(c.counts); c.counts == nil {
			c.counts = map[SourceNum]int{}
		}
		c.shared = false
	}
	if c.counts[src] += n; c.counts[src] == 0 {
		delete(c.counts, src)
	}
}

func (c *claims) count(src SourceNum) int { return c.counts[src] }

// of calls fn with the claims of a source from a path on, in their order, until it returns false.
func (c *claims) of(src SourceNum, from string, fn func(*Claim) bool) {
	c.byPath.Ascend(&Claim{Source: src, Path: from}, func(claim *Claim) bool { return claim.Source == src && fn(claim) })
}

// on are the claims of a row, the oldest first.
func (c *claims) on(repo string) (list []*Claim) {
	c.byRepo.Ascend(&Claim{Repo: repo}, func(claim *Claim) bool {
		if claim.Repo != repo {
			return false
		}
		list = append(list, claim)
		return true
	})
	return list
}

// Claims calls fn with the claims of a source, from a path on, by path, until it returns false. The
// one of the index has an empty path.
func (v *View) Claims(src SourceNum, from string, fn func(*Claim) bool) {
	v.tables.claims.of(src, from, fn)
}

// ClaimsLen counts the claims of a source, but that of its index.
func (v *View) ClaimsLen(src SourceNum) int {
	if s := v.tables.sources.byNum(src); s != nil {
		return v.tables.claimed(s)
	}
	return 0
}

// claimed counts the claims of a source, but that of its index.
func (t *tables) claimed(src *Source) int {
	n := t.claims.count(src.Num)
	if !src.IsForge() {
		n--
	}
	return max(n, 0)
}

// ClaimsOn are the claims of a row, the oldest first.
func (v *View) ClaimsOn(repo string) []*Claim { return v.tables.claims.on(repo) }

// Above calls fn with the claims of a source whose submodules are wanted too, by path, until it
// returns false.
func (v *View) Above(src SourceNum, fn func(*Claim) bool) {
	v.tables.claims.above.Ascend(&Claim{Source: src}, func(c *Claim) bool { return c.Source == src && fn(c) })
}

// Flawed calls fn with the claims of a source of whose submodules something cannot be followed, by path, until it
// returns false.
func (v *View) Flawed(src SourceNum, fn func(*Claim) bool) {
	v.tables.claims.flawed.Ascend(&Claim{Source: src}, func(c *Claim) bool { return c.Source == src && fn(c) })
}

// ClaimOf is a source's claim of that path, nil where there is none.
func (v *View) ClaimOf(src SourceNum, path string) *Claim { return v.tables.claims.get(src, path) }
