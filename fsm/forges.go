package fsm

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
	"gitmirror/internal/asciifold"
	"gitmirror/internal/refusal"
)

// Sources that are forges: each is listed by one node, in an epoch of its own.

// ListEvery is how often a forge is listed, but for a tenth more or less.
const ListEvery = time.Hour

// Bounds of what is said of a forge.
const (
	maxWords       = 100 // topics, and who may see a repository
	maxCredentials = 1000
)

// IsForge tells whether a source is a forge, and not an index.
func (s *Source) IsForge() bool { return s.Forge != nil }

// tried is the last attempt to list a forge, whatever came of it; nil where there was none.
func (s *Source) tried() *command.Listed {
	if s.Failed != nil {
		return s.Failed
	}
	return s.Listed
}

// NextListing is when a forge is to be listed, by what the log says the time is, the zero time where that is now; ever is false for
// one that is paused or being removed. What was noted at a time that is not yet was noted by a wrong clock: when that is over, nobody knows.
func (s *Source) NextListing(now time.Time) (at time.Time, ever bool) {
	if s.Paused || s.Removing {
		return time.Time{}, false
	}
	failed := s.Failed
	rests := time.Time{}
	if failed != nil {
		rests = s.FailedAt.Add(time.Duration(failed.GetRestMs()) * time.Millisecond)
	}
	switch t := s.tried(); {
	case failed != nil && s.FailedAt.After(now), failed == nil && s.ListedAt.After(now):
		return time.Time{}, true
	case failed.GetLimited():
		return rests, true
	case t == nil, t.GetAgain() != s.Again, t.GetRevision() != s.Revision:
		return time.Time{}, true
	case failed != nil:
		return rests, true
	case s.Hold != nil && s.Approved == string(s.Hold.GetDigest()):
		return time.Time{}, true
	}
	return s.ListedAt.Add(s.pace()), true
}

// pace is how long after its last listing a forge is listed again. It differs from source to source, and
// from listing to listing, so that they do not come in crowds.
func (s *Source) pace() time.Duration {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s %d", s.ID, s.Listed.GetGeneration())
	const tenth = ListEvery / 10
	return ListEvery - tenth + time.Duration(h.Sum64()%uint64(2*tenth))
}

// addForge adds a source that is a forge.
func (s *State) addForge(e entry, src *Source, n *command.NewSource) *command.Outcome {
	t := &s.tables
	src.Forge, src.Epoch = proto.Clone(n.GetForge()).(*command.Forge), 1
	if owner := t.nodes.byID[n.GetOwner()]; owner != nil {
		src.Owner = owner.Num
	}
	t.sources.last++
	t.putSource(e, src)
	t.recordSource(e, EventSourceAdded, src, fmt.Sprintf("%s/%s", src.Forge.GetBase(), src.Forge.GetAccount()))
	return done()
}

func checkForge(f *command.Forge) error {
	return firstError(between("kind", f.GetKind(), 1, maxWord), between("base url", f.GetBase(), 1, maxText), between("account", f.GetAccount(), 1, maxName), checkSelection(f.GetSelection()))
}

func checkSelection(s *command.Selection) error {
	if len(s.GetTopics()) > maxWords || len(s.GetVisibility()) > maxWords || s.GetMaxSize() < 0 {
		return fmt.Errorf("%d topics, %d words for who may see, %d bytes", len(s.GetTopics()), len(s.GetVisibility()), s.GetMaxSize())
	}
	for _, word := range slices.Concat(s.GetTopics(), s.GetVisibility()) {
		if err := between("word", word, 1, maxLabel); err != nil {
			return err
		}
	}
	return firstError(between("match", s.GetMatch(), 0, maxText), between("exclude", s.GetExclude(), 0, maxText), between("template", s.GetTemplate(), 0, maxText))
}

