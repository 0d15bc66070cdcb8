package fsm

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
	"gitmirror/internal/asciifold"
	"gitmirror/internal/refusal"
	"gitmirror/source"
)

// SourceNum is the short name of a source inside the table. 0 is none; a number is never given
// out twice.
type SourceNum uint32

// Source is where repos come from: an index repository, or an account of a forge. A stored one never changes: a command
// replaces it.
type Source struct {
	Num       SourceNum
	ID, Name  string
	Namespace string
	Ref, Path string // of the index, that are read; empty: HEAD, and all of it
	Index     string // id of the row that mirrors the index; the source claims that too. Empty of a forge
	Paused    bool   // its listings change nothing
	Again     uint64 // raised by who wants it read once more
	Removing  bool   // its claims are being taken back
	AddedAt   time.Time
	Version   uint64 // log index of its last change

	// Of a forge.
	Forge    *command.Forge  // not to be written to; nil of an index
	Owner    NodeNum         // who lists it
	Epoch    uint64          // of the owner
	Revision uint64          // raised when the selection changes
	Failed   *command.Listed // the last attempt to list it, where that failed; not to be written to
	FailedAt time.Time

	// Of the listing that is under way.
	Course   *command.Course // not to be written to; nil while nothing is told of one
	CourseAt time.Time
	CourseBy NodeNum

	Listed   *command.Listed // the last complete listing, not to be written to; nil while there is none
	ListedAt time.Time
	Settled  uint64 // log index of the last complete listing that has all that is claimed: nothing was held, or kept; 0 for none
	Error    string // why there has been none since then, empty where there has
	ErrorAt  time.Time
	Hold     *command.SourceHold // what the listing would take away, and may not; not to be written to
	HoldAt   time.Time
	Approved string // digest of what a person lets it take away

	lost []hourly // of the last 24 hours
	sum  sum
}

// hourly is how many claims went within an hour.
type hourly struct {
	hour  int64 // since 1970
	count uint32
}

// Bounds of sources.
const (
	maxSources = 1000
	maxFlawsOf = 100 // that a listing tells of, and paths that a hold names
	maxExtra   = 8 << 10
)

// Wants tells whether a source is to be read: its index has something that was not listed, or it
// is read otherwise by now, or somebody asked for it. It is not while it has nothing to read.
func (s *Source) Wants(index *Repo) bool {
	l := s.Listed
	return !s.Paused && !s.Removing && index.live() && index.Generation > 0 &&
		(l == nil || l.GetGeneration() != index.Generation || l.GetRef() != s.Ref || l.GetPath() != s.Path || l.GetAgain() != s.Again ||
			s.Hold != nil && s.Approved == string(s.Hold.GetDigest()))
}

// Lost is how many claims have gone in the 24 hours up to then.
func (s *Source) Lost(now time.Time) (n int) {
	for _, l := range s.lost {
		if l.hour > hour(now)-24 {
			n += int(l.count)
		}
	}
	return n
}

func hour(t time.Time) int64 { return t.Unix() / 3600 }

// loses counts claims that go now.
func (s *Source) loses(at time.Time, n int) {
	now := hour(at)
	kept := slices.DeleteFunc(slices.Clone(s.lost), func(l hourly) bool { return l.hour <= now-24 })
	if last := len(kept) - 1; last >= 0 && kept[last].hour >= now {
		kept[last].count += uint32(n)
	} else {
		kept = append(kept, hourly{now, uint32(n)})
	}
	s.lost = kept
}

// sources are the table of them.
type sources struct {
	list []*Source // by number; replaced, never written to
	last SourceNum // highest number given out
}

func (s *sources) find(is func(*Source) bool) *Source {
	if i := slices.IndexFunc(s.list, is); i >= 0 {
		return s.list[i]
	}
	return nil
}

func (s *sources) byID(id string) *Source {
	return s.find(func(o *Source) bool { return o.ID == id })
}

func (s *sources) byNum(n SourceNum) *Source {
	return s.find(func(o *Source) bool { return o.Num == n })
}

