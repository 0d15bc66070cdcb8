package server

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
)

// refs is a page of a repo's refs, live and kept, from whoever has a copy.
func (s *Server) refs(w http.ResponseWriter, r *http.Request) error {
	v := r.URL.Query()
	limit, err := limitOf(v)
	if err == nil && v.Get("kept") != "" && v.Get("kept") != "true" && v.Get("kept") != "false" {
		err = refusal.New(refusal.QueryInvalid, "kept is true or false")
	}
	if err != nil {
		return err
	}
	view, row, err := s.named(r)
	if err != nil {
		return err
	}
	list, err := s.refsOf(r.Context(), view, row, api.RefQuery{Pattern: v.Get("q"), Kept: v.Get("kept") == "true", Limit: limit, Cursor: v.Get("cursor")})
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, list)
}

// refsOf asks this node's copy, if it has what is published, else those of others.
func (s *Server) refsOf(ctx context.Context, view *fsm.View, row *fsm.Repo, q api.RefQuery) (api.RefList, error) {
	copies := slices.Clone(row.Copies)
	self := view.NodeByID(s.cfg.Self)
	slices.SortStableFunc(copies, func(a, b fsm.Copy) int {
		return cmp.Or(cmp.Compare(b.Generation, a.Generation), first(self != nil && a.Node == self.Num, self != nil && b.Node == self.Num))
	})
	var last error
	for _, c := range copies {
		n := view.Node(c.Node)
		if n == nil || !n.Serves() || c.State != fsm.CopyReady {
			continue
		}
		var list api.RefList
		var err error
		if n.ID == s.cfg.Self {
			list, err = s.cfg.Local.Refs(ctx, row.ID, q)
		} else {
			list, err = s.cfg.Peers.Refs(ctx, n.Peer, row.ID, q)
		}
		if r := refusal.Of(err); err == nil || r != nil && r.HTTP() == http.StatusBadRequest {
			list.Repo = row.Name
			for i, r := range list.Refs {
				list.Refs[i].Pinned = !r.Kept && slices.ContainsFunc(row.Pins, func(p fsm.Pin) bool { return p.Ref == r.Ref })
			}
			return list, err
		}
		last = err
	}
	if errors.Is(last, refusal.Busy) {
		return api.RefList{}, last
	}
	p := refusal.New(refusal.NoCopy, "no node that lives has a copy of %s", row.Name).Try("gitmirror repo show %s", row.Name)
	if last != nil {
		p.Detail += ": " + last.Error()
	}
	return api.RefList{}, p
}

// first orders what is true before what is not.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// approve has upstream followed in what the caller has seen.
func (s *Server) approve(w http.ResponseWriter, r *http.Request) error {
	var a api.Approve
	if err := decode(r, &a); err != nil {
		return err
	}
	c := &command.Approve{}
	for _, d := range []struct {
		hex string
		to  *[]byte
	}{{a.Losses, &c.Losses}, {a.Observed, &c.Observed}} {
		digest, err := fsm.ParseDigest(d.hex)
		if d.hex == "" {
			continue
		}
		if err != nil {
			return refusal.New(refusal.DigestInvalid, "%.60q is not what repo show says of a hold", d.hex)
		}
		*d.to = digest[:]
	}
	for _, rel := range a.Release {
		if u := rel.Upstream; u != nil && *u != "" && !wholeOID(*u) {
			return refusal.New(refusal.OIDInvalid, "%.60q is not what repo show says upstream has at %.120q", *u, rel.Ref)
		}
		c.Release = append(c.Release, &command.Release{Ref: rel.Ref, Upstream: rel.Upstream})
	}
	_, row, err := s.named(r)
	if err != nil {
		return err
	}
	c.Repo = row.ID
	if err := s.cfg.Writer.Do(r.Context(), c, key(r)); err != nil {
		if r := refusal.Of(err); r != nil && (r.Code == refusal.StaleHold || r.Code == refusal.NotHeld) {
			err = r.Try("gitmirror repo show %s", row.Name)
		}
		return err
	}
	return s.written(w, row)
}

