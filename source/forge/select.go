package forge

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"gitmirror/internal/refusal"
)

// Selection says which repositories of an account are wanted, and what they are called here.
type Selection struct {
	Match, Exclude string   // regular expressions, of what is below the account; empty for none
	Topics         []string // one of them; empty: whatever they are
	Visibility     []string // one of them; empty: public
	SkipArchived   bool
	SkipForks      bool
	MaxSize        int64  // bytes; 0 for any. One whose size is not told is wanted
	Wiki           bool   // wikis too
	Template       string // of names; empty: DefaultTemplate
}

// DefaultTemplate names a repository as its address does.
const DefaultTemplate = "{host}/{owner}/{name}"

// Bounds of a selection.
const (
	maxPattern = 1000 // bytes
	maxTopics  = 100
)

// Selector is a selection that has been read.
type Selector struct {
	Selection
	match, exclude *regexp.Regexp
}

// Read returns a selection that can be applied, or why it cannot.
func (s Selection) Read() (*Selector, error) {
	out := &Selector{Selection: s}
	for _, p := range []struct {
		flag, text string
		to         **regexp.Regexp
	}{{"match", s.Match, &out.match}, {"exclude", s.Exclude, &out.exclude}} {
		if p.text == "" {
			continue
		}
		re, err := regexp.Compile(p.text)
		if err == nil && len(p.text) > maxPattern {
			err = fmt.Errorf("it has more than %d bytes", maxPattern)
		}
		if err != nil {
			return nil, refusal.New(refusal.SourceInvalid, "%s %.100q is no regular expression: %v", p.flag, p.text, err).Try("write one like '^svc-' or 'kernel|driver'")
		}
		*p.to = re
	}
	for _, v := range s.Visibility {
		if v != Public && v != Internal && v != Private {
			return nil, refusal.New(refusal.SourceInvalid, "visibility %.40q is not possible", v).Try("say public, internal, private, or several of them")
		}
	}
	if len(s.Topics) > maxTopics || slices.ContainsFunc(s.Topics, func(t string) bool { return t == "" || len(t) > MaxTopic }) {
		return nil, refusal.New(refusal.SourceInvalid, "these topics are more than %d, or one is empty or longer than %d bytes", maxTopics, MaxTopic)
	}
	if s.MaxSize < 0 {
		return nil, refusal.New(refusal.SourceInvalid, "a size of %d bytes is not possible", s.MaxSize)
	}
	out.Template = cmp.Or(s.Template, DefaultTemplate)
	return out, checkTemplate(out.Template)
}

// skips says why a repository of an account is not wanted; empty where it is.
func (s *Selector) skips(r *Repo, account string) string {
	seen := s.Visibility
	if len(seen) == 0 {
		seen = []string{Public}
	}
	below := r.Below(account)
	switch {
	case r.Leaving:
		return "about to be deleted there"
	case !slices.Contains(seen, r.Visibility):
		return r.Visibility
	case s.SkipArchived && r.Archived:
		return "archived"
	case s.SkipForks && r.Fork:
		return "fork"
	case s.tooLong(r):
		return "" // what its name, which is not known, would say
	case s.match != nil && !s.match.MatchString(below):
		return "does not match"
	case s.exclude != nil && s.exclude.MatchString(below):
		return "excluded"
	case len(s.Topics) > 0 && !slices.ContainsFunc(s.Topics, func(t string) bool {
		return slices.ContainsFunc(r.Topics, func(has string) bool { return strings.EqualFold(t, has) })
	}):
		return "has none of the topics"
	case s.MaxSize > 0 && r.Size > s.MaxSize:
		return "larger than " + humanize.IBytes(uint64(s.MaxSize))
	}
	return ""
}

// tooLong tells whether what is read of a repository here is longer than any can be: part of it may have been cut off,
// and nothing is read of what is left. An owner that is part of a name makes that too long.
func (s *Selector) tooLong(r *Repo) bool {
	return len(r.Name) > MaxName || len(r.Clone) > MaxURL || len(r.Owner) > MaxName && (s.match != nil || s.exclude != nil)
}

// placeholders are what a template may have.
var placeholders = []string{"{host}", "{owner}", "{name}"}

func checkTemplate(t string) error {
	rest := t
	for _, p := range placeholders {
		rest = strings.ReplaceAll(rest, p, "")
	}
	switch {
	case strings.ContainsAny(rest, "{}"):
		return refusal.New(refusal.SourceInvalid, "the template %.100q has braces that mean nothing", t).Try("use {owner}, {name} and {host}, as in team/{owner}/{name}")
	case !strings.Contains(t, "{name}"):
		return refusal.New(refusal.SourceInvalid, "the template %.100q gives all repositories one name", t).Try("put {name} into it, as in team/{owner}/{name}")
	case len(t) > maxPattern/4:
		return refusal.New(refusal.SourceInvalid, "the template has more than %d bytes", maxPattern/4)
	}
	return nil
}
