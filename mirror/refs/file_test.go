package refs_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"gitmirror/mirror/refs"
)

func TestFileHoldsTheWholeTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := tables.Draw(t, "table")
		data := want.Encode()
		got, err := refs.Decode(data)
		if err != nil {
			t.Fatalf("decode: %v\n%q", err, data)
		}
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("the table changed on its way through the file:\n%s", d)
		}
		first, _, _ := strings.Cut(string(data), "\n")
		header, digest, err := refs.ReadHeader(first + "\n")
		if err != nil || header.Generation != want.Generation || header.Candidate != want.Candidate || header.Head != want.Head || digest != want.Digest() {
			t.Fatalf("header alone reads as %+v %s, %v", header, digest, err)
		}
	})
}

func TestEveryFlippedBitIsNoticed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := tables.Draw(t, "table").Encode()
		bit := rapid.IntRange(0, 8*len(data)-1).Draw(t, "bit")
		data[bit/8] ^= 1 << (bit % 8)
		if got, err := refs.Decode(data); !errors.Is(err, refs.ErrDamaged) {
			t.Fatalf("bit %d flipped: decoded as %+v, %v\n%q", bit, got, err, data)
		}
	})
}

// The whole file of one table, every bit of it: rapid samples, this does not.
func TestEveryBitOfOneFile(t *testing.T) {
	table := &refs.Table{Generation: 7, Candidate: "CAND", Head: refs.Symbolic("refs/heads/main"), Refs: []refs.Ref{
		{Name: "refs/heads/main", OID: strings.Repeat("a", 40)},
		{Name: "refs/tags/v1", OID: strings.Repeat("b", 40), Peeled: strings.Repeat("a", 40)},
	}}
	data := table.Encode()
	for bit := range 8 * len(data) {
		data[bit/8] ^= 1 << (bit % 8)
		if got, err := refs.Decode(data); !errors.Is(err, refs.ErrDamaged) {
			t.Errorf("bit %d flipped: decoded as %+v, %v", bit, got, err)
		}
		data[bit/8] ^= 1 << (bit % 8)
	}
	for n := range len(data) {
		if _, err := refs.Decode(data[:n]); !errors.Is(err, refs.ErrDamaged) {
			t.Errorf("cut after %d of %d bytes: %v, want ErrDamaged", n, len(data), err)
		}
	}
}

func TestDamagedFilesAreErrors(t *testing.T) {
	for name, file := range map[string]string{
		"empty":                      "",
		"zeros":                      "\x00\x00\x00\x00",
		"git's own packed-refs":      "# pack-refs with: peeled fully-peeled sorted \n" + strings.Repeat("a", 40) + " refs/heads/main\n",
		"header without its end":     strings.TrimSuffix(string((&refs.Table{}).Encode()), " \n")[:90],
		"line without end of header": strings.Repeat("a", 40) + " refs/heads/main\n",
	} {
		if _, err := refs.Decode([]byte(file)); !errors.Is(err, refs.ErrDamaged) {
			t.Errorf("%s: %v, want ErrDamaged", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(""))
	f.Add((&refs.Table{}).Encode())
	f.Add((&refs.Table{Generation: 3, Candidate: "C", Head: refs.Symbolic("refs/heads/\u00a0"), Refs: []refs.Ref{
		{Name: "refs/heads/\u00a0", OID: strings.Repeat("1", 40)},
		{Name: "refs/tags/v", OID: strings.Repeat("2", 40), Peeled: strings.Repeat("1", 40)},
	}}).Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := refs.Decode(data)
		if err != nil {
			if !errors.Is(err, refs.ErrDamaged) {
				t.Fatalf("error %v is not ErrDamaged", err)
			}
			return
		}
		again, err := refs.Decode(table.Encode())
		if err != nil {
			t.Fatalf("a decoded table does not survive its own file: %v", err)
		}
		if d := cmp.Diff(table, again, cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
	})
}
