package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"gitmirror/mirror/wire"
)

var (
	oidA = strings.Repeat("a", 40)
	oidB = strings.Repeat("b", 40)
)

// packets frames lines; "0000", "0001" and "0002" are the special ones.
func packets(lines ...string) string {
	var b strings.Builder
	for _, l := range lines {
		if l == "0000" || l == "0001" || l == "0002" {
			b.WriteString(l)
		} else {
			fmt.Fprintf(&b, "%04x%s", len(l)+4, l)
		}
	}
	return b.String()
}

func TestLsRefsRequestBackAndForth(t *testing.T) {
	word := rapid.StringMatching(`[a-zA-Z0-9/._-]{1,40}`)
	rapid.Check(t, func(t *rapid.T) {
		want := wire.LsRefs{
			Agent:    rapid.OneOf(rapid.Just(""), word).Draw(t, "agent"),
			Format:   rapid.SampledFrom([]string{"", "sha1", "sha256"}).Draw(t, "format"),
			Prefixes: rapid.SliceOfN(word, 0, 20).Draw(t, "prefixes"),
			Symrefs:  rapid.Bool().Draw(t, "symrefs"), Peel: rapid.Bool().Draw(t, "peel"), Unborn: rapid.Bool().Draw(t, "unborn"),
		}
		p := wire.NewReader(bytes.NewReader(want.Encode()))
		if command, special, err := p.Line(); command != "command=ls-refs" || special || err != nil {
			t.Fatalf("begins with %q %v %v", command, special, err)
		}
		got, err := wire.ReadLsRefs(p)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
		if _, _, err := p.Next(); err != io.EOF {
			t.Fatalf("something follows the request: %v", err)
		}
	})
}

