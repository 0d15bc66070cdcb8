package source_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gitmirror/source"
)

// What is done makes of any claims what a listing has, and keeps what it is not sure of.
func TestChangesLeadToTheListing(t *testing.T) {
	addresses := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"w", "x", "y", "z"}), 1, 2, rapid.ID)
	rapid.Check(t, func(t *rapid.T) {
		paths := rapid.SliceOfNDistinct(rapid.SampledFrom(strings.Split("a,a/b,a/b/c,ab,b,B,c/d,c/e,d", ",")), 0, 9, rapid.ID).Draw(t, "claims")
		claims := map[string]source.Claim{}
		for _, p := range paths {
			e := source.Entry{File: p, URLs: addresses.Draw(t, "urls")}
			claims[p] = source.Claim{Path: p, File: p, Keys: e.URLs, Hash: e.Hash()}
		}
		l := &source.Listing{Unknown: rapid.SliceOfDistinct(rapid.SampledFrom([]string{"a/", "a", "c/d", "c/"}), rapid.ID).Draw(t, "unknown")}
		for _, p := range rapid.SliceOfNDistinct(rapid.SampledFrom(strings.Split("a,a/b,a/b/c,ab,b,c/d,c/e,d,e", ",")), 0, 9, rapid.ID).Draw(t, "listed") {
			urls := addresses.Draw(t, "now")
			l.Entries = append(l.Entries, source.Entry{Path: p, File: p, URLs: urls, Keys: urls})
		}
		l.Sort()
		sorted := slices.SortedFunc(maps.Values(claims), func(a, b source.Claim) int { return strings.Compare(a.Path, b.Path) })
		c := source.Compare(l, slices.Values(sorted), nil)

		want := map[string]source.Hash{}
		var lost []string
		kept := 0
		added := func(url string) bool {
			return slices.ContainsFunc(l.Entries, func(e source.Entry) bool { _, had := claims[e.Path]; return !had && e.Keys[0] == url })
		}
		var gone []source.Claim
		for _, claim := range sorted {
			if l.Find(claim.Path) == nil && !l.Doubts(claim.File) {
				gone = append(gone, claim)
			}
		}
		for _, claim := range sorted {
			listed := slices.ContainsFunc(l.Entries, func(e source.Entry) bool { return e.Path == claim.Path })
			moved := slices.ContainsFunc(l.Entries, func(e source.Entry) bool { return e.Keys[0] == claim.Keys[0] })
			for _, url := range claim.Keys[1:] { // which is another entry's first, where nothing that is gone had it so
				had := func(c source.Claim) bool { return c.Keys[0] == url }
				first := slices.IndexFunc(gone, func(c source.Claim) bool { return slices.Contains(c.Keys[1:], url) })
				moved = moved || added(url) && !slices.ContainsFunc(gone, had) && first >= 0 && gone[first].Path == claim.Path
			}
			for i, path := range c.From { // or before whose first it has another
				moved = moved || path == claim.Path && slices.Contains(l.Entries[i].Keys[1:], claim.Keys[0])
			}
			doubt := slices.ContainsFunc(l.Unknown, func(u string) bool {
				return u == claim.File || strings.HasSuffix(u, "/") && strings.HasPrefix(claim.File, u)
			})
			switch {
			case listed:
			case doubt:
				want[claim.Path] = claim.Hash
				kept++
			case !moved:
				lost = append(lost, claim.Path)
			}
		}
		for _, e := range l.Entries {
			want[e.Path] = e.Hash()
		}
		got := map[string]source.Hash{}
		for _, claim := range sorted {
			got[claim.Path] = claim.Hash
		}
		for _, i := range slices.Concat(c.Added, c.Changed) {
			e := l.Entries[i]
			if _, had := got[e.Path]; had != slices.Contains(c.Changed, i) || got[e.Path] == e.Hash() {
				t.Errorf("%s is added or changed for nothing", e.Path)
			}
			got[e.Path] = e.Hash()
		}
		for i, p := range c.From {
			of := gone[slices.IndexFunc(gone, func(c source.Claim) bool { return c.Path == p })]
			if !slices.ContainsFunc(l.Entries[i].Keys, func(key string) bool { return slices.Contains(of.Keys, key) }) || slices.Contains(c.Lost, p) {
				t.Errorf("%+v is said to be %+v, which is gone", l.Entries[i], of)
			}
		}
		for _, p := range c.Gone {
			delete(got, p)
		}
		if !maps.Equal(got, want) || !slices.Equal(c.Lost, lost) || c.Kept != kept {
			t.Errorf("%v, want %v; lost %q, want %q; kept %d, want %d", got, want, c.Lost, lost, c.Kept, kept)
		}
		if c.Empty() != (maps.Equal(want, func() map[string]source.Hash {
			m := map[string]source.Hash{}
			for _, claim := range sorted {
				m[claim.Path] = claim.Hash
			}
			return m
		}())) {
			t.Errorf("empty is %v", c.Empty())
		}
	})
}

