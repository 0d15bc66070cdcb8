package wire_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"gitmirror/mirror/wire"
)

func TestFetchIsEncoded(t *testing.T) {
	one, two := strings.Repeat("1", 40), strings.Repeat("2", 40)
	q := wire.Fetch{Agent: "a/1", Format: "sha1", Wants: []string{one, two}, Haves: []string{two}}
	if got, want := string(q.Encode()), "0011command=fetch000dagent=a/10016object-format=sha10001000ethin-pack\n000eofs-delta\n"+
		"0032want "+one+"\n0032want "+two+"\n0032have "+two+"\n0009done\n0000"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	got, err := q.EncodeV0([]string{"side-band-64k", "ofs-delta", "agent=x"})
	if want := "0054want " + one + " side-band-64k ofs-delta agent=a/1\n0032want " + two + "\n00000032have " + two + "\n0009done\n"; err != nil || string(got) != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if _, err := q.EncodeV0([]string{"ofs-delta"}); !errors.Is(err, wire.ErrProtocol) {
		t.Errorf("a server without bands: %v", err)
	}
}

func TestCapabilitiesOfVersion0(t *testing.T) {
	oid := strings.Repeat("1", 40)
	packets := func(lines ...string) []byte {
		var b bytes.Buffer
		w := wire.NewWriter(&b)
		for _, l := range lines {
			w.Line("%s", l)
		}
		return b.Bytes()
	}
	for _, c := range []struct {
		body []byte
		want string
		err  any
	}{
		{append(packets("# service=git-upload-pack\n"), append([]byte("0000"), packets(oid+" HEAD\x00a b=c\n", oid+" x")...)...), "a b=c", nil},
		{packets("version 1", oid+" HEAD\x00a"), "a", nil},
		{packets(oid + " HEAD\n"), "", wire.ErrProtocol},
		{packets("ERR no\n"), "", new(*wire.ServerError)},
		{packets(oid + " HEAD\x00object-format=sha256\n"), "", new(*wire.FormatError)},
		{[]byte("0000"), "", io.ErrUnexpectedEOF},
		{[]byte("zzzz"), "", wire.ErrPacket},
	} {
		caps, err := wire.ParseCapabilitiesV0(c.body)
		wrong := err != nil
		switch want := c.err.(type) {
		case nil:
		case error:
			wrong = !errors.Is(err, want)
		default:
			wrong = !errors.As(err, want)
		}
		if wrong || strings.Join(caps, " ") != c.want {
			t.Errorf("%q: %q, %v", c.body, caps, err)
		}
	}
}

func TestBands(t *testing.T) {
	pack := func(parts ...string) string {
		var b bytes.Buffer
		w := wire.NewWriter(&b)
		for _, p := range parts {
			switch p {
			case "flush":
				w.Flush()
			case "delim":
				w.Delim()
			default:
				w.Line("%s", p)
			}
		}
		return b.String()
	}
	for _, c := range []struct {
		name, answer string
		v2           bool
		want, said   string
		err          any
	}{
		{"a pack", pack("packfile\n", "\x01PA", "\x02words", "\x01", "\x01CK", "flush"), true, "PACK", "words", nil},
		{"behind acknowledgments", pack("acknowledgments\n", "ACK x\n", "ready\n", "delim", "packfile\n", "\x01P", "flush"), true, "P", "", nil},
		{"acknowledgments alone", pack("acknowledgments\n", "NAK\n", "flush"), true, "", "", wire.ErrProtocol},
		{"nothing", "", true, "", "", io.ErrUnexpectedEOF},
		{"another section", pack("packfile-uris\n", "x", "delim", "packfile\n"), true, "", "", wire.ErrProtocol},
		{"a shallow clone", pack("shallow-info\n", "shallow x\n"), true, "", "", wire.ErrShallow},
		{"no pack", pack("flush"), true, "", "", wire.ErrProtocol},
		{"an error", pack("ERR no"), true, "", "", new(*wire.ServerError)},
		{"cut off", pack("packfile\n", "\x01PA"), true, "PA", "", io.ErrUnexpectedEOF},
		{"given up", pack("packfile\n", "\x01PA", "\x03no memory\n"), true, "PA", "", new(*wire.BandError)},
		{"a band that is none", pack("packfile\n", "\x04x"), true, "", "", wire.ErrProtocol},
		{"an empty packet", "000dpackfile\n0004", true, "", "", wire.ErrProtocol},
		{"in version 0", pack("NAK\n", "\x01PA", "\x01CK", "flush"), false, "PACK", "", nil},
		{"with what is had", pack("ACK "+strings.Repeat("1", 40)+"\n", "\x01P", "flush"), false, "P", "", nil},
		{"shallow in version 0", pack("shallow "+strings.Repeat("1", 40)+"\n", "flush"), false, "", "", wire.ErrShallow},
		{"words in version 0", pack("NAK\n", "PACK"), false, "", "", wire.ErrProtocol},
	} {
		t.Run(c.name, func(t *testing.T) {
			var said strings.Builder
			bands, err := wire.Pack(strings.NewReader(c.answer), c.v2, func(p []byte) { said.Write(p) })
			var got []byte
			if err == nil {
				got, err = io.ReadAll(bands)
			}
			wrong := err != nil
			switch want := c.err.(type) {
			case nil:
			case error:
				wrong = !errors.Is(err, want)
			default:
				wrong = !errors.As(err, want)
			}
			if wrong || string(got) != c.want || said.String() != c.said {
				t.Errorf("%q, %q, %v", got, said.String(), err)
			}
		})
	}
}