// restore sets a ref back to a tip that is kept, where it stays.
func (s *Server) restore(w http.ResponseWriter, r *http.Request) error {
	var rs api.Restore
	if err := decode(r, &rs); err != nil {
		return err
	}
	view, row, err := s.named(r)
	if err != nil {
		return err
	}
	pin, err := s.restored(r.Context(), view, row, rs)
	if err == nil {
		err = s.cfg.Writer.Do(r.Context(), &command.Pin{Repo: row.ID, Ref: pin.Ref, Oid: pin.OID}, key(r))
	}
	if err != nil {
		return err
	}
	s.stamp(w)
	// A repeated request is answered as the first: with what is pinned.
	if row = s.cfg.State.View().Repo(row.ID); row != nil {
		if i := slices.IndexFunc(row.Pins, func(p fsm.Pin) bool { return p.Ref == pin.Ref }); i >= 0 {
			pin.OID = row.Pins[i].OID
		}
	}
	return writeJSON(w, http.StatusOK, pin)
}

func wholeOID(s string) bool { return len(s) == 40 && strings.Trim(s, "0123456789abcdef") == "" }

// leastOID is how many digits of an object id are taken for one.
const leastOID = 7

// restored finds which ref is meant, and which tip.
func (s *Server) restored(ctx context.Context, view *fsm.View, row *fsm.Repo, rs api.Restore) (api.Pin, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	to := strings.ToLower(rs.To)
	hint := "gitmirror repo refs " + row.Name + " --kept"
	switch {
	case rs.Ref == "":
		return api.Pin{}, refusal.New(refusal.RefMissing, "ref is missing: which one is to be set back?")
	case rs.Ref == "HEAD":
		return api.Pin{}, refusal.New(refusal.RefInvalid, "HEAD cannot be set back: it is where upstream has it; set back the branch that it led to").Try("%s", hint)
	case strings.HasPrefix(rs.Ref, "refs/gitmirror/"):
		return api.Pin{}, refusal.New(refusal.RefInvalid, "%.120q is the mirror's own; give the name that the ref had", rs.Ref)
	case to != "" && (len(to) < leastOID || len(to) > 40 || strings.Trim(to, "0123456789abcdef") != ""):
		return api.Pin{}, refusal.New(refusal.OIDInvalid, "%.60q is no object id, nor %d digits of one or more", rs.To, leastOID)
	}
	for _, name := range []string{rs.Ref, "refs/heads/" + rs.Ref, "refs/tags/" + rs.Ref} {
		if i := slices.IndexFunc(row.Pins, func(p fsm.Pin) bool { return p.Ref == name }); i >= 0 && to == "" {
			return api.Pin{Ref: name, OID: row.Pins[i].OID}, nil // it has been set back already
		}
		all, err := s.allRefs(ctx, view, row, name)
		if err != nil {
			return api.Pin{}, err
		}
		live, kept, matches := "", 0, []string{}
		for _, r := range all {
			switch {
			case r.Ref != name:
			case !r.Kept:
				live = r.OID
			default:
				kept++
			}
			if r.Ref == name && (to == "" && r.Kept || to != "" && strings.HasPrefix(r.OID, to)) && !slices.Contains(matches, r.OID) {
				matches = append(matches, r.OID)
			}
		}
		switch {
		case live == "" && kept == 0:
			continue
		case len(matches) == 0 && to == "":
			return api.Pin{}, refusal.New(refusal.NotKept, "no earlier tip of %s is kept", name).Try("%s", hint)
		case len(matches) == 0:
			return api.Pin{}, refusal.New(refusal.NotKept, "%s was never at %s, as far as it is kept", name, to).Try("%s", hint)
		case to != "" && len(matches) > 1:
			return api.Pin{}, refusal.New(refusal.OIDAmbiguous, "%s names %d tips of %s: give more of it", to, len(matches), name)
		}
		if other := s.inTheWay(ctx, view, row, name); other != "" {
			return api.Pin{}, refusal.New(refusal.ConflictRef, "%s is there now, and cannot be beside %s", other, name).Try("%s", hint)
		}
		return api.Pin{Ref: name, OID: matches[0]}, nil
	}
	return api.Pin{}, refusal.New(refusal.NotKept, "there is no ref %.200q in %s, and none is kept", rs.Ref, row.Name).Try("%s", hint)
}

