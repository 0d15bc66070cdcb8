package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gitmirror/api"
	"gitmirror/internal/giturl"
	"gitmirror/internal/refusal"
	"gitmirror/source/forge"
)

// sourceThere is what is a source already, where it is as it is asked for, and else what is wrong.
func sourceThere(ctx context.Context, s *session, a api.AddSource, err error) (*api.Source, error) {
	var p *api.Problem
	if !errors.As(err, &p) || !is(p, refusal.ConflictName) || p.Existing == "" {
		return nil, err
	}
	src, failed := s.client.Source(ctx, p.Existing)
	if failed != nil || !sameOrigin(src, a) || src.State == api.SourceRemoving {
		return nil, err
	}
	list, set := sourceDifferences(src, a)
	if len(list) == 0 {
		return src, nil
	}
	f := &Failure{What: src.Name + " is a source already, with other settings", Cause: strings.Join(list, ", "), Code: p.Code, Exit: exitConflict,
		Try: s.command("source show %s", src.Name)}
	if len(set) > 0 {
		f.Try = s.command("source set %s %s", src.Name, strings.Join(set, " "))
	}
	return nil, f
}

// sameOrigin tells whether a source is the index, or the account, that is asked for.
func sameOrigin(src *api.Source, a api.AddSource) bool {
	if src.Kind != a.Kind {
		return false
	}
	if a.Kind == api.SourceIndex {
		is, err := giturl.Parse(src.URL)
		asked, wrong := giturl.Parse(a.URL)
		return err == nil && wrong == nil && is.Key() == asked.Key()
	}
	asked, err := account(a.Kind, a.Account, a.BaseURL)
	return err == nil && src.URL == asked.Base && strings.EqualFold(src.Account, asked.Name)
}

// sourceDifferences says where a source is otherwise than it is asked for, and by which flags of gitmirror source set
// it becomes so; a namespace does not.
func sourceDifferences(src *api.Source, a api.AddSource) (list, set []string) {
	differs := func(what, is, wanted string) bool {
		if is != wanted {
			list = append(list, fmt.Sprintf("%s %s -> %s", what, cmp.Or(is, "none"), cmp.Or(wanted, "none")))
		}
		return is != wanted
	}
	note := func(flag, is, wanted string) {
		if differs(flag, is, wanted) {
			set = append(set, "--"+flag+" "+shellWord(wanted))
		}
	}
	differs("namespace", src.Namespace, strings.Trim(giturl.NormalName(a.Namespace), "/"))
	note("ref", src.Ref, a.Ref)
	note("path", src.Path, strings.Trim(a.Path, "/"))
	is, wanted := src.Selection, a.Selection
	if is == nil || wanted == nil {
		return list, set
	}
	words := func(flag string, is, wanted []string) {
		if !differs(flag, strings.Join(is, " or "), strings.Join(wanted, " or ")) {
			return
		}
		for _, w := range wanted {
			set = append(set, "--"+flag+" "+shellWord(w))
		}
		if len(wanted) == 0 {
			set = append(set, "--"+flag+" ''")
		}
	}
	whether := func(flag string, is, wanted bool) {
		if differs(flag, strconv.FormatBool(is), strconv.FormatBool(wanted)) {
			set = append(set, "--"+flag+"="+strconv.FormatBool(wanted))
		}
	}
	note("match", is.Match, wanted.Match)
	note("exclude", is.Exclude, wanted.Exclude)
	words("topic", inAnyOrder(is.Topics), inAnyOrder(wanted.Topics))
	words("visibility", visibleTo(is), visibleTo(wanted))
	whether("skip-archived", is.SkipArchived, wanted.SkipArchived)
	whether("skip-forks", is.SkipForks, wanted.SkipForks)
	note("max-repo-size", strconv.FormatInt(is.MaxRepoSize, 10), strconv.FormatInt(wanted.MaxRepoSize, 10))
	whether("wiki", is.Wiki, wanted.Wiki)
	note("template", cmp.Or(is.Template, forge.DefaultTemplate), cmp.Or(wanted.Template, forge.DefaultTemplate))
	return list, set
}

// visibleTo is who may see what is wanted.
func visibleTo(s *api.Selection) []string {
	if len(s.Visibility) == 0 {
		return []string{forge.Public}
	}
	return inAnyOrder(s.Visibility)
}

// inAnyOrder are words that mean the same in any order.
func inAnyOrder(words []string) []string { return slices.Compact(slices.Sorted(slices.Values(words))) }
