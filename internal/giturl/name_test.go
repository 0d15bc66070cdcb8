package giturl_test

import (
	"errors"
	"net/url"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"gitmirror/internal/giturl"
	"gitmirror/internal/refusal"
)

func TestNames(t *testing.T) {
	for _, bad := range []string{
		"", ".", "..", "/", "/abs", "a/", "a//b", "../../etc/x", "a/../../b", "a/./b", "-rf", "--help", "a/-b", "a b", "a;id", "$(id)", "`id`", "a\nb",
		"x.git", "x.GIT", "x.lock", "x.git/config", "a/b.Lock/c", ".hidden", ".hidden/a", "a/..hidden", "a/...", "a/.-b", "a/.git", "+a", "a:b", `a\b`, "%2e%2e%2fetc", `..%5c..`, "a%b", "a*", "a?b",
		"e\u0301", "\u0301e", "a\xff", "a\u200bb", "a\u202eb", "\u20ac", "a\u2215b", "a\uff0eb", "a\u00a0b", "a\u2024b", "\U0001f600", "a\x00b", "a<b>", "a'b", strings.Repeat("a", 401), strings.Repeat("a", 4096), strings.Repeat("a/", 20) + "a", strings.Repeat("a/", 499) + "a",
	} {
		var e *refusal.Error
		if err := giturl.CheckName(bad); !errors.As(err, &e) || e.Code != "name_invalid" || !strings.Contains(e.Hint, "--name") {
			t.Errorf("%.80q: %v, want name_invalid with a hint", bad, err)
		} else if strings.ContainsFunc(e.Detail, func(r rune) bool { return r < ' ' }) || len(e.Detail) > 600 {
			t.Errorf("%.80q: message %q", bad, e.Detail)
		}
	}
	for _, good := range []string{
		"a", "github.com/acme/big", "host+8443/x", "~user/x", "_x", "0", "A/b", "a.b-c_d~e+f", "gitlab", "locksmith", "acme/.github", "a/._b/c", "x.gitx", "a.lock.b",
		"\u00e9", "\u5185\u6838/Linux", "\u0440\u0435\u043f\u043e/\u06f1", "a\u0e14\u0e35",
		strings.Repeat("a", 400), strings.Repeat("a/", 19) + "a",
	} {
		if err := giturl.CheckName(good); err != nil {
			t.Errorf("%.80q: %v", good, err)
		}
	}
}

func TestDefaultNamesOfOrdinaryURLsAreNames(t *testing.T) {
	for _, raw := range []string{"https://github.com/acme/big.git", "http://h:8080/~u/x", "http://127.0.0.1:9000/up.git", "https://[2001:db8::1]/x"} {
		if name := mustParse(t, raw).Name(); giturl.CheckName(name) != nil {
			t.Errorf("%s: default name %q: %v", raw, name, giturl.CheckName(name))
		}
	}
}

// A name that is taken is one way to write it, leads nowhere else, and can stand in a url, whatever was typed, or stands
// in the address of an upstream.
func FuzzName(f *testing.F) {
	f.Fuzz(func(t *testing.T, typed string) {
		names := []string{typed, giturl.NormalName(typed)}
		if u, err := giturl.Parse("https://host.example/" + typed); err == nil {
			names = append(names, u.Name())
			if again, err := giturl.Parse(u.String()); err != nil || again.Name() != u.Name() {
				t.Errorf("%q is called %q, and %q when it is read again", typed, u.Name(), again.Name())
			}
		}
		for _, name := range names {
			if giturl.NormalName(giturl.NormalName(name)) != giturl.NormalName(name) {
				t.Errorf("%q changes when it is normalised again", name)
			}
			if giturl.CheckName(name) != nil {
				continue
			}
			folded := strings.Map(func(c rune) rune { // as the table compares names
				if 'A' <= c && c <= 'Z' {
					return c + 'a' - 'A'
				}
				return c
			}, name)
			escaped := (&url.URL{Path: "/git/" + name}).EscapedPath()
			back, err := url.PathUnescape(escaped)
			switch {
			case giturl.NormalName(name) != name:
				t.Errorf("%q is not as it is looked for: %q", name, giturl.NormalName(name))
			case path.Clean("/"+name) != "/"+name, !filepath.IsLocal(name):
				t.Errorf("%q leads elsewhere", name)
			case strings.ContainsFunc(name, func(c rune) bool {
				return c <= ' ' || unicode.IsControl(c) || unicode.IsSpace(c) || strings.ContainsRune(":?#%\\*[]^{}\"'<>|`", c)
			}):
				t.Errorf("%q has what means something elsewhere", name)
			case err != nil, back != "/git/"+name, strings.ContainsAny(escaped, "?# "):
				t.Errorf("%q stands in an address as %q, and is read as %q (%v)", name, escaped, back, err)
			case len(folded) != len(name), strings.Count(folded, "/") != strings.Count(name, "/"):
				t.Errorf("%q is compared as %q", name, folded)
			case strings.HasSuffix(folded, ".git"), strings.HasSuffix(folded, ".lock"), strings.HasPrefix(name, "-"):
				t.Errorf("%q is taken for something else by git", name)
			}
		}
	})
}
