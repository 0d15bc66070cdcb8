package server

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/giturl"
	"gitmirror/internal/refusal"
	"gitmirror/peer"
)

// NewSource is what somebody asks to be a source: an index repository, or an account of a forge.
type NewSource struct {
	URL, Name, Namespace, Ref, Path string
	Forge                           *command.Forge // in the place of the url; nil for an index
}

func (s *Server) sources(w http.ResponseWriter, r *http.Request) error {
	view := s.cfg.State.View()
	out := api.SourceList{Sources: []api.Source{}}
	for _, src := range view.Sources() {
		out.Sources = append(out.Sources, sourceOf(view, src))
	}
	return writeJSON(w, http.StatusOK, out)
}

func (s *Server) source(w http.ResponseWriter, r *http.Request) error {
	view, src, err := s.namedSource(r)
	if err != nil {
		return err
	}
	out := sourceOf(view, src)
	out.Repos = heldRepos(view, src)
	if index := view.Repo(src.Index); index != nil && !src.Paused {
		owns := func(n *fsm.Node) []string {
			if n.Num != index.Owner {
				return nil
			}
			return []string{index.ID}
		}
		s.ask(r.Context(), view, owns, func(_ *fsm.Node, a peer.LiveAnswer) { out.Next = timeOf(a.Repos[index.ID].NextCheck) })
	}
	return writeJSON(w, http.StatusOK, out)
}

// shownHeld is how many held repos of a source are told of.
const shownHeld = 20

// heldRepos are those of a source's repos that are held, nil where none is.
func heldRepos(view *fsm.View, src *fsm.Source) *api.HeldRepos {
	out := &api.HeldRepos{First: []api.HeldRepo{}}
	view.Repos("", func(row *fsm.Repo) bool {
		if row.Hold == nil || !slices.ContainsFunc(view.ClaimsOn(row.ID), func(c *fsm.Claim) bool { return c.Source == src.Num }) {
			return true
		}
		if out.Total++; len(out.First) < shownHeld {
			out.First = append(out.First, api.HeldRepo{Name: row.Name, URL: row.URLs()[0], Since: row.Hold.Since, Message: holdOf(row).Message})
		}
		return true
	})
	if out.Total == 0 {
		return nil
	}
	return out
}

func (s *Server) addSource(w http.ResponseWriter, r *http.Request) error {
	var a api.AddSource
	if err := decode(r, &a); err != nil {
		return err
	}
	n := NewSource{URL: a.URL, Name: a.Name, Namespace: a.Namespace, Ref: a.Ref, Path: a.Path}
	if a.Kind != api.SourceIndex {
		var err error
		if n.Forge, err = newForge(a); err != nil {
			return err
		}
	} else if a.Account != "" || a.BaseURL != "" || a.Selection != nil {
		return refusal.New(refusal.SourceInvalid, "an index has no account, base url or selection").Try("give its url")
	}
	name, err := s.cfg.Writer.AddSource(r.Context(), n, key(r))
	if err != nil {
		return err
	}
	return s.writtenSource(w, http.StatusCreated, name)
}

func (s *Server) setSource(w http.ResponseWriter, r *http.Request) error {
	var set api.SetSource
	if err := decode(r, &set); err != nil {
		return err
	}
	c := &command.SetSource{Ref: set.Ref, Path: set.Path, Paused: set.Paused}
	if set.Selection != nil {
		var err error
		if c.Selection, err = readSelection(set.Selection); err != nil {
			return err
		}
	}
	return s.changeSource(w, r, c)
}

// syncSource has an index asked, and read again though it may be the same; a forge is listed now.
func (s *Server) syncSource(w http.ResponseWriter, r *http.Request) error {
	if err := noBody(w, r); err != nil {
		return err
	}
	view, src, err := s.namedSource(r)
	if err != nil {
		return err
	}
	if row := view.Repo(src.Index); row != nil {
		_, _ = s.syncRow(r.Context(), view, row, 0) // who cannot be asked now will ask by himself
	}
	return s.changeSource(w, r, &command.SetSource{Again: src.Again + 1})
}

func (s *Server) changeSource(w http.ResponseWriter, r *http.Request, c *command.SetSource) error {
	_, src, err := s.namedSource(r)
	if err != nil {
		return err
	}
	switch {
	case src.IsForge() && (c.Ref != nil || c.Path != nil):
		return refusal.New(refusal.SourceInvalid, "%s is an account of a forge, which has no ref and no path", src.Name).Try("choose of it with --match, --exclude and the like: gitmirror source set --help")
	case !src.IsForge() && c.Selection != nil:
		return refusal.New(refusal.SourceInvalid, "%s is an index, and all that it lists is mirrored", src.Name).Try("change what it lists, or read a part of it with --path")
	}
	c.Id = src.ID
	if err := s.cfg.Writer.Do(r.Context(), c, key(r)); err != nil {
		return err
	}
	return s.writtenSource(w, http.StatusOK, src.Name)
}

