package giturl_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"unicode"

	"gitmirror/internal/giturl"
	"gitmirror/internal/refusal"
)

const canary = "CANARYpw"

var badURLs = []struct {
	code refusal.Code
	raw  string
}{
	{"url_scheme", `ext::sh -c "touch /tmp/pwn"`},
	{"url_scheme", "ext::sh% -c% x://y"},
	{"url_scheme", "http::http://example.com/x"},
	{"url_scheme", "https::x"},
	{"url_scheme", "fd::17"},
	{"url_invalid", "--upload-pack=touch /tmp/pwn"},
	{"url_invalid", "--upload-pack=x"},
	{"url_invalid", "-oProxyCommand=id:x"},
	{"url_scheme", "ssh://-oProxyCommand=id/x"},
	{"url_scheme", "ssh://git@example.com/x"},
	{"url_scheme", "git@github.com:acme/big.git"},
	{"url_scheme", "git://example.com/x"},
	{"url_scheme", "ftp://example.com/x"},
	{"url_scheme", "javascript://example.com/x"},
	{"url_scheme", "file:///etc"},
	{"url_scheme", "/etc/passwd"},
	{"url_scheme", "./repo"},
	{"url_scheme", "../repo"},
	{"url_scheme", `C:\repo`},
	{"url_scheme", "//host/x"},
	{"url_scheme", "github.com/acme/big"},
	{"url_scheme", " https://example.com/x"},
	{"url_scheme", "\nhttps://example.com/x"},
	{"url_scheme", "user:" + canary + "@host://x"},
	{"address_denied", "http://2130706433/x"},
	{"address_denied", "http://0x7f000001/x"},
	{"address_denied", "http://0X7F.1/x"},
	{"address_denied", "http://0177.0.0.1/x"},
	{"address_denied", "http://127.1/x"},
	{"address_denied", "http://1.2.3.4.5/x"},
	{"address_denied", "http://999999999999999999999999/x"},
	{"url_host", "http://\uff11\uff12\uff17.0.0.1/x"},
	{"url_host", "https:///github.com/a/b"},
	{"url_host", "https:a/b"},
	{"url_host", "https:/a/b"},
	{"url_host", "https:user:" + canary + "@host/x"},
	{"url_host", "https://"},
	{"url_host", "https://./x"},
	{"url_host", "https://a..b/x"},
	{"url_host", "https://-a.example/x"},
	{"url_host", "https://a-.example/x"},
	{"url_host", "https://exam!ple.com/x"},
	{"url_host", "https://m\u00fcnchen.de/x"},
	{"url_host", "https://[fe80::1%25eth0]/x"},
	{"url_invalid", "https://[abc]/x"},
	{"url_userinfo", "https://user:" + canary + "@host/x.git"},
	{"url_userinfo", "https://" + canary + "@host/x.git"},
	{"url_userinfo", "https://user:" + canary + "@host"},
	{"url_userinfo", "https://@host/x"},
	{"url_userinfo", "https://evil.com:80@127.0.0.1/" + canary},
	{"url_userinfo", "https://host?" + canary + "@x"},
	{"url_invalid", "https://user:" + canary + "%zz@host%zz/x" + "\t"},
	{"url_invalid", "https://exam\nple.com/x"},
	{"url_invalid", "https://example.com/x\r"},
	{"url_invalid", "https://example.com/x\x00"},
	{"url_invalid", "https://example.com/\x1b[31m"},
	{"url_invalid", "https://example.com/a\tb"},
	{"url_invalid", "https://example.com/a b"},
	{"url_invalid", "https://example.com/a\u0085b"},
	{"url_invalid", "https://example.com/a\u2029b"},
	{"url_invalid", "https://example.com/\u202etig"},
	{"url_invalid", `https://example.com\@evil.com/x`},
	{"url_invalid", "https://example.com%0a/x"},
	{"url_invalid", "https://example.com%00/x"},
	{"url_invalid", "https://example.com/x%0ay"},
	{"url_invalid", "https://example.com/x%0Dy"},
	{"url_invalid", "https://example.com/x%00y"},
	{"url_invalid", "https://example.com/x%1b"},
	{"url_invalid", "https://example.com/x%5cy"},
	{"url_invalid", "https://example.com/x%C2%85"},
	{"url_invalid", "https://example.com/report%zz"},
	{"url_invalid", "https://example.com"},
	{"url_invalid", "https://example.com/"},
	{"url_invalid", "https://example.com/a/../b"},
	{"url_invalid", "https://example.com/a/%2e%2E/b"},
	{"url_invalid", "https://example.com/./b"},
	{"url_invalid", "https://example.com//b"},
	{"url_invalid", "https://example.com/a//b"},
	{"url_invalid", "https://example.com/a%2Fb"},
	{"url_invalid", "https://example.com/..%2f..%2fetc"},
	{"url_invalid", ""},
	{"url_query", "https://example.com/x?a=b"},
	{"url_query", "https://example.com/x?"},
	{"url_query", "https://example.com/x#frag"},
	{"url_query", "https://example.com/x#"},
	{"url_query", "https://example.com?x"},
	{"url_too_long", "https://example.com/" + strings.Repeat("a", 9000)},
	{"url_too_long", "https://" + strings.Repeat("a", 64) + ".example/x"},
	{"url_too_long", "https://" + strings.Repeat("a.", 150) + "example/x"},
	{"url_port", "https://example.com:0/x"},
	{"url_port", "https://example.com:65536/x"},
	{"url_port", "https://example.com:443x/x"},
	{"url_port", "https://example.com:-1/x"},
	{"url_port", "https://example.com:/x"},
	{"url_port", "https://example.com:99999999999999999999/x"},
}

