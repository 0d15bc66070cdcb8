package fsm

import (
	"crypto/sha256"
	"fmt"
	"slices"
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

// Elsewhere tells whether another source of the same forge claims what a forge knows by the number that is
// a path of this source: it was moved to another account, and is not lost.
func (v *View) Elsewhere(src *Source, path string) bool { return v.tables.elsewhere(src, path) != nil }

// elsewhere is the oldest claim of that, nil where there is none.
func (t *tables) elsewhere(src *Source, path string) (found *Claim) {
	if !src.IsForge() || path == "" || t.format < formatCourse {
		return nil
	}
	for _, other := range t.sources.list {
		if other.Num == src.Num || other.Removing || !other.atForge(src) {
			continue
		}
		if c := t.claims.get(other.Num, path); c != nil && (found == nil || c.Since < found.Since) {
			found = c
		}
	}
	return found
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
