// Package forge says what forges have, which of it is wanted, and what that is called here. A forge
// is where repositories of an account, an organisation, a group or a user, are: GitHub, GitLab, Gitea
// and Forgejo, Gitee.
//
// It is arithmetic: nothing here asks a forge, which is in the package client below.
package forge

import (
	"slices"
	"strings"

	"gitmirror/internal/giturl"
	"gitmirror/internal/refusal"
)

// Kind is a kind of forge.
type Kind string

// The kinds there are. Forgejo answers as Gitea does.
const (
	GitHub Kind = "github"
	GitLab Kind = "gitlab"
	Gitea  Kind = "gitea"
	Gitee  Kind = "gitee"
)

// Kinds are all of them.
var Kinds = []Kind{GitHub, GitLab, Gitea, Gitee}

// kinds says where they are, and below which path their API is.
var kinds = map[Kind]struct{ home, api string }{
	GitHub: {"https://github.com", "/api/v3"},
	GitLab: {"https://gitlab.com", "/api/v4"},
	Gitea:  {"https://gitea.com", "/api/v1"},
	Gitee:  {"https://gitee.com", "/api/v5"},
}

// ParseKind reads the name of a kind.
func ParseKind(name string) (Kind, error) {
	if k := Kind(name); slices.Contains(Kinds, k) {
		return k, nil
	}
	r := refusal.New(refusal.SourceInvalid, "%.40q is no kind of forge", name)
	if k := means(name); k != "" {
		return "", r.Try("say %s", k)
	}
	return "", r.Try("the kinds are: github, gitlab, gitea (also for Forgejo), gitee")
}

// means is the kind that somebody means who says otherwise; empty where nobody can tell.
func means(name string) Kind {
	name = strings.ToLower(name)
	if name == "forgejo" || name == "codeberg" {
		return Gitea // which they answer as
	}
	if k := Kind(name); slices.Contains(Kinds, k) {
		return k
	}
	return ""
}

// Account is whose repositories are meant.
type Account struct {
	Kind Kind
	Base string // the forge's address, as people see it in a browser
	Name string // of the organisation, group or user; a group below others has slashes
}

const maxAccount = 255 // bytes

// Admit returns the account in its one spelling. An empty base is the kind's own.
func (a Account) Admit() (Account, error) {
	kind, err := ParseKind(string(a.Kind))
	if err != nil {
		return a, err
	}
	a.Kind = kind
	if a.Base == "" {
		a.Base = kinds[a.Kind].home
	}
	if !strings.Contains(a.Base, "://") {
		return a, refusal.New(refusal.URLScheme, "the base url %.200q has no scheme", a.Base).Try("write https://%s", strings.TrimLeft(a.Base, "/"))
	}
	// An address of a repository has the same rules.
	const repo = "/x"
	u, err := giturl.Parse(strings.TrimRight(a.Base, "/") + repo)
	if err != nil {
		return a, err
	}
	a.Base = strings.TrimSuffix(u.String(), repo)
	a.Base = strings.TrimSuffix(a.Base, kinds[a.Kind].api) // those who give that of the API mean the same
	if a.Kind == GitHub && (a.Base == "https://api.github.com" || a.Base == "https://www.github.com") {
		a.Base = kinds[GitHub].home
	}
	a.Name = strings.Trim(a.Name, "/")
	bad := a.Name == "" || len(a.Name) > maxAccount || strings.ContainsFunc(a.Name, func(r rune) bool { return !accountRune(r) })
	for part := range strings.SplitSeq(a.Name, "/") {
		bad = bad || part == "" || part == "." || part == ".."
	}
	if bad || a.Kind != GitLab && strings.Contains(a.Name, "/") {
		return a, refusal.New(refusal.SourceInvalid, "%.100q is no name of an account of %s", a.Name, a.Kind).Try("give the name of an organisation or a user, as it stands in the forge's addresses")
	}
	return a, nil
}

func accountRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._-~+/", r)
}

// API is where the forge's API is. GitHub has its own in another place than those of companies.
func (a Account) API() string {
	if a.Kind == GitHub {
		host := strings.TrimPrefix(a.Base, "https://")
		switch {
		case a.Base == kinds[GitHub].home:
			return "https://api.github.com"
		case strings.HasSuffix(host, ".ghe.com") && strings.Count(host, ".") == 2:
			return "https://api." + host
		}
	}
	return a.Base + kinds[a.Kind].api
}

// String is the account as people write it.
func (a Account) String() string { return a.Base + "/" + a.Name }

// What may see a repository, in the words of all forges.
const (
	Public   = "public"
	Internal = "internal" // all who are signed in
	Private  = "private"
)

// Repo is a repository as a forge tells of it.
type Repo struct {
	ID         int64  // the forge's: it stays when the repository is renamed or moved
	Made       int64  // when it was made, in Unix seconds: that stays too; 0 where it is not told
	Owner      string // of a group below others: all of them, with slashes
	Name       string
	Clone      string // url, by https or http
	Size       int64  // bytes; 0 where that is not told
	Visibility string // Public, Internal or Private
	Archived   bool
	Fork       bool
	Leaving    bool // it is to be deleted there
	Wiki       bool // it may have one
	Topics     []string
}

// Bounds of what is told of a repository, in bytes. What can be mirrored has less.
const (
	MaxName  = 1000 // of a name, and of an owner
	MaxURL   = 4096
	MaxTopic = maxPattern / 10 // longer ones cannot be asked for
)

// Path is where it is in the forge.
func (r *Repo) Path() string { return r.Owner + "/" + r.Name }

// Below is its path from the account on: its name, unless it is in a group below that of the account.
func (r *Repo) Below(account string) string {
	if len(r.Owner) > len(account) && strings.EqualFold(r.Owner[:len(account)], account) && r.Owner[len(account)] == '/' {
		return r.Owner[len(account)+1:] + "/" + r.Name
	}
	return r.Name
}