func TestBadURLs(t *testing.T) {
	for _, tc := range badURLs {
		u, err := giturl.Parse(tc.raw)
		var e *refusal.Error
		if !errors.As(err, &e) {
			t.Errorf("%q is taken as %s", tc.raw, u)
			continue
		}
		if e.Code != tc.code {
			t.Errorf("%q: code %s, want %s (%s)", tc.raw, e.Code, tc.code, e)
		}
		if text := e.Detail + e.Hint; strings.Contains(text, canary) || strings.ContainsFunc(text, unicode.IsControl) {
			t.Errorf("%q: the message repeats what it should not: %q", tc.raw, text)
		}
		if e.Code == "url_userinfo" && !strings.Contains(e.Hint, "credentials will live in a file") {
			t.Errorf("%q: the hint %q does not say where credentials go", tc.raw, e.Hint)
		}
	}
}

func TestGoodURLs(t *testing.T) {
	for _, tc := range []struct{ raw, canonical, name string }{
		{"https://github.com/acme/big", "https://github.com/acme/big", "github.com/acme/big"},
		{"https://github.com/acme/big.git", "https://github.com/acme/big.git", "github.com/acme/big"},
		{"HTTPS://GitHub.com./Acme/Big/", "https://github.com/Acme/Big", "github.com/Acme/Big"},
		{"https://github.com:443/a", "https://github.com/a", "github.com/a"},
		{"http://h:80/a", "http://h/a", "h/a"},
		{"http://h:443/a", "http://h:443/a", "h+443/a"},
		{"https://h:08443/a", "https://h:8443/a", "h+8443/a"},
		{"https://h/~user/x_y-1.2+3", "https://h/~user/x_y-1.2+3", "h/~user/x_y-1.2+3"},
		{"https://h/%7Euser/%41", "https://h/~user/A", "h/~user/A"},
		{"https://h/a%20b", "https://h/a%20b", "h/a%20b"},
		{"https://h/a(b)", "https://h/a%28b%29", "h/a%28b%29"},
		{"https://h/\u00e9", "https://h/%C3%A9", "h/\u00e9"},
		{"https://h/%c3%a9", "https://h/%C3%A9", "h/\u00e9"},
		{"https://h/e%cc%81/%E5%86%85%E6%A0%B8.git", "https://h/e%CC%81/%E5%86%85%E6%A0%B8.git", "h/\u00e9/\u5185\u6838"},
		{"https://h/%ff", "https://h/%FF", "h/%FF"},
		{"https://h/a@b", "https://h/a@b", "h/a@b"},
		{"https://127.0.0.1/x", "https://127.0.0.1/x", "127.0.0.1/x"},
		{"https://[2001:DB8:0::1]:8080/x", "https://[2001:db8::1]:8080/x", "2001-db8--1+8080/x"},
		{"https://[::ffff:127.0.0.1]/x", "https://127.0.0.1/x", "127.0.0.1/x"},
	} {
		u, err := giturl.Parse(tc.raw)
		if err != nil {
			t.Errorf("%q: %v", tc.raw, err)
			continue
		}
		if u.String() != tc.canonical || u.Name() != tc.name {
			t.Errorf("%q is %q named %q, want %q named %q", tc.raw, u, u.Name(), tc.canonical, tc.name)
		}
	}
}

