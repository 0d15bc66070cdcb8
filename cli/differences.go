package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gitmirror/api"
)

// differences says where a repository is otherwise than it shall be, field by field.
func differences(r *api.Repo, set api.SetRepo) (list []string) {
	note := func(what, is, wanted string) {
		if is != wanted {
			list = append(list, fmt.Sprintf("%s %s -> %s", what, is, wanted))
		}
	}
	wanted := set.On(r.Policy)
	for _, f := range policyFields {
		note(f.flag.Names()[0], f.is(r.Policy), f.is(wanted))
	}
	if set.Name != nil {
		note("name", r.Name, *set.Name)
	}
	if set.Aliases != nil {
		note("alias", orNone(r.Aliases), orNone(*set.Aliases))
	}
	if set.URLs != nil {
		note("url", strings.Join(r.URLs, " "), strings.Join(*set.URLs, " "))
	}
	for _, key := range slices.Sorted(maps.Keys(set.Labels)) {
		is, there := r.Labels[key]
		if !there {
			is = "none"
		}
		to := "none"
		if set.Labels[key] != nil {
			to = *set.Labels[key]
		}
		if there == (set.Labels[key] != nil) && is == to {
			continue
		}
		list = append(list, fmt.Sprintf("label %s %s -> %s", key, is, to))
	}
	if set.Paused != nil {
		note("paused", fmt.Sprint(r.Paused), fmt.Sprint(*set.Paused))
	}
	return list
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ",")
}

// calledSo tells whether a name leads to a repository; an empty one leads to any.
func calledSo(r *api.Repo, name string) bool {
	return name == "" || strings.EqualFold(name, r.Name) || slices.ContainsFunc(r.Aliases, func(a string) bool { return strings.EqualFold(a, name) })
}
