package fsm

import (
	"crypto/sha256"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"gitmirror/fsm/command"
)

// SourceHold is all that waits for a person to let it go, of a source: what its listing would take away, and what
// of submodules is not named any more.
type SourceHold struct {
	Digest   []byte // of all of it: a person lets go what was shown
	Lost     int
	First    []string // paths of some of it
	Since    time.Time
	Approved bool
}

// Hold is what of a source is held, nil where nothing is.
func (v *View) Hold(src *Source) *SourceHold { return v.tables.hold(src) }

func (t *tables) hold(src *Source) *SourceHold {
	below := t.claims.withheld(src.Num)
	if src.Hold == nil && len(below) == 0 {
		return nil
	}
	out := &SourceHold{Approved: true}
	add := func(h *command.SourceHold, since time.Time, approved string) {
		out.Lost += int(h.GetLost())
		out.First = append(out.First, h.GetFirst()[:min(len(h.GetFirst()), maxFlawsOf-len(out.First))]...)
		out.Approved = out.Approved && approved == string(h.GetDigest())
		if out.Since.IsZero() || since.Before(out.Since) {
			out.Since = since
		}
	}
	if src.Hold != nil {
		add(src.Hold, src.HoldAt, src.Approved)
	}
	if len(below) == 0 {
		out.Digest = src.Hold.GetDigest()
		return out
	}
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%x\n", src.Hold.GetDigest())
	for _, c := range below {
		add(c.Held, c.HeldAt, c.Approved)
		_, _ = fmt.Fprintf(sum, "%x %s\n", c.Held.GetDigest(), c.Path)
	}
	out.Digest = sum.Sum(nil)[:20]
	return out
}

// withheld are the claims of a source of whose submodules something is held, by path.
func (c *claims) withheld(src SourceNum) (list []*Claim) {
	c.held.Ascend(&Claim{Source: src}, func(claim *Claim) bool {
		if claim.Source == src {
			list = append(list, claim)
		}
		return claim.Source == src
	})
	return list
}

// approved tells whether a person lets go what a batch takes, of a source or of submodules.
func (t *tables) approved(src *Source, c *command.Listing) bool {
	word := src.Approved
	if of := c.GetSubmodules(); of != nil {
		word = t.claims.get(src.Num, of.GetOf()).Approved
	}
	return word != "" && word == string(c.GetApproved())
}

// Elsewhere tells whether what a source claims by its number was moved to another account of the forge, by what another
// source claims: it is not lost.
func (v *View) Elsewhere(src *Source, number string) bool {
	claim := v.tables.claims.get(src.Num, number)
	return claim != nil && v.tables.movedTo(src, claim) != nil
}

// HasElsewhere tells whether another account of the forge claims what a source claims by its number, at another address: where that
// one is another's by now, it is there.
func (v *View) HasElsewhere(src *Source, number string) bool {
	claim := v.tables.claims.get(src.Num, number)
	return claim != nil && v.tables.elsewhere(src, number, func(_ *Source, c *Claim) bool { return c.Keys[0] != claim.Keys[0] }) != nil
}

// FollowsElsewhere tells whether the row of what a forge claims by its number is at another address than that says, and not since
// people have it follow that: another account has said so, and who has listed it last says where it is. The row goes there, or, where
// others want that too, the claim has its own.
func (v *View) FollowsElsewhere(src *Source, number string) bool {
	claim := v.tables.claims.get(src.Num, number)
	return claim != nil && v.tables.followsElsewhere(src, claim)
}

func (t *tables) followsElsewhere(src *Source, claim *Claim) bool {
	row := t.liveRepo(claim.Repo)
	return src.IsForge() && t.format >= formatCourse && row != nil && row.upstreamKeys()[0] != claim.Keys[0] && !t.pinned(row, claim)
}

// movedTo is the claim of another source of the same forge that has what is claimed here, as it said later than this one did, in another
// account. Two sources may list the same account, or one of them a group of the other's: what both have is no
// evidence that it went from one to the other.
func (t *tables) movedTo(src *Source, claim *Claim) *Claim {
	return t.elsewhere(src, claim.Path, func(other *Source, c *Claim) bool {
		return !src.overlaps(other) && other.said(c) > src.said(claim) && transferred(claim.Keys[0], c.Keys[0])
	})
}

// said is the log index of when a source said last that it has what it claims. A listing of which something is held, or kept since
// it is in doubt, says that only of what it has put.
func (s *Source) said(c *Claim) uint64 { return max(c.Said, s.Settled) }

// movedFrom is the claim of another source of the same forge that had what is new here, in another account. Who
// gives a repository to another account leaves it its name: the same number under another name is that of a forge
// that was set up anew.
func (t *tables) movedFrom(src *Source, claim *Claim) *Claim {
	return t.elsewhere(src, claim.Path, func(_ *Source, c *Claim) bool { return transferred(c.Keys[0], claim.Keys[0]) })
}

// elsewhere is the oldest claim that a source of another account of the same forge has of what that knows by that
// number, nil where there is none.
func (t *tables) elsewhere(src *Source, number string, is func(other *Source, c *Claim) bool) (found *Claim) {
	if !src.IsForge() || number == "" || t.format < formatCourse {
		return nil
	}
	for _, other := range t.sources.list {
		if other.Num == src.Num || other.Removing || !other.atForge(src) || strings.EqualFold(other.Forge.GetAccount(), src.Forge.GetAccount()) {
			continue
		}
		if c := t.claims.get(other.Num, number); c != nil && is(other, c) && (found == nil || c.Since < found.Since) {
			found = c
		}
	}
	return found
}

// transferred tells whether two addresses are those of a repository that was given to another account.
func transferred(from, to string) bool {
	was, is := path.Dir(from), path.Dir(to)
	name := func(key string) string { return strings.TrimSuffix(path.Base(key), ".git") }
	return !strings.EqualFold(was, is) && strings.EqualFold(name(from), name(to))
}

// overlaps tells whether one of two accounts is a group within the other: what that has by its listing, the other has too.
func (s *Source) overlaps(o *Source) bool {
	a, b := strings.ToLower(s.Forge.GetAccount())+"/", strings.ToLower(o.Forge.GetAccount())+"/"
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

// atForge tells whether two sources are accounts of one forge.
func (s *Source) atForge(o *Source) bool {
	return s.IsForge() && o.IsForge() && s.Forge.GetKind() == o.Forge.GetKind() && s.Forge.GetBase() == o.Forge.GetBase()
}

// alone tells whether nobody wants a row but a claim, and others of the same repository: that of the same number at
// the same forge.
func (t *tables) alone(row *Repo, of *Claim) bool {
	if row == nil || row.Sourced == nil || row.Sourced.Hand {
		return false
	}
	list := t.claims.on(row.ID)
	src := t.sources.byNum(of.Source)
	return len(list) > 0 && !slices.ContainsFunc(list, func(c *Claim) bool {
		if c.Source == of.Source {
			return c.Path != of.Path
		}
		return t.format < formatCourse || c.Path != of.Path || src == nil || !src.atForge(t.sources.byNum(c.Source))
	})
}
