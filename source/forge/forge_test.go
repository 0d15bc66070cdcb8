package forge_test

import (
	"fmt"
	"strings"
	"testing"

	"gitmirror/source"
	"gitmirror/source/forge"
)

func TestAccounts(t *testing.T) {
	for _, tc := range []struct{ kind, base, name, wantBase, api string }{
		{"github", "", "acme", "https://github.com", "https://api.github.com"},
		{"github", "https://api.github.com/", "acme", "https://github.com", "https://api.github.com"},
		{"github", "https://GHE.example/", "acme", "https://ghe.example", "https://ghe.example/api/v3"},
		{"github", "https://ghe.example/api/v3", "acme", "https://ghe.example", "https://ghe.example/api/v3"},
		{"github", "https://acme.ghe.com", "acme", "https://acme.ghe.com", "https://api.acme.ghe.com"},
		{"gitlab", "", "acme/tools/git", "https://gitlab.com", "https://gitlab.com/api/v4"},
		{"gitlab", "https://h.example:8443/gitlab/", "a", "https://h.example:8443/gitlab", "https://h.example:8443/gitlab/api/v4"},
		{"gitea", "http://10.0.0.9:3000", "me", "http://10.0.0.9:3000", "http://10.0.0.9:3000/api/v1"},
		{"gitee", "", "openeuler", "https://gitee.com", "https://gitee.com/api/v5"},
	} {
		a, err := forge.Account{Kind: forge.Kind(tc.kind), Base: tc.base, Name: tc.name}.Admit()
		if err != nil || a.Base != tc.wantBase || a.API() != tc.api {
			t.Errorf("%+v: %+v, %s, %v", tc, a, a.API(), err)
		}
		again, err := a.Admit()
		if err != nil || again != a {
			t.Errorf("%+v is not in its one spelling: %+v", a, again)
		}
	}
	for _, bad := range []forge.Account{
		{Kind: "sourcehut", Name: "a"}, {Kind: "github"}, {Kind: "github", Name: "a/b"}, {Kind: "gitlab", Name: "a//b"}, {Kind: "gitlab", Name: "../a"}, {Kind: "github", Name: "a?x"}, {Kind: "github", Name: "a%2fb"},
		{Kind: "github", Name: "a", Base: "ghe.example"}, {Kind: "github", Name: "a", Base: "https://u:p@h"}, {Kind: "github", Name: "a", Base: "ftp://h"}, {Kind: "github", Name: "a", Base: "https://h/?q"},
		{Kind: "github", Name: strings.Repeat("a", 256)},
	} {
		if a, err := bad.Admit(); err == nil {
			t.Errorf("%+v is taken as %+v", bad, a)
		}
	}
}