func TestTheGuard(t *testing.T) {
	for claims, may := range map[int]int{0: 4, 1: 4, 49: 4, 50: 5, 100: 10, 1_000_000: 100_000} {
		if got := source.MayLose(claims); got != may {
			t.Errorf("of %d claims %d may go, want %d", claims, got, may)
		}
	}
}

func BenchmarkCompareOneEdit(b *testing.B) {
	l := &source.Listing{}
	var claims []source.Claim
	for i := range 100_000 {
		url := fmt.Sprintf("https://github.com/acme/repo%06d", i)
		e := source.Entry{Path: url[8:], File: fmt.Sprintf("f%02d.txt", i/1000), URLs: []string{url}, Keys: []string{url[8:]}}
		l.Entries = append(l.Entries, e)
		claims = append(claims, source.Claim{Path: e.Path, File: e.File, Keys: e.Keys, Hash: e.Hash()})
	}
	l.Sort()
	l.Entries[500].URLs = []string{"https://github.com/acme/other"}
	for b.Loop() {
		if c := source.Compare(l, slices.Values(claims), nil); len(c.Changed) != 1 {
			b.Fatalf("%+v", c)
		}
	}
}

// What hangs on what is gone is lost with it, and what hangs on what stays is not.
func TestWhatHangsOnWhatIsGoneIsLost(t *testing.T) {
	claim := func(path string) source.Claim {
		e := source.Entry{File: path, URLs: []string{path}}
		return source.Claim{Path: path, File: path, Keys: []string{path}, Hash: e.Hash()}
	}
	l := &source.Listing{Entries: []source.Entry{{Path: "b", File: "b", URLs: []string{"b"}, Keys: []string{"b"}, Asks: source.Asks{Submodules: true}}, {Path: "d", File: "d", URLs: []string{"c"}, Keys: []string{"c"}}}}
	c := source.Compare(l, slices.Values([]source.Claim{claim("a"), claim(source.Under("a", "x")), claim(source.Under("a", "y")), claim("b"), claim(source.Under("b", "x")), claim("c"), claim(source.Under("c", "x"))}), nil)
	if want := []string{"a", source.Under("a", "x"), source.Under("a", "y")}; !slices.Equal(c.Lost, want) || !slices.Equal(c.Gone, []string{"a", "c"}) {
		t.Errorf("%q are lost of %q, want %q", c.Lost, c.Gone, want)
	}
}

// A path that a file had which cannot be understood goes to no other file's entry meanwhile; where all of a listing
// is in doubt, what it has is taken up.
func TestAPathOfAFileInDoubt(t *testing.T) {
	is := source.Entry{Path: "d/app", File: "many.yaml", URLs: []string{"https://h/other"}, Keys: []string{"h/other"}}
	claim := source.Claim{Path: "d/app", File: "d/app", Keys: []string{"h/app"}}
	for unknown, changed := range map[string]int{"d/": 0, "d/app": 0, "e/": 1, "/": 1} {
		c := source.Compare(&source.Listing{Entries: []source.Entry{is}, Unknown: []string{unknown}}, slices.Values([]source.Claim{claim}), nil)
		if len(c.Changed) != changed || c.Kept != 1-changed || len(c.Gone) != 0 {
			t.Errorf("%s: %+v", unknown, c)
		}
	}
}

