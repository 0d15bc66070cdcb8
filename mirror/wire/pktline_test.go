package wire_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"gitmirror/mirror/wire"
)

func TestPacketsBackAndForth(t *testing.T) {
	var b bytes.Buffer
	w := wire.NewWriter(&b)
	w.Line("plain\n")
	w.Line("%s and %d\n", "formatted", 7)
	w.Line("100%% literal only with arguments")
	w.Line("")
	w.Delim()
	w.Line("%s", strings.Repeat("x", wire.MaxPayload))
	w.Flush()
	if w.Err() != nil {
		t.Fatal(w.Err())
	}
	p := wire.NewReader(iotest.OneByteReader(io.MultiReader(&b, strings.NewReader("0002rest"))))
	for i, want := range []struct {
		kind wire.Kind
		line string
	}{
		{wire.Data, "plain\n"}, {wire.Data, "formatted and 7\n"}, {wire.Data, "100%% literal only with arguments"}, {wire.Data, ""},
		{wire.Delim, ""}, {wire.Data, strings.Repeat("x", wire.MaxPayload)}, {wire.Flush, ""}, {wire.ResponseEnd, ""},
	} {
		kind, payload, err := p.Next()
		if err != nil || kind != want.kind || string(payload) != want.line {
			t.Fatalf("packet %d: kind %d %.40q, %v; want kind %d %.40q", i, kind, payload, err, want.kind, want.line)
		}
	}
	if _, _, err := p.Next(); !errors.Is(err, wire.ErrPacket) {
		t.Errorf("\"rest\" is read as a packet: %v", err)
	}
}

func TestMalformedPackets(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want error
	}{
		{"0003", wire.ErrPacket},
		{"fffg", wire.ErrPacket},
		{"-001", wire.ErrPacket},
		{"+004", wire.ErrPacket},
		{"0x05", wire.ErrPacket},
		{" 005", wire.ErrPacket},
		{"<htm", wire.ErrPacket},
		{"fff1" + strings.Repeat("x", 65521), wire.ErrPacket}, // 65,521 bytes in all
		{"ffff" + strings.Repeat("x", 65535), wire.ErrPacket},
		{"", io.EOF},
		{"0", io.ErrUnexpectedEOF},
		{"000", io.ErrUnexpectedEOF},
		{"0005", io.ErrUnexpectedEOF},
		{"000aabc", io.ErrUnexpectedEOF},
	} {
		_, _, err := wire.NewReader(strings.NewReader(tc.in)).Next()
		if !errors.Is(err, tc.want) {
			t.Errorf("%.20q: %v, want %v", tc.in, err, tc.want)
		}
	}
	if _, payload, err := wire.NewReader(strings.NewReader("FFF0" + strings.Repeat("x", 65516))).Next(); err != nil || len(payload) != wire.MaxPayload {
		t.Errorf("the largest packet: %d bytes, %v", len(payload), err)
	}
}

// What follows a packet belongs to somebody else.
func TestReaderTakesNoMoreThanItReturns(t *testing.T) {
	r := strings.NewReader("0006a\n0000and the rest")
	p := wire.NewReader(r)
	for range 2 {
		if _, _, err := p.Line(); err != nil {
			t.Fatal(err)
		}
	}
	if rest, _ := io.ReadAll(r); string(rest) != "and the rest" {
		t.Errorf("left %q", rest)
	}
}

func TestWriterRemembersItsFirstError(t *testing.T) {
	var b bytes.Buffer
	w := wire.NewWriter(&b)
	w.Line("%s", strings.Repeat("x", wire.MaxPayload+1))
	w.Line("more")
	w.Flush()
	if !errors.Is(w.Err(), wire.ErrPacket) || b.Len() != 0 {
		t.Errorf("error %v after %d bytes", w.Err(), b.Len())
	}
	pr, pw := io.Pipe()
	pr.Close()
	w = wire.NewWriter(pw)
	w.Line("x")
	if !errors.Is(w.Err(), io.ErrClosedPipe) {
		t.Errorf("a broken pipe: %v", w.Err())
	}
}

func FuzzPktLine(f *testing.F) {
	for _, s := range []string{"0000", "0001", "0002", "0003", "0004", "0006a\n", "fff0", "fffg", "0006a", "000aabc0000"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		p := wire.NewReader(r)
		var again bytes.Buffer
		w := wire.NewWriter(&again)
		for {
			at := len(data) - r.Len()
			kind, payload, err := p.Next()
			if err != nil {
				if !errors.Is(err, wire.ErrPacket) && err != io.EOF && err != io.ErrUnexpectedEOF {
					t.Fatalf("error %v", err)
				}
				return
			}
			again.Reset()
			switch kind {
			case wire.Data:
				w.Line("%s", payload)
			case wire.Flush:
				w.Flush()
			case wire.Delim:
				w.Delim()
			default:
				continue
			}
			if read := data[at : len(data)-r.Len()]; w.Err() != nil || !bytes.EqualFold(read[:4], again.Bytes()[:4]) || !bytes.Equal(read[4:], again.Bytes()[4:]) {
				t.Fatalf("%q was read, but is written as %q, %v", read, again.Bytes(), w.Err())
			}
		}
	})
}
