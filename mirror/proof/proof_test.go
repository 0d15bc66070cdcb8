package proof

import (
	"strings"
	"testing"
)

func seal(c string) string { return strings.Repeat(c, 40) }

func sampleProof() Proof {
	return Proof{
		Files:  []File{{"pack/pack-a.pack", seal("a"), false}, {"pack/pack-a.idx", seal("b"), true}, {"pack/pack-ab.pack", seal("c"), false}},
		Charts: []File{{Name: "info/commit-graph", Seal: seal("d")}},
		Whole:  []string{seal("e"), seal("f")},
	}
}

// A proof of which a bit is another is none: what it names could be anything.
func TestAProofIsReadAsItWasWritten(t *testing.T) {
	written := sampleProof().Encode()
	p, err := Decode(written)
	if err != nil || string(p.Encode()) != string(written) {
		t.Errorf("%+v, %v", p, err)
	}
	for i := range written {
		data := append([]byte(nil), written...)
		data[i] ^= 1
		if p, err := Decode(data); err == nil {
			t.Errorf("with another bit at %d it says %+v", i, p)
		}
	}
	for n := range written {
		if p, err := Decode(written[:n]); err == nil {
			t.Errorf("cut off at %d it says %+v", n, p)
		}
	}
	for _, lines := range []string{"page " + seal("a") + " pack/x\n", "file " + seal("a") + "\n", "whole " + seal("a") + " x\n", "whole 12\n", "file zz x\n"} {
		if p, err := Decode([]byte(magic + sumOf(lines) + "\n" + lines)); err == nil {
			t.Errorf("%q says %+v", lines, p)
		}
	}
}

// Packs that have all of others take their place, and are still to be looked at. A name that only begins
// like that of one that goes is another.
func TestPacksTakeThePlaceOfOthers(t *testing.T) {
	made := []File{{"pack/pack-m.pack", seal("1"), true}, {"pack/pack-m.idx", seal("2"), true}}
	p := sampleProof().Replaced([]string{"pack-a"}, made)
	if len(p.Files) != 3 || p.Files[0].Name != "pack/pack-ab.pack" || p.Files[1] != made[0] || p.Files[2] != made[1] || len(p.Whole) != 2 {
		t.Errorf("%+v", p)
	}
	if p := (Proof{}).Replaced([]string{"pack-a"}, made); !p.Empty() {
		t.Errorf("of nothing follows %+v", p)
	}
}