func TestSpellingsOfOneUpstreamShareAKey(t *testing.T) {
	for _, spellings := range [][]string{
		{"https://github.com/acme/big", "http://github.com/acme/big", "HTTPS://GITHUB.COM/acme/big", "https://github.com./acme/big", "https://github.com:443/acme/big",
			"http://github.com:80/acme/big/", "https://github.com/acme/big.git", "https://github.com/Acme/BIG.GIT/", "https://github.com/%61cme/big"},
		{"https://[::1]:8443/x", "https://[0:0:0:0:0:0:0:1]:8443/x.git"},
		{"http://127.0.0.1/x", "http://[::ffff:7f00:1]/x", "http://127.0.0.1./x"},
		{"https://h/%C3%A9", "https://h/\u00e9", "https://h/%c3%a9.git"},
	} {
		want := mustParse(t, spellings[0]).Key()
		for _, s := range spellings {
			if got := mustParse(t, s).Key(); got != want {
				t.Errorf("%s has key %q, %s has %q", s, got, spellings[0], want)
			}
		}
	}
	keys := map[string]string{}
	for _, s := range []string{"https://h/x", "https://h/y", "https://i/x", "https://h:8443/x", "https://h/x/y", "https://h/x.github", "https://h/xgit"} {
		k := mustParse(t, s).Key()
		if other := keys[k]; other != "" {
			t.Errorf("%s and %s share key %q", s, other, k)
		}
		keys[k] = s
	}
}

func TestLiteral(t *testing.T) {
	if a, ok := mustParse(t, "http://[::ffff:10.0.0.1]/x").Literal(); !ok || a != netip.MustParseAddr("10.0.0.1") {
		t.Errorf("literal %v %v", a, ok)
	}
	if a, ok := mustParse(t, "http://example.com/x").Literal(); ok {
		t.Errorf("a name has the literal address %v", a)
	}
	if h := mustParse(t, "http://Example.COM:81/x").Host(); h != "example.com" {
		t.Errorf("host %q", h)
	}
}

func mustParse(t *testing.T, raw string) giturl.URL {
	t.Helper()
	u, err := giturl.Parse(raw)
	if err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	return u
}

func FuzzParse(f *testing.F) {
	for _, tc := range badURLs {
		f.Add(tc.raw)
	}
	f.Add("https://github.com/acme/big.git")
	f.Add("http://[2001:db8::1]:80/%C3%A9/a(b)")
	f.Add("http://[2001:db8::1]/%C3%89")
	f.Add("http://[2001:db8::1]:8080/x")
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := giturl.Parse(raw)
		if err != nil {
			if !errors.As(err, new(*refusal.Error)) {
				t.Fatalf("error of type %T", err)
			}
			return
		}
		s := u.String()
		if !strings.HasPrefix(s, "http://") && !strings.HasPrefix(s, "https://") || u.Host() == "" {
			t.Fatalf("%q is taken as %q", raw, s)
		}
		_, rest, _ := strings.Cut(s, "://")
		authority, _, _ := strings.Cut(rest, "/")
		if strings.ContainsAny(s, "?#\\\"'<>`") || strings.Contains(authority, "@") || strings.HasPrefix(authority, "-") ||
			strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Fatalf("%q is taken as %q", raw, s)
		}
		if site := giturl.Site(s); !strings.HasSuffix(site, "://"+authority) || !strings.HasPrefix(s, site) {
			t.Fatalf("the site of %q is %q", s, site)
		}
		again, err := giturl.Parse(s)
		if err != nil || again != u {
			t.Fatalf("%q is %q, which parses to %q, %v", raw, s, again, err)
		}
		if name := u.Name(); giturl.CheckName(name) == nil && (!giturl.CalledAs(name, u.Key()) || giturl.CalledAs(name+"x", u.Key()) || giturl.CalledAs("x"+name, u.Key())) {
			t.Fatalf("%q has the name %q, and its key another", raw, name)
		}
		if again.Key() != u.Key() || u.Key() != strings.ToLower(u.Key()) {
			t.Fatalf("key %q", u.Key())
		}
	})
}
