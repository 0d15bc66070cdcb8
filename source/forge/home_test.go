package forge_test

import (
	"testing"

	"gitmirror/source/forge"
)

// A token goes to the forge that it is said to be for, by a way that nobody listens on.
func TestWhereATokenMayGo(t *testing.T) {
	for _, tt := range []struct {
		kind     forge.Kind
		base, at string
		home, is bool
	}{
		{forge.GitHub, "", "github.com", true, true},
		{forge.GitLab, "https://gitlab.com", "GitLab.com:443", true, true},
		{forge.GitLab, "https://github.com", "gitlab.com", false, false},
		{forge.GitHub, "http://github.com", "github.com", false, false},
		{forge.Gitea, "https://git.example.org:3000/sub", "git.example.org:3000", false, true},
		{forge.Gitea, "https://git.example.org:3000", "git.example.org", false, false},
		{forge.Gitea, "https://git.example.org.evil.example", "git.example.org", false, false},
		{forge.Gitea, "http://git.example.org", "git.example.org", false, false},
		{forge.Gitea, "http://127.0.0.1:3000", "127.0.0.1:3000", false, true},
		{forge.Gitea, "http://127.0.0.1:3001", "127.0.0.1:3000", false, false},
		{forge.Gitea, "http://localhost:3000", "localhost:3000", false, false}, // a name leads anywhere
		{forge.Gitea, "https://git.example.org", "", false, false},
	} {
		a, err := forge.Account{Kind: tt.kind, Base: tt.base, Name: "acme"}.Admit()
		if err != nil {
			t.Fatal(err)
		}
		if a.Home() != tt.home || a.At(tt.at) != tt.is {
			t.Errorf("%+v: home %v, there %v", tt, a.Home(), a.At(tt.at))
		}
	}
}
