// Package giturl reads the address of an upstream repository as a person types
// it, refuses what git would take for something else, and gives it one
// canonical spelling, a key under which all spellings of one upstream are
// equal, and a default name.
//
// Only what URL.String returns is ever handed to git.
package giturl

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"gitmirror/internal/asciifold"
	"gitmirror/internal/refusal"
)

// Bounds of an address.
const (
	maxURL  = 2048
	maxHost = 253
)

func refuse(code refusal.Code, hint, format string, args ...any) *refusal.Error {
	return refusal.New(code, format, args...).Try("%s", hint)
}

// URL is an accepted address.
type URL struct {
	scheme string // http or https
	host   string // lower case, no trailing dot; an IPv6 literal without brackets
	port   string // "" where it is the scheme's own
	path   string // starts with a slash, no trailing slash, ".git" as given
}

const exampleHint = "use an address like https://github.com/acme/big"

// Parse reads one address. The error is always a *refusal.Error, and never repeats a
// password.
func Parse(raw string) (URL, error) {
	u, err := parse(raw)
	if err != nil {
		return URL{}, err
	}
	return u, nil
}

func parse(raw string) (URL, *refusal.Error) {
	if raw == "" {
		return URL{}, refuse(refusal.URLInvalid, exampleHint, "the upstream URL is empty")
	}
	if len(raw) > maxURL {
		return URL{}, refuse(refusal.URLTooLong, "", "the upstream URL has %d bytes, at most %d are taken", len(raw), maxURL)
	}
	if raw[0] == '-' {
		return URL{}, refuse(refusal.URLInvalid, exampleHint, "an upstream URL does not start with a dash")
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	if strings.Contains(scheme, "::") || (!ok && strings.Contains(raw, "::")) {
		return URL{}, refuse(refusal.URLScheme, exampleHint, "remote helpers, like ext::, are not taken")
	}
	if !ok {
		if s, _, found := strings.Cut(raw, ":"); found && (strings.EqualFold(s, "http") || strings.EqualFold(s, "https")) {
			return URL{}, refuse(refusal.URLHost, exampleHint, "the upstream URL has no host: %s: is not followed by //", strings.ToLower(s))
		}
		return URL{}, refuse(refusal.URLScheme, exampleHint, "the upstream URL has no scheme: paths and host:path forms are not taken")
	}
	scheme = strings.ToLower(scheme)
	switch scheme {
	case "http", "https":
	case "ssh", "git+ssh", "ssh+git":
		return URL{}, refuse(refusal.URLScheme, "use the https address of the same repository", "ssh upstreams are not supported yet")
	default:
		named := "this scheme" // what else stands there may be a password that lost its way
		if strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+-.") == "" {
			named = fmt.Sprintf("scheme %.20q", scheme)
		}
		return URL{}, refuse(refusal.URLScheme, exampleHint, "%s is not taken: only https and http are", named)
	}
	if strings.ContainsFunc(rest, unwritable) {
		return URL{}, refuse(refusal.URLInvalid, exampleHint, "the upstream URL has a space, a backslash or a control character in it")
	}
	authority, _, _ := strings.Cut(rest, "/")
	if strings.Contains(authority, "@") {
		return URL{}, refuse(refusal.URLUserinfo,
			"leave user and password out; credentials will live in a file on the nodes, never in a URL",
			"the upstream URL carries a user name or password")
	}
	u, err := url.Parse(scheme + "://" + rest)
	if err != nil {
		if cause := errors.Unwrap(err); cause != nil && strings.HasPrefix(cause.Error(), "invalid port") {
			return URL{}, refuse(refusal.URLPort, exampleHint, "the port of the upstream URL is not a number from 1 to 65535")
		}
		return URL{}, refuse(refusal.URLInvalid, exampleHint, "the upstream URL is not well formed")
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(rest, "#") {
		return URL{}, refuse(refusal.URLQuery, "leave out everything from the ? or #", "the upstream URL has a query or a fragment")
	}
	host, herr := checkHost(u.Host, u.Hostname())
	if herr != nil {
		return URL{}, herr
	}
	port, perr := checkPort(scheme, u)
	if perr != nil {
		return URL{}, perr
	}
	path, patherr := checkPath(u)
	if patherr != nil {
		return URL{}, patherr
	}
	return URL{scheme: scheme, host: host, port: port, path: path}, nil
}

// unwritable are the characters that stand in no address, but may make
// something else of it for a terminal, a log or another parser.
func unwritable(c rune) bool {
	return c == '\\' || unicode.IsSpace(c) || unicode.IsControl(c) || unicode.In(c, unicode.Cf, unicode.Zl, unicode.Zp)
}

func checkHost(authority, host string) (string, *refusal.Error) {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "" {
		return "", refuse(refusal.URLHost, exampleHint, "the upstream URL has no host")
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Zone() != "" {
			return "", refuse(refusal.URLHost, exampleHint, "an address with a zone is not taken")
		}
		return addr.Unmap().String(), nil
	}
	if strings.HasPrefix(authority, "[") {
		return "", refuse(refusal.URLHost, exampleHint, "what stands in brackets is not an IPv6 address")
	}
	if len(host) > maxHost {
		return "", refuse(refusal.URLTooLong, "", "the host name has %d bytes, at most %d are possible", len(host), maxHost)
	}
	labels := strings.Split(host, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			if len(l) > 63 {
				return "", refuse(refusal.URLTooLong, "", "a part of the host name has %d bytes, at most 63 are possible", len(l))
			}
			return "", refuse(refusal.URLHost, "write an international name in its xn-- form", "%.80q is not a host name", host)
		}
	}
	// 2130706433, 0x7f000001, 127.1 and 0177.0.0.1 are addresses to many
	// resolvers and names to none: nobody means them well.
	if last := labels[len(labels)-1]; isNumber(last) {
		return "", refuse(refusal.AddressDenied, "write an IPv4 address as four decimal numbers", "%q is an address in disguise", host)
	}
	return host, nil
}

