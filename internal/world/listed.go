package world

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
)

// What sources have claimed, by the log: from entry to entry it goes by these rules, which are those of the state
// machine said once more, and by what accounts have had.

// Numbers of commands that have to do with claims.
const (
	removesRepos  = 11
	putsSource    = 30
	removesSource = 32
	lists         = 33
)

// sourceVersion is a source from an index of the log on, until the next.
type sourceVersion struct {
	from      uint64
	at        time.Time // when who led then appended the entry
	owner     string    // by name, empty for none
	with      bool      // it was listed with a credential the last time
	removed   bool
	selection *command.Selection
}

// loss is how many claims went at once, of log time, that nobody had let go.
type loss struct {
	at time.Time
	n  int
}

// listsFor is who lists a source, and in which epoch: who owns its index, where it has one.
func listsFor(view *fsm.View, src *fsm.Source) (fsm.NodeNum, uint64) {
	if row := view.Repo(src.Index); row != nil {
		return row.Owner, row.Epoch
	}
	return src.Owner, src.Epoch
}

// noteSources notes who lists what, and how.
func (c *chronicle) noteSources(view *fsm.View, e uint64, at time.Time) {
	there := map[string]bool{}
	note := func(name string, v sourceVersion) {
		list := c.sources[name]
		if n := len(list); n > 0 {
			last := list[n-1]
			if last.owner == v.owner && last.with == v.with && last.removed == v.removed && proto.Equal(last.selection, v.selection) {
				return
			}
		}
		c.sources[name] = append(list, v)
	}
	for _, src := range view.Sources() {
		v := sourceVersion{from: e, at: at, with: src.Listed.GetWithCredential(), selection: src.Forge.GetSelection()}
		if owner, _ := listsFor(view, src); view.Node(owner) != nil {
			v.owner = view.Node(owner).Name
		}
		there[src.Name] = true
		note(src.Name, v)
	}
	for name := range c.sources {
		if !there[name] {
			note(name, sourceVersion{from: e, at: at, removed: true})
		}
	}
}

// sourceBetween tells whether a source was so at some index from one on.
func (c *chronicle) sourceBetween(name string, from uint64, so func(sourceVersion) bool) bool {
	list := c.sources[name]
	for i, v := range list {
		if v.from <= c.last && (i+1 == len(list) || list[i+1].from > from) && so(v) {
			return true
		}
	}
	return false
}

// wantedHand tells whether people want a row.
func wantedHand(row *fsm.Repo) bool { return row.Sourced == nil || row.Sourced.Hand }

// claimsOf are the rows that a source claims, by path.
func claimsOf(view *fsm.View, src *fsm.Source) map[string]string {
	all := map[string]string{}
	view.Claims(src.Num, "\x00", func(c *fsm.Claim) bool { // but that of an index
		all[c.Path] = c.Repo
		return true
	})
	return all
}

// sourced checks what an entry has made of what sources, and people, want; ids are the rows that have changed.
func (c *chronicle) sourced(before, view *fsm.View, ids []string, number uint32, payload []byte, at time.Time) (flaws []string) {
	for _, id := range ids {
		old, row := before.Repo(id), view.Repo(id)
		if old == nil || old.Removed {
			continue
		}
		switch gone := row == nil || row.Removed; {
		case gone && len(before.ClaimsOn(id)) > 0:
			flaws = append(flaws, fmt.Sprintf("row %s is removed, which a source wants", old.Name))
		case gone:
		case wantedHand(old) && !wantedHand(row) && number != removesRepos:
			flaws = append(flaws, fmt.Sprintf("row %s is not wanted by people any more, of whom none has said so", old.Name))
		case wantedHand(row) || len(view.ClaimsOn(id)) > 0:
			if !row.Sourced.RetiredAt().IsZero() {
				flaws = append(flaws, fmt.Sprintf("row %s is retired, and wanted", row.Name))
			}
		}
	}
	for _, src := range before.Sources() {
		was, is := claimsOf(before, src), claimsOf(view, src)
		if number == lists {
			var l command.Listing
			if err := proto.Unmarshal(payload, &l); err != nil {
				return append(flaws, err.Error())
			}
			if l.GetSource() == src.ID {
				flaws = append(flaws, c.lists(before, view, src, &l, was, is, at)...)
				continue
			}
		}
		if number != putsSource && number != removesSource && len(was) != len(is) {
			flaws = append(flaws, fmt.Sprintf("%s claims %d, and %d after what does not list it", src.Name, len(was), len(is)))
		}
	}
	return flaws
}

// listingBound is how long it may take from what a forge tells to what is written down of it.
const listingBound = 5 * time.Minute

