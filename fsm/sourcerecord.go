package fsm

import (
	"github.com/tidwall/btree"

	"gitmirror/fsm/command"
	"gitmirror/fsm/snapshot"
	"gitmirror/internal/policy"
	"gitmirror/source"
)

var sourcePart = part{
	name: "sources",
	write: func(c *Capture, w *recordWriter) {
		for _, src := range c.view.tables.sources.list {
			w.write(&snapshot.Record{Kind: &snapshot.Record_Source{Source: sourceRecord(src)}})
		}
	},
	read:    reads((*snapshot.Record).GetSource, (*builder).addSource),
	count:   func(t *tables, _ *btree.BTreeG[*request]) int { return len(t.sources.list) },
	counted: func(end *snapshot.End) *uint64 { return &end.Sources },
}

var claimPart = part{
	name: "claims",
	write: func(c *Capture, w *recordWriter) {
		scan(w, c.view.tables.claims.byPath, func(claim *Claim) *snapshot.Record {
			return &snapshot.Record{Kind: &snapshot.Record_Claim{Claim: claimRecord(claim)}}
		})
	},
	read:    reads((*snapshot.Record).GetClaim, (*builder).addClaim),
	count:   func(t *tables, _ *btree.BTreeG[*request]) int { return t.claims.byPath.Len() },
	counted: func(end *snapshot.End) *uint64 { return &end.Claims },
}

func sourceRecord(s *Source) *snapshot.Source {
	rec := &snapshot.Source{
		Num: uint32(s.Num), Put: &command.NewSource{Id: s.ID, Name: s.Name, Namespace: s.Namespace, Ref: s.Ref, Path: s.Path, Forge: s.Forge},
		Index: s.Index, Paused: s.Paused, Again: s.Again, Removing: s.Removing, AddedMs: toMS(s.AddedAt), Listed: s.Listed, ListedMs: toMS(s.ListedAt),
		Error: s.Error, ErrorMs: toMS(s.ErrorAt), Hold: s.Hold, HoldMs: toMS(s.HoldAt), Approved: []byte(s.Approved), Version: s.Version,
		Owner: uint32(s.Owner), Epoch: s.Epoch, Revision: s.Revision, Failed: s.Failed, FailedMs: toMS(s.FailedAt),
		Course: s.Course, CourseMs: toMS(s.CourseAt), CourseBy: uint32(s.CourseBy), Settled: s.Settled,
	}
	for _, l := range s.lost {
		rec.Lost = append(rec.Lost, &snapshot.Lost{Hour: l.hour, Count: l.count})
	}
	return rec
}

func (b *builder) addSource(r *snapshot.Source) error {
	t, p := &b.tables, r.GetPut()
	s := &Source{
		Num: SourceNum(r.GetNum()), ID: p.GetId(), Name: p.GetName(), Namespace: p.GetNamespace(), Ref: p.GetRef(), Path: p.GetPath(),
		Index: r.GetIndex(), Paused: r.GetPaused(), Again: r.GetAgain(), Removing: r.GetRemoving(), AddedAt: fromMS(r.GetAddedMs()), Listed: r.GetListed(), ListedAt: fromMS(r.GetListedMs()),
		Error: r.GetError(), ErrorAt: fromMS(r.GetErrorMs()), Hold: r.GetHold(), HoldAt: fromMS(r.GetHoldMs()), Approved: string(r.GetApproved()), Version: r.GetVersion(),
		Forge: p.GetForge(), Owner: NodeNum(r.GetOwner()), Epoch: r.GetEpoch(), Revision: r.GetRevision(), Failed: r.GetFailed(), FailedAt: fromMS(r.GetFailedMs()),
		Course: r.GetCourse(), CourseAt: fromMS(r.GetCourseMs()), CourseBy: NodeNum(r.GetCourseBy()), Settled: r.GetSettled(),
	}
	for _, l := range r.GetLost() {
		s.lost = append(s.lost, hourly{l.GetHour(), l.GetCount()})
	}
	if n := len(t.sources.list); n > 0 && t.sources.list[n-1].Num >= s.Num || s.Num == 0 || s.Num > t.sources.last {
		return damaged("source %d is out of order", s.Num)
	}
	s.sum = sumOf(marshal(nil, sourceRecord(s)))
	t.sources.list = append(t.sources.list, s)
	return nil
}

func claimRecord(c *Claim) *snapshot.Claim {
	rec := &snapshot.Claim{
		Source: uint32(c.Source), Path: c.Path, File: c.File, Hash: c.Hash[:], Repo: c.Repo, Since: c.Since, Name: c.Name, Alias: c.Alias,
		Urls: c.URLs, UrlKeys: c.Keys, Labels: c.Labels, Extra: c.Extra, Learned: c.Learned, Submodules: c.Submodules,
		SubmodulesRead: []byte(c.SubmodulesRead), SubmodulesFlaw: c.SubmodulesFlaw, Former: c.Former,
		Held: c.Held, HeldMs: toMS(c.HeldAt), Approved: []byte(c.Approved), Said: c.Said,
	}
	if !c.Asks.Equal(policy.Policy{}) {
		rec.Policy = PolicyCommand(c.Asks.Policy)
	}
	return rec
}

func (b *builder) addClaim(r *snapshot.Claim) error {
	if len(r.GetHash()) != len(source.Hash{}) {
		return damaged("a claim of %q with a hash of %d bytes", r.GetPath(), len(r.GetHash()))
	}
	c := &Claim{
		Source: SourceNum(r.GetSource()), Path: r.GetPath(), File: r.GetFile(), Hash: source.Hash(r.GetHash()), Repo: r.GetRepo(), Since: r.GetSince(), Said: r.GetSaid(), Name: r.GetName(), Alias: r.GetAlias(),
		URLs: r.GetUrls(), Keys: r.GetUrlKeys(), Asks: b.shared.policy(policyOf(r.GetPolicy())), Labels: b.shared.labelSet(r.GetLabels()), Learned: r.GetLearned(), Submodules: r.GetSubmodules(),
		Seldom: &Seldom{
			Extra: r.GetExtra(), SubmodulesRead: string(r.GetSubmodulesRead()), SubmodulesFlaw: r.GetSubmodulesFlaw(), Former: r.GetFormer(),
			Held: r.GetHeld(), HeldAt: fromMS(r.GetHeldMs()), Approved: string(r.GetApproved()),
		},
	}
	t := &b.tables
	if t.sources.byNum(c.Source) == nil || t.claims.get(c.Source, c.Path) != nil {
		return damaged("a claim of %q twice, or of no source", c.Path)
	}
	t.claims.put(c)
	return nil
}

func sourcedRecord(s *Sourced) *snapshot.Sourced {
	return &snapshot.Sourced{Hand: s.Hand, ByHand: uint32(s.ByHand), Labels: s.Labels, Unlabelled: s.Unlabel, Names: s.Names, Besides: s.Besides, RetiredMs: s.retiredMS,
		Forge: s.had.forge, Number: s.had.number}
}

func (d *interner) sourcedOf(r *snapshot.Sourced) *Sourced {
	if r == nil {
		return nil
	}
	return &Sourced{Hand: r.GetHand(), ByHand: settings(r.GetByHand()), Labels: d.labelSet(r.GetLabels()), Unlabel: r.GetUnlabelled(), Names: r.GetNames(), Besides: r.GetBesides(), retiredMS: r.GetRetiredMs(),
		had: numbered{r.GetForge(), r.GetNumber()}}
}
