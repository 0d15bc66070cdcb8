package server

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/refusal"
	"gitmirror/source/forge"
)

// newForge reads what somebody asks to be a source that is a forge.
func newForge(a api.AddSource) (*command.Forge, error) {
	if _, err := forge.ParseKind(a.Kind); err != nil {
		return nil, refusal.New(refusal.SourceInvalid, "%q is no kind of source", clip(a.Kind))
	}
	if a.URL != "" || a.Ref != "" || a.Path != "" || a.Namespace != "" {
		return nil, refusal.New(refusal.SourceInvalid, "a forge has no url, ref, path or namespace").Try("give its account, base_url and selection; a template says what is called how")
	}
	account, err := forge.Account{Kind: forge.Kind(a.Kind), Base: a.BaseURL, Name: a.Account}.Admit()
	if err != nil {
		return nil, err
	}
	if a.Selection == nil {
		a.Selection = &api.Selection{}
	}
	selection, err := readSelection(a.Selection)
	return &command.Forge{Kind: string(account.Kind), Base: account.Base, Account: account.Name, Selection: selection}, err
}

// readSelection reads what is wanted of a forge.
func readSelection(s *api.Selection) (*command.Selection, error) {
	_, err := forge.Selection{Match: s.Match, Exclude: s.Exclude, Topics: s.Topics, Visibility: s.Visibility, SkipArchived: s.SkipArchived, SkipForks: s.SkipForks, MaxSize: s.MaxRepoSize, Wiki: s.Wiki, Template: s.Template}.Read()
	return &command.Selection{Match: s.Match, Exclude: s.Exclude, Topics: s.Topics, Visibility: s.Visibility, SkipArchived: s.SkipArchived, SkipForks: s.SkipForks, MaxSize: s.MaxRepoSize, Wiki: s.Wiki, Template: s.Template}, err
}

// forgeOf adds to a source what a forge has.
func forgeOf(view *fsm.View, src *fsm.Source, out *api.Source) {
	f, s := src.Forge, src.Forge.GetSelection()
	out.Kind, out.Account, out.URL = f.GetKind(), f.GetAccount(), f.GetBase()
	out.Selection = &api.Selection{Match: s.GetMatch(), Exclude: s.GetExclude(), Topics: append([]string{}, s.GetTopics()...), Visibility: append([]string{}, s.GetVisibility()...),
		SkipArchived: s.GetSkipArchived(), SkipForks: s.GetSkipForks(), MaxRepoSize: s.GetMaxSize(), Wiki: s.GetWiki(), Template: s.GetTemplate()}
	if len(out.Selection.Visibility) == 0 {
		out.Selection.Visibility = []string{forge.Public}
	}
	if out.Selection.Template == "" {
		out.Selection.Template = forge.DefaultTemplate
	}
	if n := view.Node(src.Owner); n != nil {
		out.Owner = n.Name
	}
	list, with := view.Listers(src)
	if out.WithCredential = with; with {
		for _, n := range list {
			out.Credentials = append(out.Credentials, n.Name)
		}
	}
	for _, n := range view.Nodes() {
		if why := n.CannotUse(src.Name); why != "" && n.State != fsm.NodeLeft {
			out.Unusable[n.Name] = why
		}
	}
	if at, ever := src.NextListing(view.Now()); ever && barred(view, src) == "" {
		if at.IsZero() {
			at = view.Now()
		}
		out.Next = timeOf(at)
	}
}

// forgeState says how a source is that is a forge, the worst first.
func forgeState(view *fsm.View, src *fsm.Source) (state, reason string) {
	at, _ := src.NextListing(view.Now())
	due := !at.After(view.Now())
	nobody, owner := barred(view, src), view.Node(src.Owner)
	switch {
	case src.Removing:
		return api.SourceRemoving, ""
	case src.Paused:
		return api.SourcePaused, ""
	case nobody != "":
		return api.SourceWaiting, "it is not listed while " + nobody
	case src.Failed.GetLimited() && due:
		return aboutToBe(view, src)
	case src.Failed.GetLimited():
		return api.SourceWaiting, fmt.Sprintf("%s: until %s", src.Error, at.UTC().Format(time.RFC3339))
	case src.Error != "":
		return api.SourceFailing, src.Error
	case src.Hold != nil && !(due && src.Approved != ""):
		return heldOr(view, src)
	case due && (owner == nil || !owner.State.Live()):
		return api.SourceWaiting, "no node lists it yet"
	case due:
		return aboutToBe(view, src)
	}
	return heldOr(view, src)
}

// barred says why no node may list a forge now; empty where one may.
func barred(view *fsm.View, src *fsm.Source) string {
	list, withCredential := view.Listers(src)
	names, cannot := down(list), cannotUse(view, src)
	switch {
	case len(names) < len(list):
		return ""
	case !withCredential:
		return "no node lives"
	case len(list) > 0:
		return "no node lives that has its credential: " + strings.Join(names, ", ")
	case cannot != "":
		return "no node can use its credential: " + cannot
	}
	return "no node has its credential, with which it was listed: start one with --source-token for it, or add the source anew"
}

// cannotUse says which nodes cannot use the credential of a source that they were given, and why.
func cannotUse(view *fsm.View, src *fsm.Source) string {
	var list []string
	for _, n := range view.Nodes() {
		if why := n.CannotUse(src.Name); why != "" && n.State != fsm.NodeLeft {
			list = append(list, n.Name+": "+why)
		}
	}
	return strings.Join(list, "; ")
}

// down are the names of nodes that do not live.
func down(list []*fsm.Node) (names []string) {
	for _, n := range list {
		if !n.State.Live() {
			names = append(names, n.Name)
		}
	}
	slices.Sort(names)
	return names
}