// lists checks one part of a listing.
func (c *chronicle) lists(before, view *fsm.View, src *fsm.Source, l *command.Listing, was, is map[string]string, at time.Time) (flaws []string) {
	wrong := func(format string, args ...any) {
		flaws = append(flaws, src.Name+": "+fmt.Sprintf(format, args...))
	}
	next := view.SourceByID(src.ID)
	if n := before.NodeByID(l.GetNode()); next != nil && next.Version != src.Version || len(was) != len(is) {
		if owner, epoch := listsFor(before, src); n == nil || n.Num != owner || l.GetEpoch() != epoch {
			wrong("%q lists it in epoch %d, over owner %d in epoch %d", l.GetNode(), l.GetEpoch(), owner, epoch)
		}
	}
	rows := map[string]bool{}
	for path, row := range is {
		if rows[row] = true; was[path] == "" && !c.account(src.Name).was(path, at, true, c.selectionsOf(src.Name, at)) {
			wrong("%s is claimed, which its account does not have, or is not wanted", path)
		}
		if old := before.Repo(was[path]); old != nil && was[path] != row && before.Repo(row) == nil && !wantedHand(old) && len(before.ClaimsOn(old.ID)) == 1 {
			wrong("%s has another mirror, of what was only renamed", path)
		}
	}
	approved := len(l.GetApproved()) > 0 && string(l.GetApproved()) == src.Approved
	lost, already := 0, 0
	for path, row := range was {
		if is[path] != "" {
			continue
		}
		if !rows[row] {
			lost++
		}
		if !approved && !c.account(src.Name).was(path, at, false, c.selectionsOf(src.Name, at)) {
			wrong("%s is claimed no more, which its account has had all the time", path)
		}
	}
	for _, loss := range c.losses[src.ID] {
		if view.Now().Sub(loss.at) < 23*time.Hour { // those of the 24th are counted by the hour
			already += loss.n
		}
	}
	if may := max(4, (len(was)+already)/10); lost > 0 && !approved && already+lost > may {
		wrong("it has lost %d in a day, of %d", already+lost, len(was)+already)
	}
	if lost > 0 && !approved {
		c.losses[src.ID] = append(c.losses[src.ID], loss{view.Now(), lost})
	}
	if done := l.GetDone(); done != nil && next != nil && done.GetError() == "" && next.Version != src.Version {
		c.listings++
		if n := int(done.GetLeft()); n > 0 {
			c.losses[src.ID] = append(c.losses[src.ID], loss{view.Now(), n})
		}
		held := int(done.GetHold().GetLost())
		for _, loss := range c.losses[src.ID] {
			if age := view.Now().Sub(loss.at); age >= 23*time.Hour && age <= 25*time.Hour {
				already += loss.n
			}
		}
		if done.Hold != nil {
			c.holds++
			if held+lost+already <= max(4, (len(is)+already)/10) && (done.GetEntries() > 0 || !src.IsForge()) {
				wrong("%d are held back, of %d, with %d lost before", held, len(is), already)
			}
		}
	}
	return flaws
}

// selectionsOf are those that a source has had within listingBound up to then.
func (c *chronicle) selectionsOf(name string, until time.Time) (list []*command.Selection) {
	versions := c.sources[name]
	for i, v := range versions {
		if !v.at.After(until) && (i+1 == len(versions) || versions[i+1].at.After(until.Add(-listingBound))) {
			list = append(list, v.selection)
		}
	}
	return list
}

// was tells whether what has a number of the forge was wanted, or was not, at some moment within listingBound up to then.
func (a *account) was(path string, until time.Time, is bool, by []*command.Selection) bool {
	digits, _, _ := strings.Cut(path, "@") // behind which is when it was made
	number, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || a == nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	turns := a.past[number]
	if number > firstProjects { // those were there before anybody asked
		turns = append([]turn{{}}, turns...)
	}
	for i, t := range turns {
		if t.at.After(until) || i+1 < len(turns) && !turns[i+1].at.After(until.Add(-listingBound)) {
			continue
		}
		if slices.ContainsFunc(by, func(s *command.Selection) bool { return wants(s, t.is) == is }) {
			return true
		}
	}
	return false
}

// againstSources says which nodes have asked forges that had no business there.
func (r *run) againstSources(log *chronicle) (flaws []string) {
	for _, a := range r.w.everyAccount() {
		first := 0 // the first contact that was less than failover before
		for _, now := range a.lists {
			for now.at.Sub(a.lists[first].at) > failover {
				first++
			}
			from := a.lists[first].index
			if !log.sourceBetween(a.name, from, func(v sourceVersion) bool { return v.owner == now.node }) {
				flaws = append(flaws, fmt.Sprintf("%s: %s lists %s, which has not been for it to list for %s", now.at.Format(time.TimeOnly), now.node, a.name, failover))
			}
			if now.bare && !log.sourceBetween(a.name, from, func(v sourceVersion) bool { return !v.with }) {
				flaws = append(flaws, fmt.Sprintf("%s: %s lists %s without a credential, which was listed with one", now.at.Format(time.TimeOnly), now.node, a.name))
			}
		}
	}
	return flaws
}
