package gitanswer_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gitmirror/internal/gitanswer"
)

func pkt(s string) string { return fmt.Sprintf("%04x%s", len(s)+4, s) }

const (
	v2      = "0011command=fetch0001"
	banded  = "0098want 1111111111111111111111111111111111111111 multi_ack_detailed side-band-64k ofs-delta\n"
	unnamed = "0032want 1111111111111111111111111111111111111111\n"
)

func TestWhatIsSaidWhereAnAnswerBreaks(t *testing.T) {
	for _, c := range []struct {
		name, request, answer string
		want                  string // what the client gets; empty: the connection is cut
	}{
		{"before anything", v2, "", pkt("ERR gitmirror: why")},
		{"in acknowledgments", v2, pkt("acknowledgments\n") + pkt("NAK\n") + "00", pkt("acknowledgments\n") + pkt("NAK\n") + pkt("ERR gitmirror: why")},
		{"where the pack begins", v2, pkt("packfile\n"), pkt("packfile\n") + pkt("\x03gitmirror: why")},
		{"in the pack", v2, pkt("packfile\n") + pkt("\x01PACK") + "1004\x01half", pkt("packfile\n") + pkt("\x01PACK") + pkt("\x03gitmirror: why")},
		{"between two packets", v2, pkt("packfile\n") + pkt("\x01PACK"), pkt("packfile\n") + pkt("\x01PACK") + pkt("\x03gitmirror: why")},
		{"after git's own words", v2, pkt("packfile\n") + pkt("\x03aborting") + "00", pkt("packfile\n") + pkt("\x03aborting")},
		{"after git's own error", v2, pkt("ERR not our ref"), pkt("ERR not our ref")},
		{"version 0, in the shallow section", banded, pkt("shallow 11") + "0000", pkt("shallow 11") + "0000" + pkt("ERR gitmirror: why")},
		{"version 0, once the pack is due", banded, pkt("NAK\n"), pkt("NAK\n") + pkt("\x03gitmirror: why")},
		{"version 0, acknowledged", banded, pkt("ACK 1111\n"), pkt("ACK 1111\n") + pkt("\x03gitmirror: why")},
		{"version 0, not yet", banded, pkt("ACK 1111 common\n"), pkt("ACK 1111 common\n") + pkt("ERR gitmirror: why")},
		{"version 0, without sidebands", unnamed, pkt("NAK\n") + "PACK1234", ""},
		{"no packets", v2, "<html>", ""},
		{"a length that is none", v2, "0003", ""},
	} {
		var out bytes.Buffer
		w := gitanswer.New(&out, []byte(c.request))
		if n, err := w.Write([]byte(c.answer)); err != nil || n != len(c.answer) {
			t.Errorf("%s: %d, %v", c.name, n, err)
		}
		told := w.Fail("why")
		switch {
		case told != (c.want != ""):
			t.Errorf("%s: told %v", c.name, told)
		case told && out.String() != c.want:
			t.Errorf("%s: %q, want %q", c.name, out.String(), c.want)
		case !told && out.String() != c.answer:
			t.Errorf("%s: %q came out of %q", c.name, out.String(), c.answer)
		}
	}
}

func TestAMessageFitsAnyClient(t *testing.T) {
	var out bytes.Buffer
	w := gitanswer.New(&out, []byte(v2))
	_, _ = w.Write([]byte(pkt("packfile\n")))
	out.Reset()
	if !w.Fail("a\nb\x1b[31m\u202e" + strings.Repeat("é", 2000)) {
		t.Error("not told")
	}
	if s := out.String(); len(s) > 1000 || strings.ContainsAny(s[5:], "\n\x1b\u202e") || !strings.Contains(s, "a b") {
		t.Errorf("%d bytes: %.60q", out.Len(), s)
	}
}

func TestAClientThatHasGoneIsNotTold(t *testing.T) {
	w := gitanswer.New(gone{}, []byte(v2))
	if _, err := w.Write([]byte(pkt("packfile\n"))); err == nil {
		t.Error("written")
	}
	if w.Fail("why") {
		t.Error("told")
	}
}

type gone struct{}

func (gone) Write([]byte) (int, error) { return 0, errors.New("gone") }

// However an answer is cut into writes, whole packets come through, in order, and
// nothing else; a pack without sidebands comes through as it is.
func TestPacketsComeThroughWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var packets []string
		for range rapid.IntRange(1, 6).Draw(t, "packets") {
			packets = append(packets, rapid.SampledFrom([]string{"0000", "0001", "0002", "0004", pkt("\x01" + strings.Repeat("x", 1000)), pkt("\x02y")}).Draw(t, "packet"))
		}
		tail := rapid.SampledFrom([]string{"", "00", "0010abc", "PACK....", "xyz!"}).Draw(t, "tail")
		answer := strings.Join(packets, "") + tail
		var out bytes.Buffer
		w := gitanswer.New(&out, nil)
		for rest := answer; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "write")
			if k, err := w.Write([]byte(rest[:n])); k != n || err != nil {
				t.Fatalf("%d, %v", k, err)
			}
			rest = rest[n:]
		}
		want := answer
		if broken := tail == "00" || tail == "0010abc"; broken {
			want = strings.Join(packets, "")
			if !w.Broken() {
				t.Fatal("half a packet is no packet")
			}
		}
		if out.String() != want {
			t.Fatalf("%q came out of %q", out.String(), answer)
		}
	})
}