// allRefs lists the refs, live and kept, whose names have that text in them. What is
// special in a pattern is lawful in no ref.
func (s *Server) allRefs(ctx context.Context, view *fsm.View, row *fsm.Repo, text string) (all []api.Ref, err error) {
	if strings.ContainsAny(text, "*?[") {
		return nil, nil
	}
	for q := (api.RefQuery{Limit: maxPage, Pattern: text}); ; {
		page, err := s.refsOf(ctx, view, row, q)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Refs...)
		if q.Cursor = page.NextCursor; q.Cursor == "" {
			return all, nil
		}
	}
}

// inTheWay names a live ref that is a directory of name, or the other way round.
func (s *Server) inTheWay(ctx context.Context, view *fsm.View, row *fsm.Repo, name string) string {
	for text := name + "/"; strings.Count(text, "/") > 1; text = text[:strings.LastIndexByte(text, '/')] {
		list, err := s.allRefs(ctx, view, row, text)
		if err != nil {
			return "" // whoever is to publish it finds out
		}
		for _, r := range list {
			if !r.Kept && (strings.HasPrefix(r.Ref, name+"/") || strings.HasPrefix(name, r.Ref+"/")) {
				return r.Ref
			}
		}
	}
	return ""
}

// holdOf is a hold as the API shows it.
func holdOf(r *fsm.Repo) *api.Hold {
	h := r.Hold
	if h == nil {
		return nil
	}
	out := &api.Hold{Reason: h.Reason, Since: h.Since, Lost: int(h.Lost), Settled: int(h.Settled), First: changesOf(h.First[:min(len(h.First), api.MostLosses)]), Losses: digestText(h.Losses), Observed: digestText(h.Observed)}
	out.Message = out.Describe(r.Name)
	if r.Approved != nil {
		out.Approved = timeOf(r.Approved.At)
	}
	return out
}

func digestText(d fsm.Digest) string {
	if d.IsZero() {
		return ""
	}
	return d.String()
}

var kinds = map[command.ChangeKind]string{
	command.ChangeKind_CHANGE_KIND_CREATED: "created",
	command.ChangeKind_CHANGE_KIND_UPDATED: "updated",
	command.ChangeKind_CHANGE_KIND_FORCED:  "forced",
	command.ChangeKind_CHANGE_KIND_DELETED: "deleted",
}

func changesOf(changes []*command.Change) []api.Change {
	list := []api.Change{}
	for _, c := range changes {
		list = append(list, api.Change{Ref: c.GetRef(), Old: c.GetOld(), New: c.GetNew(), Kind: kinds[c.GetKind()]})
	}
	return list
}

// releasedOf are the pins that were released, and wait for a check.
func releasedOf(r *fsm.Repo) []api.Release {
	list := []api.Release{}
	for _, rel := range r.Released {
		list = append(list, api.Release{Ref: rel.Ref, Upstream: rel.Upstream})
	}
	return list
}

// pinsOf are the pins of a row, with what the owner, if it answered, knows of upstream.
func pinsOf(r *fsm.Repo, live []api.Pin) []api.Pin {
	list := []api.Pin{}
	for _, p := range r.Pins {
		shown := api.Pin{Ref: p.Ref, OID: p.OID}
		for _, l := range live {
			if l.Ref == p.Ref {
				shown.Upstream, shown.Missing = l.Upstream, l.Missing
			}
		}
		list = append(list, shown)
	}
	return list
}
