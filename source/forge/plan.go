package forge

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gitmirror/internal/giturl"
	"gitmirror/internal/oneline"
	"gitmirror/internal/refusal"
	"gitmirror/source"
)

// Planned is what becomes of one repository of an account, or of its wiki.
type Planned struct {
	Repo  Repo
	Wiki  bool
	Entry source.Entry // where neither Skip nor Flaw says that there is none
	Skip  string       // why it is not wanted
	Flaw  *source.Flaw // why it cannot be had
}

// Path is where it is in the forge.
func (p *Planned) Path() string {
	if p.Wiki {
		return p.Repo.Path() + wikiEnds
	}
	return p.Repo.Path()
}

// maxFile bounds what is kept of a repository's path, which is for people: forges may tell of megabytes.
const maxFile = 300 // bytes

// wikiEnds is what the name of a wiki's repository has behind that whose wiki it is.
const wikiEnds = ".wiki"

// ID is what an entry is found by from listing to listing, whatever it is called: the forge's number and when
// the repository was made, since a forge that is set up anew gives the numbers to others. One of which the forge
// does not tell that is found by its address, and is another when it is renamed.
func (p *Planned) ID() string {
	id := p.Repo.Clone
	if p.Repo.Made != 0 {
		id = strconv.FormatInt(p.Repo.ID, 10) + madeAt + time.Unix(p.Repo.Made, 0).UTC().Format(time.RFC3339)
	} else if u, err := giturl.Parse(id); err == nil {
		id = u.Key()
	}
	if p.Wiki {
		return id + wikiEnds
	}
	return id
}

const madeAt = "@" // stands between a number and a time

// Plan says of each repository what becomes of it, by path. Of two that would have one name the one has
// it that has it now, by what is known of it by its ID, or else the older one of the forge. wikis says which wikis there
// are; forges tell only which may be.
func (s *Selector) Plan(account Account, repos []Repo, has func(id, name string) bool, wikis func(*Repo) bool) []Planned {
	byAge := slices.SortedFunc(slices.Values(repos), func(a, b Repo) int { return cmp.Compare(a.ID, b.ID) })
	if has != nil {
		slices.SortStableFunc(byAge, func(a, b Repo) int { return s.turn(&a, has) - s.turn(&b, has) })
	}
	named := map[string]string{} // paths of those that have a name, by it
	var out []Planned
	for _, r := range byAge {
		p := Planned{Repo: r, Skip: s.skips(&r, account.Name)}
		if p.Skip == "" {
			s.enter(&p, account, named)
		}
		out = append(out, p)
		if s.Wiki && r.Wiki && p.Skip == "" && p.Flaw == nil && wikis(&r) {
			w := Planned{Repo: r, Wiki: true}
			s.enter(&w, account, named)
			out = append(out, w)
		}
	}
	slices.SortStableFunc(out, func(a, b Planned) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Path()), strings.ToLower(b.Path())), strings.Compare(a.Path(), b.Path()))
	})
	return out
}

// enter makes the entry of one that is wanted, or says why there is none.
func (s *Selector) enter(p *Planned, account Account, named map[string]string) {
	flaw := func(err error) {
		p.Flaw = &source.Flaw{File: oneline.Clip(p.Path(), maxFile), Why: err.Error()}
		if r := refusal.Of(err); r != nil {
			p.Flaw.Why, p.Flaw.Try = r.Detail, strings.ReplaceAll(r.Hint, "; set it with --name", ", or give --template")
		}
	}
	if s.tooLong(&p.Repo) {
		flaw(refusal.New(refusal.NameInvalid, "its name, its owner or its address has more bytes than any can have (%d, %d, %d)", MaxName, MaxName, MaxURL).Try("give it a shorter one in the forge"))
		return
	}
	clone := p.Repo.Clone
	if p.Wiki {
		clone = strings.TrimSuffix(clone, ".git") + wikiEnds + ".git"
	}
	u, err := giturl.Parse(clone)
	if err != nil {
		flaw(err)
		return
	}
	if strings.HasPrefix(account.Base, "https://") && !strings.HasPrefix(u.String(), "https://") {
		flaw(refusal.New(refusal.URLScheme, "it is to be cloned from %s, without TLS", u).Try("have the forge tell its https addresses"))
		return
	}
	name := s.name(u, &p.Repo)
	if p.Wiki {
		name += wikiEnds
	}
	if err := giturl.CheckName(name); err != nil {
		flaw(err)
		return
	}
	if other, taken := named[strings.ToLower(name)]; taken {
		flaw(refusal.New(refusal.ConflictName, "%s is what %s is called already", name, other).Try("give a --template that tells them apart, such as " + DefaultTemplate))
		return
	}
	named[strings.ToLower(name)] = p.Path()
	p.Entry = source.Entry{Path: p.ID(), File: oneline.Clip(p.Path(), maxFile), Name: name, URLs: []string{u.String()}, Keys: []string{u.Key()}}
}

// turn is 0 of a repository that has the name now which it would have, and 1 of any other.
func (s *Selector) turn(r *Repo, has func(id, name string) bool) int {
	u, err := giturl.Parse(r.Clone)
	if err != nil || !has((&Planned{Repo: *r}).ID(), s.name(u, r)) {
		return 1
	}
	return 0
}

// name is what the template makes of a repository.
func (s *Selector) name(u giturl.URL, r *Repo) string {
	host, _, _ := strings.Cut(u.Name(), "/")
	return strings.NewReplacer("{host}", host, "{owner}", r.Owner, "{name}", r.Name).Replace(s.Template)
}

// Listing is what a plan wants mirrored. What has a flaw stays as it was, with its wiki.
func Listing(plan []Planned) *source.Listing {
	l := &source.Listing{Numbered: true}
	for i := range plan {
		switch p := &plan[i]; {
		case p.Flaw != nil:
			l.Flaws = append(l.Flaws, *p.Flaw)
			l.UnknownPaths = append(l.UnknownPaths, p.ID())
			if !p.Wiki { // which is not looked for then
				l.UnknownPaths = append(l.UnknownPaths, p.ID()+wikiEnds)
			}
		case p.Skip == "":
			l.Entries = append(l.Entries, p.Entry)
		}
	}
	l.Sort()
	return l
}