func TestSelection(t *testing.T) {
	repo := func(change func(*forge.Repo)) forge.Repo {
		r := forge.Repo{ID: 1, Owner: "acme", Name: "svc-pay", Clone: "https://h/acme/svc-pay.git", Visibility: forge.Public, Size: 44 << 20, Topics: []string{"Go"}}
		if change != nil {
			change(&r)
		}
		return r
	}
	for _, tc := range []struct {
		s    forge.Selection
		r    forge.Repo
		want string
	}{
		{forge.Selection{}, repo(nil), ""},
		{forge.Selection{}, repo(func(r *forge.Repo) { r.Visibility = forge.Private }), "private"},
		{forge.Selection{Visibility: []string{"private", "internal"}}, repo(func(r *forge.Repo) { r.Visibility = forge.Private }), ""},
		{forge.Selection{Visibility: []string{"private"}}, repo(nil), "public"},
		{forge.Selection{}, repo(func(r *forge.Repo) { r.Archived, r.Fork = true, true }), ""},
		{forge.Selection{SkipArchived: true}, repo(func(r *forge.Repo) { r.Archived = true }), "archived"},
		{forge.Selection{SkipForks: true}, repo(func(r *forge.Repo) { r.Fork = true }), "fork"},
		{forge.Selection{}, repo(func(r *forge.Repo) { r.Leaving = true }), "about to be deleted there"},
		{forge.Selection{Match: "^svc-"}, repo(nil), ""},
		{forge.Selection{Match: "^pay"}, repo(nil), "does not match"},
		{forge.Selection{Match: "^sub/svc-"}, repo(func(r *forge.Repo) { r.Owner = "ACME/sub" }), ""},
		{forge.Selection{Exclude: "pay|old"}, repo(nil), "excluded"},
		{forge.Selection{Topics: []string{"rust", "go"}}, repo(nil), ""},
		{forge.Selection{Topics: []string{"rust"}}, repo(nil), "has none of the topics"},
		{forge.Selection{MaxSize: 44 << 20}, repo(nil), ""},
		{forge.Selection{MaxSize: 43 << 20}, repo(nil), "larger than 43 MiB"},
		{forge.Selection{MaxSize: 1}, repo(func(r *forge.Repo) { r.Size = 0 }), ""},
	} {
		s, err := tc.s.Read()
		if err != nil {
			t.Fatal(err)
		}
		plan := s.Plan(forge.Account{Base: "https://h", Name: "acme"}, []forge.Repo{tc.r}, nil, nil)
		if len(plan) != 1 || plan[0].Skip != tc.want || plan[0].Flaw != nil {
			t.Errorf("%+v: %+v, want %q", tc.s, plan, tc.want)
		}
	}
	for _, bad := range []forge.Selection{{Match: "("}, {Exclude: "["}, {Visibility: []string{"secret"}}, {MaxSize: -1}, {Topics: []string{""}}, {Template: "team/x"}, {Template: "{name}/{what}"}, {Template: "}{name}"}, {Match: strings.Repeat("x", 1001)}} {
		if _, err := bad.Read(); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

// Nothing is read of a name of which only a part is known: it neither matches nor does not, and what it had stays.
func TestNamesThatAreTooLong(t *testing.T) {
	for what, change := range map[string]func(*forge.Repo){
		"name":    func(r *forge.Repo) { r.Name = strings.Repeat("x", forge.MaxName+1) },
		"owner":   func(r *forge.Repo) { r.Owner = strings.Repeat("x", forge.MaxName+1) },
		"address": func(r *forge.Repo) { r.Clone += strings.Repeat("x", forge.MaxURL) },
	} {
		for _, selection := range []forge.Selection{{}, {Match: "^svc$"}, {Exclude: "x"}, {Topics: []string{"go"}}, {Template: "one/{name}"}} {
			s, err := selection.Read()
			if err != nil {
				t.Fatal(err)
			}
			r := forge.Repo{ID: 1, Owner: "acme", Name: "y", Clone: "https://h/acme/y", Visibility: forge.Public}
			change(&r)
			p := s.Plan(forge.Account{Base: "https://h", Name: "acme"}, []forge.Repo{r}, nil, nil)[0]
			if what == "owner" && selection.Template != "" { // which it has no part in
				if p.Skip != "" || p.Flaw != nil {
					t.Errorf("%q, %+v", p.Skip, p.Flaw)
				}
				continue
			}
			if what == "owner" && len(selection.Topics) > 0 {
				continue
			}
			if p.Skip != "" || p.Flaw == nil || !strings.Contains(p.Flaw.Why, " bytes") || len(p.Flaw.File) > 300 {
				t.Errorf("%s, %+v: %q, %+v", what, selection, p.Skip, p.Flaw)
			}
		}
	}
}

func TestWhatComesIn(t *testing.T) {
	account := forge.Account{Kind: forge.GitLab, Base: "https://h", Name: "acme"}
	repo := func(id int64, owner, name string) forge.Repo {
		return forge.Repo{ID: id, Made: 1_700_000_000 + id, Owner: owner, Name: name, Clone: "https://h/" + owner + "/" + name + ".git", Visibility: forge.Public, Wiki: true}
	}
	repos := []forge.Repo{repo(9, "acme/b", "svc"), repo(2, "acme/a", "svc"), repo(3, "acme", "ok"), repo(4, "acme", "-odd"), repo(5, "acme", "plain")}
	repos[4].Clone = "http://h/acme/plain.git"
	s, err := forge.Selection{Template: "team/{name}", Wiki: true}.Read()
	if err != nil {
		t.Fatal(err)
	}
	l := forge.Listing(s.Plan(account, repos, nil, func(r *forge.Repo) bool { return r.ID == 3 }))
	got := ""
	for _, e := range l.Entries {
		got += fmt.Sprintf("%s %s %s %s\n", e.Path, e.Name, e.File, e.URLs[0])
	}
	want := "2@2023-11-14T22:13:22Z team/svc acme/a/svc https://h/acme/a/svc.git\n3@2023-11-14T22:13:23Z team/ok acme/ok https://h/acme/ok.git\n" +
		"3@2023-11-14T22:13:23Z.wiki team/ok.wiki acme/ok.wiki https://h/acme/ok.wiki.git\n"
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	var flaws []string
	for _, f := range l.Flaws {
		flaws = append(flaws, f.String())
	}
	if len(flaws) != 3 || !strings.Contains(flaws[0], "acme/-odd: ") || !strings.Contains(flaws[1], "acme/b/svc: team/svc is what acme/a/svc is called already") || !strings.Contains(flaws[2], "acme/plain: it is to be cloned from http://") {
		t.Errorf("%q", flaws)
	}
	// What has a flaw stays as it was, with its wiki.
	var claims []source.Claim
	for _, path := range []string{"4@2023-11-14T22:13:24Z", "5@2023-11-14T22:13:25Z", "4@2023-11-14T22:13:24Z.wiki", "7@2023-11-14T22:13:27Z", "9@2023-11-14T22:13:29Z"} {
		claims = append(claims, source.Claim{Path: path, File: "acme/was", Keys: []string{path}})
	}
	c := source.Compare(l, func(yield func(source.Claim) bool) {
		for _, claim := range claims {
			if !yield(claim) {
				return
			}
		}
	}, nil)
	if c.Kept != 4 || len(c.Gone) != 1 || c.Gone[0] != "7@2023-11-14T22:13:27Z" {
		t.Errorf("%+v", c)
	}
	// Who has a name keeps it, although another is older.
	has := func(id, name string) bool { return id == "9@2023-11-14T22:13:29Z" && name == "team/svc" }
	for _, p := range s.Plan(account, repos[:2], has, func(*forge.Repo) bool { return false }) {
		if (p.Flaw == nil) != (p.Repo.ID == 9) {
			t.Errorf("%d: %+v", p.Repo.ID, p.Flaw)
		}
	}
	// A forge that does not tell when a repository was made is not believed that one is called otherwise.
	unknown := forge.Repo{ID: 9, Owner: "acme", Name: "svc", Clone: "https://H/acme/Svc.git", Visibility: forge.Public, Wiki: true}
	for i, p := range s.Plan(account, []forge.Repo{unknown}, nil, func(*forge.Repo) bool { return true }) {
		if want := []string{"h/acme/svc", "h/acme/svc.wiki"}[i]; p.ID() != want || p.Entry.Path != want {
			t.Errorf("%q, %+v, want %q", p.ID(), p.Entry, want)
		}
	}
	// The template's words.
	s, _ = forge.Selection{Template: "x/{host}+{owner}-{name}"}.Read()
	if p := s.Plan(forge.Account{Base: "https://h:8443", Name: "acme"}, []forge.Repo{{ID: 1, Owner: "acme", Name: "n", Clone: "https://h:8443/acme/n", Visibility: "public"}}, nil, nil); p[0].Entry.Name != "x/h+8443+acme-n" {
		t.Errorf("%+v", p)
	}
}
