package refs

import (
	"iter"
	"slices"
	"strings"

	"gitmirror/internal/reflimit"
	"gitmirror/mirror/wire"
)

// ValidName applies the rules of git-check-ref-format(1) and our bounds to a
// full ref name.
func ValidName(name string) bool {
	if !strings.HasPrefix(name, "refs/") || len(name) > reflimit.Name {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || len(part) > reflimit.Component || part[0] == '.' || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	if strings.HasSuffix(name, ".") || strings.Contains(name, "..") || strings.Contains(name, "@{") {
		return false
	}
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c <= ' ', c == 0x7f, strings.IndexByte("~^:?*[\\", c) >= 0:
			return false
		}
	}
	return true
}

// Skipped is a ref of the upstream that is not mirrored, and why.
type Skipped struct {
	Name   string
	Reason string // "invalid name", "private namespace", "conflicts with NAME"
}

// Select turns an advertisement into refs of a table: those under one of the
// prefixes whose names are lawful. Where a name is also the directory of
// another (a and a/b), the one that current already shows stays, else the
// shorter; the other is skipped. A hostile name never hides its neighbours.
func Select(advert *wire.Advert, prefixes []string, current *Table) (list []Ref, skipped []Skipped) {
	for _, r := range advert.Refs {
		if !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(r.Name, p) }) {
			continue
		}
		switch {
		case !ValidName(r.Name):
			skipped = append(skipped, Skipped{r.Name, "invalid name"})
		case strings.HasPrefix(r.Name, Private):
			skipped = append(skipped, Skipped{r.Name, "private namespace"})
		default:
			list = append(list, Ref{Name: r.Name, OID: r.OID})
		}
	}
	Sort(list)
	list = slices.CompactFunc(list, func(a, b Ref) bool { return a.Name == b.Name })
	list, conflicts := withoutConflicts(list, current)
	return list, append(skipped, conflicts...)
}

// withoutConflicts takes the names that current shows first, then the others
// in order; one that is or has a directory among those taken is skipped.
func withoutConflicts(list []Ref, current *Table) (kept []Ref, skipped []Skipped) {
	names := make(map[string]bool, len(list))
	for _, r := range list {
		names[r.Name] = true
	}
	if !slices.ContainsFunc(list, func(r Ref) bool {
		for dir := range parents(r.Name) {
			if names[dir] {
				return true
			}
		}
		return false
	}) {
		return list, nil
	}
	taken := map[string]string{} // ref or directory → the ref that made it so
	conflict := func(name string) string {
		if other := taken[name]; other != "" {
			return other
		}
		for dir := range parents(name) {
			if taken[dir] == dir {
				return dir
			}
		}
		return ""
	}
	lost := map[string]string{}
	take := func(shown bool) {
		for _, r := range list {
			if _, ok := current.Find(r.Name); ok != shown {
				continue
			}
			if lost[r.Name] = conflict(r.Name); lost[r.Name] != "" {
				continue
			}
			taken[r.Name] = r.Name
			for dir := range parents(r.Name) {
				taken[dir] = r.Name
			}
		}
	}
	take(true)
	take(false)
	for _, r := range list {
		if other := lost[r.Name]; other != "" {
			skipped = append(skipped, Skipped{r.Name, "conflicts with " + other})
		} else {
			kept = append(kept, r)
		}
	}
	return kept, skipped
}

// parents yields the directories of a name, the innermost first.
func parents(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for dir := parent(name); len(dir) > len("refs/"); dir = parent(dir) {
			if !yield(dir) {
				return
			}
		}
	}
}

func parent(name string) string {
	return name[:max(strings.LastIndexByte(name, '/'), 0)]
}

// SelectHead is the HEAD to show for an advertisement: its symbolic target
// where that is a lawful branch name (unborn ones too), else its object.
func SelectHead(advert *wire.Advert) (head Head, skipped []Skipped) {
	switch {
	case advert.HeadRef == "":
		return Head(advert.HeadOID), nil
	case ValidName(advert.HeadRef) && strings.HasPrefix(advert.HeadRef, "refs/heads/"):
		return Symbolic(advert.HeadRef), nil
	}
	return "", []Skipped{{"HEAD", "leads to no branch with a valid name"}}
}
