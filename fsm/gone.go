package fsm

import (
	"cmp"

	"github.com/tidwall/btree"

	"gitmirror/source"
)

// What is gone from one account of a forge may have been moved to another, which is listed later, and what was left out
// for a while may have another name when it is back: while it is retired it is found by what its forge knows it by.

// numbered is what one forge knows a repository by.
type numbered struct{ forge, number string }

// numberOf is what its forge knows by a claim; of an index, its path there. It is zero for a submodule.
func (t *tables) numberOf(src *Source, claim *Claim) numbered {
	if t.format < formatCourse || claim.Path == "" {
		return numbered{}
	}
	if _, below := source.Above(claim.Path); below {
		return numbered{}
	}
	if !src.IsForge() {
		return numbered{forge: "source " + src.ID, number: claim.Path}
	}
	return numbered{forge: src.Forge.GetKind() + " " + src.Forge.GetBase(), number: claim.Path}
}

// ends has a claim be none any more.
func (s *State) ends(e entry, claim *Claim) {
	t := &s.tables
	t.claims.drop(claim)
	t.inherit(claim)
	s.settleWithout(e, claim.Repo, t.numberOf(t.sources.byNum(claim.Source), claim), nil)
	t.relist(e, claim.Repo)
}

// retiredAs is the row of what a claim is the first of, where that was retired, nil for none; and, as a claim would have
// it, what it was called. An entry of an index has its own again where it asks for the address that it had, or people have set that.
func (t *tables) retiredAs(src *Source, claim *Claim) (row *Repo, was *Claim) {
	is := t.numberOf(src, claim)
	if is == (numbered{}) {
		return nil, nil
	}
	t.gone.Ascend(&Repo{Rarely: &Rarely{Sourced: &Sourced{had: is}}}, func(r *Repo) bool {
		byHand := r.Sourced.ByHand&setUpstream != 0
		if r.Sourced.had == is && (src.IsForge() && !byHand || !src.IsForge() && (byHand || r.upstreamKeys()[0] == claim.Keys[0])) {
			row = r // the last that was
		}
		return r.Sourced.had == is
	})
	if row == nil {
		return nil, nil
	}
	return row, &Claim{Repo: row.ID, Name: row.Name, Keys: row.upstreamKeys(), Seldom: &Seldom{Former: row.Aliases}}
}

func newGone() *btree.BTreeG[*Repo] {
	return btree.NewBTreeGOptions(func(a, b *Repo) bool {
		x, y := a.Sourced, b.Sourced
		return cmp.Or(cmp.Compare(x.had.number, y.had.number), cmp.Compare(x.had.forge, y.had.forge), cmp.Compare(x.retiredMS, y.retiredMS), cmp.Compare(a.ID, b.ID)) < 0
	}, unlocked)
}

func (r *Repo) gone() bool { return r.live() && r.retired() && r.Sourced.had != numbered{} }

// had is what the claim was of that was the last of a retired row; zero where that is not known.
func (r *Repo) had() numbered {
	if r.Sourced == nil {
		return numbered{}
	}
	return r.Sourced.had
}