func (s *Server) approveSource(w http.ResponseWriter, r *http.Request) error {
	var a api.ApproveSource
	if err := decode(r, &a); err != nil {
		return err
	}
	_, src, err := s.namedSource(r)
	if err != nil {
		return err
	}
	digest, err := hex.DecodeString(a.Digest)
	if err != nil || len(digest) == 0 {
		return refusal.New(refusal.DigestInvalid, "%.60q is not what source show says of a hold", a.Digest).Try("gitmirror source show %s", src.Name)
	}
	if err := s.cfg.Writer.Do(r.Context(), &command.ApproveSource{Id: src.ID, Digest: digest}, key(r)); err != nil {
		if r := refusal.Of(err); r != nil && (r.Code == refusal.StaleHold || r.Code == refusal.NotHeld) {
			err = r.Try("gitmirror source show %s", src.Name)
		}
		return err
	}
	return s.writtenSource(w, http.StatusOK, src.Name)
}

func (s *Server) removeSource(w http.ResponseWriter, r *http.Request) error {
	_, src, err := s.namedSource(r)
	if err != nil {
		return err
	}
	if err := s.cfg.Writer.Do(r.Context(), &command.RemoveSource{Id: src.ID}, key(r)); err != nil {
		return err
	}
	s.stamp(w)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) namedSource(r *http.Request) (*fsm.View, *fsm.Source, error) {
	view, name := s.cfg.State.View(), giturl.NormalName(r.PathValue("name"))
	src := view.SourceByName(name)
	if src == nil {
		src = view.SourceByID(name)
	}
	if src == nil {
		return nil, nil, notFound("source", name)
	}
	return view, src, nil
}

func (s *Server) writtenSource(w http.ResponseWriter, status int, name string) error {
	s.stamp(w)
	view := s.cfg.State.View()
	src := view.SourceByName(name)
	if src == nil {
		return notFound("source", name)
	}
	return writeJSON(w, status, sourceOf(view, src))
}

func sourceOf(view *fsm.View, src *fsm.Source) api.Source {
	out := api.Source{Name: src.Name, ID: src.ID, Kind: api.SourceIndex, Namespace: src.Namespace, Ref: src.Ref, Path: src.Path, Claims: view.ClaimsLen(src.Num), Credentials: []string{}, Unusable: map[string]string{}, AddedAt: src.AddedAt}
	row := view.Repo(src.Index)
	if row != nil {
		out.URL, out.Index = row.URLs()[0], row.Name
		if n := view.Node(row.Owner); n != nil {
			out.Owner = n.Name
		}
	}
	if src.IsForge() {
		forgeOf(view, src, &out)
	}
	if l := src.Listed; l != nil {
		out.Listing = &api.Listing{At: src.ListedAt, Generation: l.GetGeneration(), Entries: int(l.GetEntries()), Added: int(l.GetAdded()), Changed: int(l.GetChanged()),
			Removed: int(l.GetGone()), Kept: int(l.GetKept()), Skipped: int(l.GetSkipped()), Flaws: []api.Flaw{}, FlawsTotal: int(l.GetFlawsTotal())}
		for _, f := range l.GetFlaws() {
			out.Listing.Flaws = append(out.Listing.Flaws, api.Flaw{File: f.GetFile(), Line: int(f.GetLine()), Why: f.GetWhy(), Hint: f.GetTry()})
		}
		flawsBelow(view, src, out.Listing)
	}
	if h := view.Hold(src); h != nil {
		out.Hold = &api.SourceHold{Since: h.Since, Lost: h.Lost, Earlier: src.Lost(view.Now()), First: append([]string{}, h.First...), Digest: hex.EncodeToString(h.Digest), Approved: h.Approved}
	}
	if u := view.Underway(src); u != nil {
		out.Underway = &api.Underway{Since: u.Since, Pages: u.Pages, Found: u.Found, Changed: u.Changed, Until: timeOf(u.Until), Trouble: u.Trouble}
	}
	out.State, out.Reason = sourceState(view, src, row)
	out.Since = timeOf(sourceSince(view, src, row, out.State))
	return out
}

// flawsBelow adds what of submodules cannot be followed.
func flawsBelow(view *fsm.View, src *fsm.Source, l *api.Listing) {
	view.Flawed(src.Num, func(c *fsm.Claim) bool {
		if l.FlawsTotal++; len(l.Flaws) < shownFlaws {
			l.Flaws = append(l.Flaws, api.Flaw{File: c.Path, Why: "its submodules: " + c.SubmodulesFlaw})
		}
		return true
	})
}