func TestReadLsRefsTakesWhatClientsSend(t *testing.T) {
	q, err := wire.ReadLsRefs(wire.NewReader(strings.NewReader(packets(
		"agent=git/2.39", "object-format=sha1\n", "server-option=x", "0001", "peel", "symrefs\n", "future=thing", "ref-prefix refs/heads/\n", "ref-prefix \n", "0000"))))
	want := wire.LsRefs{Agent: "git/2.39", Format: "sha1", Peel: true, Symrefs: true, Prefixes: []string{"refs/heads/", ""}}
	if d := cmp.Diff(want, q); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
	for _, s := range []string{"", packets("0001", "peel"), packets("0001") + "00", "zzzz"} {
		if _, err := wire.ReadLsRefs(wire.NewReader(strings.NewReader(s))); err == nil || err == io.EOF {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// Beyond a bound the client gets everything: the protocol allows that, and we
// keep no more.
func TestTooManyPrefixesMeanAll(t *testing.T) {
	ask := func(n int) int {
		line := packets("ref-prefix x")
		q, err := wire.ReadLsRefs(wire.NewReader(strings.NewReader("0001" + strings.Repeat(line, n) + "0000")))
		if err != nil {
			t.Fatal(err)
		}
		return len(q.Prefixes)
	}
	if n := ask(65536); n != 65536 {
		t.Errorf("%d prefixes are kept of 65536", n)
	}
	for _, n := range []int{65537, 70000} {
		if kept := ask(n); kept != 0 {
			t.Errorf("%d prefixes are kept of %d, want none", kept, n)
		}
	}
}

func TestParseLsRefs(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     *wire.Advert
	}{
		{"empty", "0000", &wire.Advert{}},
		{"branches", packets(oidA+" HEAD symref-target:refs/heads/main\n", oidA+" refs/heads/main\n", oidB+" refs/tags/v1 peeled:"+oidA+"\n", "0000"),
			&wire.Advert{HeadRef: "refs/heads/main", HeadOID: oidA, Refs: []wire.AdvertRef{{"refs/heads/main", oidA}, {"refs/tags/v1", oidB}}}},
		{"detached", packets(oidA+" HEAD\n", "0000"), &wire.Advert{HeadOID: oidA}},
		{"unborn", packets("unborn HEAD symref-target:refs/heads/main\n", "0000"), &wire.Advert{HeadRef: "refs/heads/main"}},
		{"unborn without target", packets("unborn HEAD\n", "0000"), &wire.Advert{}},
		{"another unborn", packets("unborn refs/heads/x symref-target:refs/heads/y\n", "0000"), &wire.Advert{}},
		{"odd white space", packets(oidA+" HEAD symref-target:refs/heads/\u00a0x future:y\n", oidA+" refs/heads/\u00a0x\n", "0000"),
			&wire.Advert{HeadRef: "refs/heads/\u00a0x", HeadOID: oidA, Refs: []wire.AdvertRef{{"refs/heads/\u00a0x", oidA}}}},
		{"hostile names are passed on as they are", packets(oidA+" refs/heads/../../config\n", "0000"), &wire.Advert{Refs: []wire.AdvertRef{{"refs/heads/../../config", oidA}}}},
		{"response end", packets(oidA+" refs/heads/x", "0002"), &wire.Advert{Refs: []wire.AdvertRef{{"refs/heads/x", oidA}}}},
	} {
		got, err := wire.ParseLsRefs(strings.NewReader(tc.in), wire.Limits{Refs: 10})
		if d := cmp.Diff(tc.want, got); err != nil || d != "" {
			t.Errorf("%s: %v\n%s", tc.name, err, d)
		}
	}
}

func TestParseLsRefsErrors(t *testing.T) {
	var said *wire.ServerError
	for _, tc := range []struct {
		name, in string
		ok       func(error) bool
	}{
		{"ERR", packets("ERR access denied\n"), func(err error) bool { return errors.As(err, &said) && said.Message == "access denied" }},
		{"html", "<html>", is(wire.ErrPacket)},
		{"no oid", packets("refs/heads/main\n", "0000"), is(wire.ErrProtocol)},
		{"empty line", packets("\n", "0000"), is(wire.ErrProtocol)},
		{"version 0", packets(oidA+" HEAD\x00multi_ack symref=HEAD:refs/heads/main\n", "0000"), is(wire.ErrProtocol)},
		{"short oid", packets("abc refs/heads/main\n", "0000"), is(wire.ErrProtocol)},
		{"upper oid", packets(strings.ToUpper(oidA)+" refs/heads/main\n", "0000"), is(wire.ErrProtocol)},
		{"sha256", packets(strings.Repeat("a", 64)+" refs/heads/main\n", "0000"), is(wire.ErrProtocol)},
		{"no end", packets(oidA + " refs/heads/main\n"), is(io.ErrUnexpectedEOF)},
		{"cut", packets(oidA + " refs/heads/main\n")[:30], is(io.ErrUnexpectedEOF)},
		{"nothing", "", is(io.ErrUnexpectedEOF)},
		{"too many", packets(oidA+" refs/heads/1\n", oidA+" refs/heads/2\n", oidA+" refs/heads/3\n", "0000"), is(wire.ErrTooManyRefs)},
	} {
		if a, err := wire.ParseLsRefs(strings.NewReader(tc.in), wire.Limits{Refs: 2}); !tc.ok(err) || a != nil {
			t.Errorf("%s: %v, %v", tc.name, a, err)
		}
	}
}

func is(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }

func TestParseCapabilities(t *testing.T) {
	want := wire.Capabilities{"agent": "git/2.39", "ls-refs": "unborn", "fetch": "shallow filter", "server-option": "", "object-format": "sha1"}
	body := packets("version 2\n", "agent=git/2.39\n", "ls-refs=unborn\n", "fetch=shallow filter\n", "server-option\n", "object-format=sha1\n", "0000")
	for _, in := range []string{body, packets("# service=git-upload-pack\n", "0000") + body} {
		got, ok, err := wire.ParseCapabilities([]byte(in))
		if d := cmp.Diff(want, got); !ok || err != nil || d != "" {
			t.Errorf("%v %v\n%s", ok, err, d)
		}
	}
	for _, in := range []string{
		packets("# service=git-upload-pack\n", "0000", oidA+" HEAD\x00multi_ack\n", "0000"), packets("version 1\n", oidA+" HEAD\x00\n", "0000"),
	} {
		if caps, ok, err := wire.ParseCapabilities([]byte(in)); ok || err != nil {
			t.Errorf("version 0 or 1 taken for 2: %v %v %v", caps, ok, err)
		}
	}
	for in, want := range map[string]error{"": io.ErrUnexpectedEOF, "<!DOCTYPE html>": wire.ErrPacket, packets("version 2\n"): io.ErrUnexpectedEOF, strings.Repeat("0000", 1000): io.ErrUnexpectedEOF} {
		if _, ok, err := wire.ParseCapabilities([]byte(in)); ok || !errors.Is(err, want) {
			t.Errorf("%.20q: %v %v, want %v", in, ok, err, want)
		}
	}
	var said *wire.ServerError
	if _, _, err := wire.ParseCapabilities([]byte(packets("ERR gone\n"))); !errors.As(err, &said) || said.Message != "gone" {
		t.Errorf("ERR: %v", err)
	}
}

func FuzzParseLsRefs(f *testing.F) {
	f.Add([]byte(packets(oidA+" HEAD symref-target:refs/heads/main\n", oidA+" refs/heads/main\n", "0000")))
	f.Add([]byte(packets("unborn HEAD symref-target:refs/heads/main\n", "0000")))
	f.Add([]byte(packets("ERR no\n")))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := wire.ParseLsRefs(bytes.NewReader(data), wire.Limits{Refs: 3})
		checkAdvert(t, a, err)
		_, _ = wire.ReadLsRefs(wire.NewReader(bytes.NewReader(data)))
	})
}

func FuzzParseCapabilities(f *testing.F) {
	f.Add([]byte(packets("# service=git-upload-pack\n", "0000", "version 2\n", "agent=x\n", "0000")))
	f.Add([]byte(packets("version 2\n", "=\n", "a=b=c\n", "0000")))
	f.Fuzz(func(t *testing.T, data []byte) {
		caps, ok, err := wire.ParseCapabilities(data)
		if ok && (err != nil || caps == nil) || err != nil && caps != nil {
			t.Fatalf("%v %v %v", caps, ok, err)
		}
	})
}

// checkAdvert holds for whatever a server sends.
func checkAdvert(t *testing.T, a *wire.Advert, err error) {
	if (a == nil) == (err == nil) {
		t.Fatalf("advert %v with error %v", a, err)
	}
	if err != nil {
		return
	}
	if len(a.Refs) > 3 || a.HeadOID != "" && !wire.IsOID(a.HeadOID) {
		t.Fatalf("beyond its bounds: %+v", a)
	}
	for _, r := range a.Refs {
		if !wire.IsOID(r.OID) || r.Name == "HEAD" {
			t.Fatalf("ref %+v", r)
		}
	}
}
