package serve

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"gitmirror/internal/gitbody"
	"gitmirror/internal/spool"
	"gitmirror/mirror/refs"
)

func pkt(s string) string { return fmt.Sprintf("%04x%s", len(s)+4, s) }

func TestWhereAPackBegins(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		want         bool
	}{
		{"nothing", "", false},
		{"half a length", "00", false},
		{"acknowledgments", pkt("acknowledgments\n") + pkt("NAK\n") + "0001", false},
		{"the pack's section", pkt("packfile\n"), false},
		{"progress", pkt("packfile\n") + pkt("\x02Enumerating objects"), false},
		{"an error", pkt("ERR upload-pack: not our ref"), false},
		{"an error in the sideband", pkt("packfile\n") + pkt("\x03aborting due to possible repository corruption"), false},
		{"a pack in the sideband", pkt("packfile\n") + pkt("\x02Counting") + pkt("\x01PACK"), true},
		{"the head of a packet of a pack", pkt("NAK\n") + "1004\x01PA", true},
		{"the head of another packet", pkt("NAK\n") + "1004\x02Co", false},
		{"a pack without sidebands", pkt("NAK\n") + "PACK", true},
		{"no packets", "hello, world", true},
	} {
		if got := hasPack([]byte(c.answer)); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// However an answer is cut into writes, all of it comes through in order once
// its pack has begun, and nothing of it before.
func TestHoldingPassesEverythingOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := pkt("acknowledgments\n") + pkt("packfile\n") + pkt("\x02Counting")
		answer := before
		if rapid.Bool().Draw(t, "pack") {
			answer += pkt("\x01PACK"+strings.Repeat("x", rapid.IntRange(0, 100).Draw(t, "more"))) + "0000"
		}
		var out bytes.Buffer
		h := &holding{out: &out, until: time.Now().Add(time.Hour)}
		for rest := answer; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "write")
			if k, err := h.Write([]byte(rest[:n])); err != nil || k != n {
				t.Fatalf("write of %d: %d, %v", n, k, err)
			}
			rest = rest[n:]
		}
		if answer == before {
			if out.Len() != 0 || string(h.held) != answer {
				t.Fatalf("%q went out before a pack began", out.String())
			}
			return
		}
		if out.String() != answer {
			t.Fatalf("%q came out of %q", out.String(), answer)
		}
	})
}

func TestHoldingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		h := &holding{out: &out, until: time.Now().Add(holdFor)}
		_, _ = h.Write([]byte(pkt("\x02Counting")))
		time.Sleep(holdFor)
		_, _ = h.Write([]byte(pkt("\x02Counting")))
		if out.Len() != 2*len(pkt("\x02Counting")) {
			t.Errorf("%d bytes after %s: a client must see progress", out.Len(), holdFor)
		}
		out.Reset()
		h = &holding{out: &out, until: time.Now().Add(time.Hour)}
		for range holdBytes/1000 + 1 {
			_, _ = h.Write([]byte(pkt("\x02" + strings.Repeat("x", 999))))
		}
		if out.Len() == 0 {
			t.Error("more than the bound was held back")
		}
	})
}

func TestNonsenseIsNoSuspicion(t *testing.T) {
	ours, kept, strange := strings.Repeat("a", 40), strings.Repeat("b", 40), strings.Repeat("c", 40)
	table := &refs.Table{Head: refs.Symbolic("refs/heads/main"), Refs: []refs.Ref{{Name: "refs/gitmirror/kept/1/heads/x", OID: kept}, {Name: "refs/heads/main", OID: ours}}}
	for body, want := range map[string]bool{
		pkt("want " + ours + "\n"):                                  true,
		pkt("want " + strange + "\n"):                               false,
		pkt("want "+strange+"\n") + pkt("want "+ours+" no-done\n"):  true,
		pkt("want " + kept + "\n"):                                  true,
		pkt("have " + ours + "\n"):                                  false,
		pkt("want "+strange+"\n") + "0000" + pkt("want "+ours+"\n"): false, // git does not read that far
		"want ": false,
		"":      false,
	} {
		if got := asksForOurs(keep(t, body), newGrammar(false, nil), table, "unable to read tree"); got != want {
			t.Errorf("%q: %v, want %v", body, got, want)
		}
	}
}

// keep reads a request.
func keep(t *testing.T, request string) *spool.Body {
	t.Helper()
	b, err := gitbody.NewPool(nil, t.TempDir(), "requests", nil).Read(t.Context(), "client", strings.NewReader(request), gitbody.MaxRequest)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}