// shownFlaws is how many errors of a listing are told.
const shownFlaws = 100

// sourceState says how a source is, the worst first.
func sourceState(view *fsm.View, src *fsm.Source, row *fsm.Repo) (state, reason string) {
	if src.IsForge() {
		return forgeState(view, src)
	}
	switch {
	case src.Removing:
		return api.SourceRemoving, ""
	case src.Paused:
		return api.SourcePaused, ""
	case row != nil && row.Error != nil:
		return api.SourceFailing, fmt.Sprintf("its index %s cannot be followed: %s: %s", row.Name, row.Error.Class, row.Error.Message)
	case row != nil && row.Hold != nil:
		return api.SourceFailing, fmt.Sprintf("its index %s is held (%s): gitmirror repo show %s", row.Name, row.Hold.Reason, row.Name)
	case src.Error != "":
		return api.SourceFailing, src.Error
	case row == nil || row.Generation == 0:
		return api.SourceWaiting, "its index is not cloned yet"
	case src.Wants(row) && view.Node(row.Owner) == nil:
		return api.SourceWaiting, "no node owns its index"
	case src.Wants(row) && !view.Node(row.Owner).Serves():
		return api.SourceWaiting, cannotRead(view.Node(row.Owner))
	case src.Wants(row):
		return aboutToBe(view, src)
	}
	return heldOr(view, src)
}

// cannotRead is why an index is not read that a node owns.
func cannotRead(owner *fsm.Node) string {
	if owner.Sick != nil {
		return fmt.Sprintf("%s owns its index, and cannot read its copies: look after its disk (gitmirror status)", owner.Name)
	}
	return owner.Name + " owns its index, and does not answer"
}

// aboutToBe is how a source is that is to be listed.
func aboutToBe(view *fsm.View, src *fsm.Source) (state, reason string) {
	if u := view.Underway(src); u != nil {
		return api.SourceListing, u.Trouble
	}
	return api.SourceWaiting, "it is about to be listed"
}

// heldOr is how a source is of which a person may be asked something, and that is as it should be otherwise.
func heldOr(view *fsm.View, src *fsm.Source) (state, reason string) {
	switch hold := view.Hold(src); {
	case hold != nil && hold.Approved:
		return api.SourceWaiting, "what is approved is about to go"
	case hold != nil:
		return api.SourceHeld, ""
	}
	return api.SourceListed, ""
}

// sourceSince is since when a source is in the state that is shown, the zero time where that is not told.
func sourceSince(view *fsm.View, src *fsm.Source, row *fsm.Repo, state string) time.Time {
	switch state {
	case api.SourceHeld:
		return view.Hold(src).Since
	case api.SourceListing:
		return view.Underway(src).Since
	case api.SourceFailing:
		return failingSince(src, row)
	}
	return time.Time{}
}

// failingSince is since when a source that is failing cannot be listed.
func failingSince(src *fsm.Source, row *fsm.Repo) time.Time {
	switch {
	case row != nil && row.Error != nil:
		return row.Error.Since
	case row != nil && row.Hold != nil:
		return row.Hold.Since
	}
	return src.ErrorAt
}

// originsOf says whose a row's settings are.
func originsOf(view *fsm.View, row *fsm.Repo) []api.Origin {
	list := []api.Origin{}
	for _, o := range view.Origins(row) {
		out := api.Origin{Setting: o.Setting}
		if o.Source != 0 {
			src := view.SourceByNum(o.Source)
			if src == nil {
				continue
			}
			out.Source = src.Name
		}
		list = append(list, out)
	}
	return list
}

// wantedBy names the sources that want a row that is there.
func wantedBy(view *fsm.View, id string) (names []string) {
	if row := view.Repo(id); row == nil || row.Removed {
		return nil
	}
	for _, c := range view.ClaimsOn(id) {
		if src := view.SourceByNum(c.Source); src != nil && !slices.Contains(names, src.Name) {
			names = append(names, src.Name)
		}
	}
	return names
}

// claimsOf are the sources that want a row.
func claimsOf(view *fsm.View, row *fsm.Repo) []api.Claim {
	list := []api.Claim{}
	if row.Sourced == nil {
		return list
	}
	for _, c := range view.ClaimsOn(row.ID) {
		if src := view.SourceByNum(c.Source); src != nil {
			list = append(list, api.Claim{Source: src.Name, Path: c.Path, File: c.File, SubmodulesError: c.SubmodulesFlaw, Extra: json.RawMessage(slices.Clone([]byte(c.Extra)))})
			if c.Extra == "" {
				list[len(list)-1].Extra = nil
			}
		}
	}
	return list
}
