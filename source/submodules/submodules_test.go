package submodules_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"gitmirror/source/submodules"
)

func module(name, url string) string {
	return fmt.Sprintf("[submodule %q]\n\tpath = %s\n\turl = %s\n", name, name, url)
}

func TestWhatGitmodulesNames(t *testing.T) {
	l := submodules.Read([]byte("\ufeff# ours\n"+module("b", "../b.git")+module("a", "https://h/a")+module("twice", "http://H/a.git")+
		module("ssh", "git@github.com:acme/tools.git")+"[other]\n\tx = y\n"), "https://forge.example/team/repo.git")
	var got []string
	for _, e := range l.Entries {
		got = append(got, e.Path+" "+strings.Join(e.URLs, ","))
	}
	if want := []string{"forge.example/team/b https://forge.example/team/b.git", "github.com/acme/tools https://github.com/acme/tools.git", "h/a https://h/a"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if len(l.Flaws) != 0 || len(l.Unknown) != 0 {
		t.Errorf("%+v", l)
	}
}

func TestWhatCannotBeFollowedIsAFlaw(t *testing.T) {
	many := strings.Builder{}
	for i := range 1001 {
		many.WriteString(module(fmt.Sprint("m", i), fmt.Sprintf("https://h/%d", i)))
	}
	for name, tc := range map[string]struct {
		data    string
		why     string
		entries int
	}{
		"no configuration": {"[submodule", ".gitmodules cannot be read, at line", 0},
		"a path":           {module("a", "/srv/a") + module("b", "https://h/b"), `submodule "a": `, 1},
		"a helper":         {module("a", "ext::sh -c x"), "remote helpers", 0},
		"no url":           {"[submodule \"a\"]\n\tpath = a\n", `submodule "a": `, 0},
		"out of the host":  {module("a", "../../../x"), "leads out of its host", 0},
		"a name":           {module("a", "https://h/a%20b"), "cannot be a name", 0},
		"too many":         {many.String(), "1001 submodules", 0},
		"large":            {"# " + strings.Repeat("x", submodules.MaxFile), "more than 1048576", 0},
	} {
		l := submodules.Read([]byte(tc.data), "https://h/t/repo")
		if len(l.Flaws) != 1 || !strings.Contains(l.Flaws[0].Why, tc.why) || len(l.Entries) != tc.entries || len(l.Unknown) != 1 {
			t.Errorf("%s: %+v", name, l)
		}
	}
}

func TestRelativeUrls(t *testing.T) {
	for _, tc := range []struct{ base, url, want string }{
		{"https://h/team/repo.git", "../lib.git", "https://h/team/lib.git"},
		{"https://h/team/repo/", "../../other/lib", "https://h/other/lib"},
		{"https://h/team/repo", "./lib", "https://h/team/repo/lib"},
		{"https://h/team/repo", "../../lib", "https://h/lib"},
		{"https://h:8443/team/repo", ".././lib", "https://h:8443/team/lib"},
		{"https://h/repo", "../lib", "https://h/lib"},
		{"https://h/repo", "../../lib", ""},
		{"https://h/repo", "../", ""},
		{"https://h/repo", "ssh://git@forge:2222/a/b.git", "https://forge/a/b.git"},
		{"https://h/repo", "git+ssh://forge/a/b", "https://forge/a/b"},
		{"https://h/repo", "git://forge/a/b", "https://forge/a/b"},
		{"https://h/repo", "git@forge:/a/b", "https://forge/a/b"},
		{"https://h/repo", "forge:a/b", ""},
		{"https://h/repo", "http://forge/a/b", "http://forge/a/b"},
		{"https://h/repo", "-x@forge:a", "https://forge/a"},
		{"https://h/repo", "a@ext::sh", ""},
	} {
		u, err := submodules.Resolve(tc.base, tc.url)
		got := ""
		if err == nil {
			got = u.String()
		}
		if got != tc.want {
			t.Errorf("%s of %s is %q (%v), want %q", tc.url, tc.base, got, err, tc.want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(module("a", "../b")))
	f.Add([]byte("[submodule \"a\"]\n\turl = \"x\\\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l := submodules.Read(data, "https://h/team/repo")
		for i, e := range l.Entries {
			if len(e.URLs) != 1 || len(e.Keys) != 1 || e.Path == "" || i > 0 && l.Entries[i-1].Path >= e.Path {
				t.Errorf("%+v", l.Entries)
			}
		}
	})
}