// ownSource has another node list a forge. What is under way is refused from then on.
func (s *State) ownSource(e entry, c *command.OwnSource) *command.Outcome {
	t := &s.tables
	src, owner := t.sources.byID(c.GetId()), t.nodes.byID[c.GetOwner()]
	switch {
	case src == nil || src.Removing || !src.IsForge():
		return refuse(refusal.NotFound, "no forge %q", c.GetId())
	case owner == nil:
		return refuse(refusal.NotFound, "no node %q", c.GetOwner())
	case src.Epoch != c.GetEpoch():
		return refuse(refusal.StaleEpoch, "%s is in epoch %d, not %d", src.Name, src.Epoch, c.GetEpoch())
	case src.Owner == owner.Num:
		return done()
	}
	next := *src
	next.Owner, next.Epoch = owner.Num, src.Epoch+1
	next.endCourse()
	t.putSource(e, &next)
	return done()
}

// putCredentials notes of which sources a node has credentials.
func (s *State) putCredentials(_ entry, c *command.PutCredentials) *command.Outcome {
	t := &s.tables
	n := t.nodes.byID[c.GetNode()]
	if n == nil {
		return refuse(refusal.NotFound, "no node %q", c.GetNode())
	}
	if len(c.GetSources()) > maxCredentials || !slices.IsSorted(c.GetSources()) {
		return refuse(refusal.Invalid, "%d names, more than %d, or out of order", len(c.GetSources()), maxCredentials)
	}
	for _, name := range c.GetSources() {
		if err := plainName(name); err != nil {
			return refuse(refusal.Invalid, "%v", err)
		}
	}
	if len(c.GetUnusable()) > maxCredentials {
		return refuse(refusal.Invalid, "%d credentials that cannot be used, more than %d", len(c.GetUnusable()), maxCredentials)
	}
	for _, u := range c.GetUnusable() {
		if err := cmp.Or(plainName(u.GetSource()), between("why", u.GetWhy(), 0, maxText)); err != nil {
			return refuse(refusal.Invalid, "%v", err)
		}
	}
	if slices.Equal(n.Credentials, c.GetSources()) && slices.EqualFunc(n.Unusable, c.GetUnusable(), func(a, b *command.Unusable) bool { return proto.Equal(a, b) }) {
		return done()
	}
	next := *n
	next.Credentials, next.Unusable = slices.Clone(c.GetSources()), slices.Clone(c.GetUnusable())
	t.nodes = t.nodes.with(&next)
	return done()
}

// HasCredential tells whether a node says that it has a credential of a source.
func (n *Node) HasCredential(source string) bool {
	return slices.ContainsFunc(n.Credentials, func(name string) bool { return asciifold.Compare(name, source) == 0 })
}

// CannotUse says why a node cannot use the credential of a source that it was given; empty where it was given
// none, or can.
func (n *Node) CannotUse(source string) string {
	for _, u := range n.Unusable {
		if asciifold.Compare(u.GetSource(), source) == 0 {
			return cmp.Or(u.GetWhy(), "it cannot be used")
		}
	}
	return ""
}

// Listers are the nodes that may list a forge: those that have its credential or, where none was given one, all.
// Where it was listed with one the last time they are none then: what is not seen without would seem to be gone.
// Nodes that have left are none of them.
func (v *View) Listers(src *Source) (list []*Node, withCredential bool) {
	given := src.Listed.GetWithCredential()
	var all []*Node
	for _, n := range v.Nodes() {
		if n.State == NodeLeft {
			continue
		}
		all = append(all, n)
		if given = given || n.CannotUse(src.Name) != ""; n.HasCredential(src.Name) {
			list = append(list, n)
		}
	}
	if len(list) > 0 || given {
		return list, true
	}
	return all, false
}

// KnowsForges tells whether every member knows that sources may be forges.
func (v *View) KnowsForges() bool { return v.tables.format >= formatForges }

// AdmitForges refuses sources that are forges while a member does not know them.
func AdmitForges(format uint32) error {
	return needs(formatForges, "sources that are forges", format)
}
