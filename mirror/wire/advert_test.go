package wire_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitmirror/mirror/wire"
)

const service = "# service=git-upload-pack\n"

func TestParseV0(t *testing.T) {
	branches := &wire.Advert{HeadRef: "refs/heads/main", HeadOID: oidA, Refs: []wire.AdvertRef{{"refs/heads/main", oidA}, {"refs/tags/v1", oidB}}}
	for _, tc := range []struct {
		name, in string
		want     *wire.Advert
	}{
		{"branches", packets(service, "0000", oidA+" HEAD\x00multi_ack symref=HEAD:refs/heads/main object-format=sha1 agent=x\n", oidA+" refs/heads/main\n", oidB+" refs/tags/v1\n", oidA+" refs/tags/v1^{}\n", "0000"), branches},
		{"without the service header", packets(oidA+" HEAD\x00symref=HEAD:refs/heads/main\n", oidA+" refs/heads/main\n", oidB+" refs/tags/v1\n", "0000"), branches},
		{"version 1", packets(service, "0000", "version 1\n", oidA+" HEAD\x00symref=HEAD:refs/heads/main\n", oidA+" refs/heads/main\n", oidB+" refs/tags/v1\n", "0000"), branches},
		{"empty", packets(service, "0000", strings.Repeat("0", 40)+" capabilities^{}\x00multi_ack\n", "0000"), &wire.Advert{}},
		{"empty, unborn shown", packets(service, "0000", strings.Repeat("0", 40)+" capabilities^{}\x00symref=HEAD:refs/heads/x\n", "0000"), &wire.Advert{HeadRef: "refs/heads/x"}},
		{"detached", packets(oidA+" HEAD\x00\n", oidA+" refs/heads/x\n", "0000"), &wire.Advert{HeadOID: oidA, Refs: []wire.AdvertRef{{"refs/heads/x", oidA}}}},
		{"no HEAD, no capabilities", packets(oidA+" refs/heads/x\n", "0000"), &wire.Advert{Refs: []wire.AdvertRef{{"refs/heads/x", oidA}}}},
		{"odd white space", packets(oidA+" HEAD\x00symref=HEAD:refs/heads/\u2028 agent=x\n", "0000"), &wire.Advert{HeadOID: oidA, HeadRef: "refs/heads/\u2028"}},
		{"symref of another", packets(oidA+" HEAD\x00symref=refs/remotes/x:refs/heads/y\n", "0000"), &wire.Advert{HeadOID: oidA}},
	} {
		got, err := wire.ParseV0(strings.NewReader(tc.in), wire.Limits{Refs: 10})
		if d := cmp.Diff(tc.want, got); err != nil || d != "" {
			t.Errorf("%s: %v\n%s", tc.name, err, d)
		}
	}
}

func TestParseV0Errors(t *testing.T) {
	var said *wire.ServerError
	for _, tc := range []struct {
		name, in string
		ok       func(error) bool
	}{
		{"ERR", packets(service, "0000", "ERR upload-pack: not exported\n"), func(err error) bool { return errors.As(err, &said) && said.Message == "upload-pack: not exported" }},
		{"html", "<html>", is(wire.ErrPacket)},
		{"shallow", packets(oidA+" HEAD\x00\n", "shallow "+oidA+"\n", "0000"), is(wire.ErrShallow)},
		{"sha256", packets(oidA+" HEAD\x00object-format=sha256\n", "0000"), func(err error) bool { return errors.As(err, new(*wire.FormatError)) }},
		{"no oid", packets("HEAD\x00\n", "0000"), is(wire.ErrProtocol)},
		{"no end", packets(service, "0000", oidA+" HEAD\x00\n"), is(io.ErrUnexpectedEOF)},
		{"service header alone", packets(service, "0000"), is(io.ErrUnexpectedEOF)},
		{"nothing", "", is(io.ErrUnexpectedEOF)},
		{"too many", packets(oidA+" refs/heads/1\x00\n", oidA+" refs/heads/2\n", oidA+" refs/heads/3\n", "0000"), is(wire.ErrTooManyRefs)},
	} {
		if a, err := wire.ParseV0(strings.NewReader(tc.in), wire.Limits{Refs: 2}); !tc.ok(err) || a != nil {
			t.Errorf("%s: %v, %v", tc.name, a, err)
		}
	}
}

// Session ids and versions come and go between answers that say the same.
func TestWithoutCapabilities(t *testing.T) {
	answer := func(caps, tip string) []byte {
		return []byte(packets(service, "0000", oidA+" HEAD\x00"+caps+"\n", tip+" refs/heads/main\n", "0000"))
	}
	one, two := answer("agent=git/1 session-id=aaa", oidA), answer("agent=git/2.39.5 session-id=b", oidA)
	if bytes.Equal(one, two) || !bytes.Equal(wire.WithoutCapabilities(one), wire.WithoutCapabilities(two)) {
		t.Error("capabilities look like a change")
	}
	if bytes.Equal(wire.WithoutCapabilities(one), wire.WithoutCapabilities(answer("agent=git/1 session-id=aaa", oidB))) {
		t.Error("a moved branch does not look like a change")
	}
	if bytes.Equal(wire.WithoutCapabilities(answer("symref=HEAD:refs/heads/a", oidA)), wire.WithoutCapabilities(answer("symref=HEAD:refs/heads/b", oidA))) {
		t.Error("a HEAD that moved to another branch of the same commit does not look like a change")
	}
	if want := answer("agent=git/1 session-id=aaa", oidA); !bytes.Equal(one, want) {
		t.Error("the answer itself was changed")
	}
	for _, s := range []string{"", "no nul\n", "nul\x00but no line end", "00ffnul\x00but cut off", packets(oidA + " HEAD\n")} {
		if got := string(wire.WithoutCapabilities([]byte(s))); got != s {
			t.Errorf("%q became %q", s, got)
		}
	}
}

func FuzzParseV0(f *testing.F) {
	f.Add([]byte(packets(service, "0000", oidA+" HEAD\x00symref=HEAD:refs/heads/main\n", oidA+" refs/heads/main\n", "0000")))
	f.Add([]byte(packets(strings.Repeat("0", 40)+" capabilities^{}\x00x\n", "0000")))
	f.Add([]byte(strings.Repeat("0000", 50)))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := wire.ParseV0(bytes.NewReader(data), wire.Limits{Refs: 3})
		checkAdvert(t, a, err)
		_ = wire.WithoutCapabilities(data)
	})
}