func isNumber(s string) bool {
	if _, err := strconv.ParseUint(s, 10, 64); err == nil {
		return true
	}
	if rest, ok := strings.CutPrefix(s, "0x"); ok {
		return strings.Trim(rest, "0123456789abcdef") == ""
	}
	return strings.Trim(s, "0123456789") == ""
}

func checkPort(scheme string, u *url.URL) (string, *refusal.Error) {
	port := u.Port()
	if port == "" {
		if strings.HasSuffix(u.Host, ":") {
			return "", refuse(refusal.URLPort, exampleHint, "the port of the upstream URL is empty")
		}
		return "", nil
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n > 65535 {
		return "", refuse(refusal.URLPort, exampleHint, "port %.20q of the upstream URL is not a number from 1 to 65535", port)
	}
	if (scheme == "http" && n == 80) || (scheme == "https" && n == 443) {
		return "", nil
	}
	return strconv.Itoa(n), nil
}

// checkPath returns the path in the one spelling that escapes what must be and
// nothing else.
func checkPath(u *url.URL) (string, *refusal.Error) {
	if strings.ContainsFunc(strings.ReplaceAll(u.Path, " ", ""), unwritable) {
		return "", refuse(refusal.URLInvalid, exampleHint, "the path of the upstream URL has an escaped control character in it")
	}
	if strings.Contains(strings.ToLower(u.EscapedPath()), "%2f") {
		return "", refuse(refusal.URLInvalid, exampleHint, "the path of the upstream URL has an escaped slash in it")
	}
	path := strings.TrimRight(u.Path, "/")
	if path == "" {
		return "", refuse(refusal.URLInvalid, exampleHint, "the upstream URL names a host but no repository")
	}
	for seg := range strings.SplitSeq(path[1:], "/") {
		switch seg {
		case "":
			return "", refuse(refusal.URLInvalid, exampleHint, "the path of the upstream URL has an empty part")
		case ".", "..":
			return "", refuse(refusal.URLInvalid, exampleHint, "the path of the upstream URL has %q in it", seg)
		}
	}
	return (&url.URL{Path: path}).EscapedPath(), nil
}

// String is the canonical spelling.
func (u URL) String() string { return u.scheme + "://" + u.authority() + u.path }

// Site is what a url in canonical spelling has before its path: scheme, host and port.
func Site(canonical string) string {
	scheme := strings.Index(canonical, "://")
	if scheme < 0 {
		return canonical
	}
	host := scheme + len("://")
	if n := strings.IndexByte(canonical[host:], '/'); n >= 0 {
		return canonical[:host+n]
	}
	return canonical
}

// Host is the host's name or literal address, without port.
func (u URL) Host() string { return u.host }

// Literal is the address where the host is one.
func (u URL) Literal() (netip.Addr, bool) {
	a, err := netip.ParseAddr(u.host)
	return a, err == nil
}

// Key is equal for the spellings of one upstream: scheme, ".git", a trailing
// slash, the case of the host and, since forges fold it, of the path do not
// count.
func (u URL) Key() string {
	return strings.TrimSuffix(strings.ToLower(u.authority()+u.path), ".git")
}

// Name is the default name of a mirror: host and path, without ".git". A port
// is joined with a plus sign, because a name has no colon. Letters beyond ASCII, which
// an address escapes, are themselves where that makes a name.
func (u URL) Name() string {
	host := strings.ReplaceAll(u.host, ":", "-")
	if u.port != "" {
		host += "+" + u.port
	}
	name := host + strings.TrimSuffix(u.path, ".git")
	if plain, err := url.PathUnescape(name); err == nil && plain != name && CheckName(NormalName(plain)) == nil {
		return NormalName(plain)
	}
	return name
}

// CalledAs tells whether a name is the Name of an address that has a key, but for case. It asks no table of letters, which
// grows with each release: nodes of different releases must agree.
func CalledAs(name, key string) bool {
	authority, path, _ := strings.Cut(key, "/")
	host, port := authority, ""
	if end := strings.LastIndex(authority, ":"); end > strings.LastIndex(authority, "]") {
		host, port = authority[:end], "+"+authority[end+1:]
	}
	host = strings.ReplaceAll(strings.Trim(host, "[]"), ":", "-")
	escaped := host + port + "/" + path
	if asciifold.Compare(escaped, name) == 0 {
		return true
	}
	plain, err := url.PathUnescape(escaped)
	return err == nil && asciifold.Compare(NormalName(plain), name) == 0
}

func (u URL) authority() string {
	host := u.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if u.port != "" {
		host += ":" + u.port
	}
	return host
}