func (s *sources) byName(name string) *Source {
	return s.find(func(o *Source) bool { return asciifold.Compare(o.Name, name) == 0 })
}

// putSource stores a source, a new one or one made by a copy.
func (t *tables) putSource(e entry, next *Source) {
	next.Version = e.index
	next.sum = sumOf(marshal(nil, sourceRecord(next)))
	list := slices.Clone(t.sources.list)
	if i := slices.IndexFunc(list, func(o *Source) bool { return o.Num == next.Num }); i >= 0 {
		list[i] = next
	} else {
		list = append(list, next)
	}
	t.sources.list = list
}

func (t *tables) dropSource(num SourceNum) {
	t.sources.list = slices.DeleteFunc(slices.Clone(t.sources.list), func(o *Source) bool { return o.Num == num })
}

// sum is over all of them.
func (s *sources) sum() (total sum) {
	for _, o := range s.list {
		total = total.plus(o.sum)
	}
	return total
}

// addSource adds a source with its claim of the index, whose path is empty.
func (s *State) addSource(e entry, c *command.PutSource) *command.Outcome {
	t, n := &s.tables, c.GetSource()
	if err := checkSource(n); err != nil {
		return refuse(refusal.Invalid, "%v", err)
	}
	if other := t.sources.byName(n.GetName()); other != nil {
		return refuse(refusal.ConflictName, "there is a source %s already", other.Name)
	}
	if t.sources.byID(n.GetId()) != nil {
		return refuse(refusal.Invalid, "the id belongs to another source")
	}
	if len(t.sources.list) >= maxSources {
		return refuse(refusal.Invalid, "there are %d sources, which is as many as there can be", len(t.sources.list))
	}
	src := &Source{Num: t.sources.last + 1, ID: n.GetId(), Name: n.GetName(), Namespace: n.GetNamespace(), Ref: n.GetRef(), Path: n.GetPath(), AddedAt: e.at}
	if n.GetForge() != nil {
		return s.addForge(e, src, n)
	}
	index := n.GetIndex()
	row, refused := s.claimed(e, src, &command.Entry{Hash: make([]byte, len(source.Hash{})), Repo: index, Alias: index.GetName()})
	if refused != nil {
		return &command.Outcome{Code: refused.Code, Message: refused.Message}
	}
	t.sources.last++
	src.Index = row.ID
	t.putSource(e, src)
	t.recordSource(e, EventSourceAdded, src, index.GetUrls()[0])
	return done()
}

func checkSource(n *command.NewSource) error {
	if (n.GetIndex() == nil) == (n.GetForge() == nil) {
		return fmt.Errorf("a source has an index, or a forge")
	}
	err := firstError(between("source id", n.GetId(), 1, maxID), plainName(n.GetName()), between("ref", n.GetRef(), 0, maxText), between("path", n.GetPath(), 0, maxText))
	if err == nil && n.GetForge() != nil {
		return checkForge(n.GetForge())
	}
	if err == nil {
		err = checkNewRepo(n.GetIndex())
	}
	if err == nil && n.GetNamespace() != "" {
		err = plainName(n.GetNamespace())
	}
	return err
}

func (s *State) setSource(e entry, c *command.SetSource) *command.Outcome {
	src := s.tables.sources.byID(c.GetId())
	if src == nil || src.Removing {
		return refuse(refusal.NotFound, "no source %q", c.GetId())
	}
	if err := firstError(between("ref", c.GetRef(), 0, maxText), between("path", c.GetPath(), 0, maxText), checkSelection(c.GetSelection())); err != nil {
		return refuse(refusal.Invalid, "%v", err)
	}
	if src.IsForge() && (c.Ref != nil || c.Path != nil) || !src.IsForge() && c.Selection != nil {
		return refuse(refusal.SourceInvalid, "%s is no source of that kind", src.Name)
	}
	next := *src
	if c.Paused != nil {
		if next.Paused = c.GetPaused(); next.Paused {
			next.endCourse()
		}
	}
	if c.Ref != nil {
		next.Ref = c.GetRef()
	}
	if c.Path != nil {
		next.Path = c.GetPath()
	}
	if c.Selection != nil && !proto.Equal(c.GetSelection(), src.Forge.GetSelection()) {
		next.Forge = proto.Clone(src.Forge).(*command.Forge)
		next.Forge.Selection = proto.Clone(c.GetSelection()).(*command.Selection)
		next.Revision++
	}
	next.Again = max(next.Again, c.GetAgain())
	s.tables.putSource(e, &next)
	return done()
}