// mirrored are rows: what they serve, where that is not what they have; and the paths that what has a url is mirrored for.
type mirrored struct{ serves, rows map[string]string }

func (m mirrored) Serves(path string) string { return m.serves[path] }
func (m mirrored) Other(key, path string) bool {
	return m.rows[key] != "" && m.rows[key] != path
}

// What is set aside is not gone under the path that it had before, whichever of its urls that had.
func TestWhatIsSetAsideIsNotGone(t *testing.T) {
	claim := func(path string, urls ...string) source.Claim {
		return source.Claim{Path: path, File: path, Keys: urls}
	}
	l := &source.Listing{Aside: []source.Entry{{Path: "new/a", Keys: []string{"a", "denied"}}, {Path: "new/s", Keys: []string{"denied", "served"}}}}
	c := source.Compare(l, slices.Values([]source.Claim{claim("a", "a"), claim("b", "b", "a"), claim("s", "s")}), mirrored{serves: map[string]string{"s": "served"}})
	if !slices.Equal(c.Gone, []string{"b"}) || !slices.Equal(c.Lost, []string{"b"}) || c.Kept != 2 {
		t.Errorf("%+v", c)
	}
}

// What is gone is under one other path: that of what is served of it, those of its first url, or one of a further url.
func TestWhatIsGoneIsUnderOneOtherPath(t *testing.T) {
	entry := func(path string, urls ...string) source.Entry {
		return source.Entry{Path: path, File: path, URLs: urls, Keys: urls}
	}
	claim := func(path string, urls ...string) source.Claim {
		e := entry(path, urls...)
		return source.Claim{Path: path, File: path, Keys: urls, Hash: e.Hash()}
	}
	rows := mirrored{serves: map[string]string{"gone": "served"}, rows: map[string]string{"one": "gone", "mirrored": "there", "three": "there"}}
	for _, c := range []struct {
		what   string
		listed []source.Entry
		want   map[string]string
	}{
		{"its first url", []source.Entry{entry("a", "one"), entry("b", "one"), entry("c", "two")}, map[string]string{"a": "gone", "b": "gone"}},
		{"which another has taken up", []source.Entry{entry("a", "two"), entry("there", "one")}, map[string]string{"there": "gone"}},
		{"what is served", []source.Entry{entry("a", "one"), entry("b", "served"), entry("c", "two")}, map[string]string{"b": "gone"}},
		{"a further url", []source.Entry{entry("a", "two"), entry("b", "three")}, map[string]string{"a": "gone"}},
		{"another before its first", []source.Entry{entry("a", "new", "one"), entry("b", "new", "two")}, map[string]string{"a": "gone"}},
		{"another before what is served", []source.Entry{entry("a", "new", "served")}, map[string]string{"a": "gone"}},
		{"before its first what is mirrored for another", []source.Entry{entry("a", "mirrored", "one")}, nil},
		{"no such", []source.Entry{entry("a", "four"), entry("there", "two")}, nil},
	} {
		l := &source.Listing{Entries: c.listed}
		claims := []source.Claim{claim("gone", "one", "two"), claim("there", "other")}
		got := map[string]string{}
		changes := source.Compare(l, slices.Values(claims), rows)
		for i, path := range changes.From {
			got[l.Entries[i].Path] = path
		}
		if !maps.Equal(got, c.want) || slices.Contains(changes.Lost, "gone") != (len(c.want) == 0) {
			t.Errorf("%s: %v, want %v; lost %q", c.what, got, c.want, changes.Lost)
		}
		l.Numbered = true
		if changes := source.Compare(l, slices.Values(claims), rows); len(changes.From) > 0 {
			t.Errorf("%s, of a forge: %v", c.what, changes.From)
		}
	}
}