// removeSource takes claims back: a person wants that, so that nothing guards them.
func (s *State) removeSource(e entry, c *command.RemoveSource) *command.Outcome {
	t := &s.tables
	src := t.sources.byID(c.GetId())
	if src == nil {
		return refuse(refusal.NotFound, "no source %q", c.GetId())
	}
	if !src.Removing {
		next := *src
		next.Removing = true
		t.putSource(e, &next)
	}
	var some []string
	t.claims.of(src.Num, "", func(c *Claim) bool {
		some = append(some, c.Path)
		return len(some) < MaxItems
	})
	for _, path := range some {
		if claim := t.claims.get(src.Num, path); claim != nil { // as it is by now: it may have inherited
			s.ends(e, claim)
		}
	}
	left := t.claims.count(src.Num)
	if left == 0 {
		t.dropSource(src.Num)
		t.recordSource(e, EventSourceRemoved, src, "")
	}
	return &command.Outcome{Left: uint32(left)}
}

// approveSource lets the next listing take away what a person was shown.
func (s *State) approveSource(e entry, c *command.ApproveSource) *command.Outcome {
	t := &s.tables
	src := t.sources.byID(c.GetId())
	if src == nil || src.Removing {
		return refuse(refusal.NotFound, "no source %q", c.GetId())
	}
	hold := t.hold(src)
	switch {
	case hold == nil:
		return refuse(refusal.NotHeld, "nothing of %s is held", src.Name)
	case src.Hold != nil && (src.Listed.GetRevision() != src.Revision || !src.IsForge() && (src.Listed.GetRef() != src.Ref || src.Listed.GetPath() != src.Path)):
		if src.Paused {
			return refuse(refusal.StaleHold, "%s was set to something else since, and is paused: it is to be listed by that first (gitmirror source resume %s)", src.Name, src.Name)
		}
		return refuse(refusal.StaleHold, "%s was set to something else since: it is to be listed by that first", src.Name)
	case string(hold.Digest) != string(c.GetDigest()):
		return refuse(refusal.StaleHold, "what %s would take away is something else by now", src.Name)
	case hold.Approved:
		return done()
	}
	if src.Hold != nil {
		next := *src
		next.Approved = string(src.Hold.GetDigest())
		t.putSource(e, &next)
	}
	for _, claim := range t.claims.withheld(src.Num) {
		next := claim.edit()
		next.Approved = string(claim.Held.GetDigest())
		t.claims.put(next)
	}
	t.recordSource(e, EventSourceApproved, src, fmt.Sprintf("%d may go", hold.Lost))
	return done()
}

// recordSource stores an event about a source, which the owner of its index tells.
func (t *tables) recordSource(e entry, kind string, src *Source, detail string) {
	teller := NodeNum(0)
	if row := t.repo(src.Index); row != nil {
		teller = t.teller(row)
	} else if src.IsForge() {
		teller = t.teller(&Repo{Owner: src.Owner, Rarely: &Rarely{}})
	}
	t.events.add(&Event{Index: e.index, At: e.at, Type: kind, Name: src.Name, Detail: detail, Node: teller})
}

// Sources are all of them, in the order in which they were added.
func (v *View) Sources() []*Source { return v.tables.sources.list }

// SourceByID returns the source of that id, or nil.
func (v *View) SourceByID(id string) *Source { return v.tables.sources.byID(id) }

// SourceByName returns the source of that name in any case, or nil.
func (v *View) SourceByName(name string) *Source { return v.tables.sources.byName(name) }

// SourceByNum returns the source of that number, or nil.
func (v *View) SourceByNum(n SourceNum) *Source { return v.tables.sources.byNum(n) }
