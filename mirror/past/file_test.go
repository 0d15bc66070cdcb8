package past_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"gitmirror/mirror/past"
)

var times = rapid.Custom(func(t *rapid.T) time.Time {
	return time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "seconds"), 0).UTC()
})

var lawful = rapid.SampledFrom([]string{"refs/heads/main", "refs/heads/\u00a0", "refs/tags/-d", "refs/heads/\xff\xfe", "refs/gitmirror/kept/17/heads/x"})

var records = rapid.Custom(func(t *rapid.T) *past.Record {
	id := rapid.Map(rapid.IntRange(0, 1<<30), oid)
	flag := rapid.Bool()
	return &past.Record{
		Young: rapid.SliceOf(rapid.Custom(func(t *rapid.T) past.Young {
			return past.Young{Name: lawful.Draw(t, "name"), Seen: times.Draw(t, "seen")}
		})).Draw(t, "young"),
		Moved: rapid.SliceOf(rapid.Custom(func(t *rapid.T) past.Moved {
			return past.Moved{Name: lawful.Draw(t, "name"), Days: rapid.SliceOfN(rapid.Int64Range(0, 99_999), 1, 3).Draw(t, "days")}
		})).Draw(t, "moved"),
		Tips: rapid.SliceOf(rapid.Custom(func(t *rapid.T) past.Tip {
			return past.Tip{Name: lawful.Draw(t, "name"), OID: id.Draw(t, "oid"), Until: times.Draw(t, "until"), Settled: flag.Draw(t, "s"), Head: flag.Draw(t, "h"), Lost: flag.Draw(t, "l"), Forward: flag.Draw(t, "f")}
		})).Draw(t, "tips"),
		Former: rapid.SliceOf(rapid.Custom(func(t *rapid.T) past.Young {
			return past.Young{Name: lawful.Draw(t, "name"), Seen: times.Draw(t, "seen")}
		})).Draw(t, "former"),
		Kept: rapid.SliceOf(rapid.Custom(func(t *rapid.T) past.Kept {
			k := past.Kept{Ref: lawful.Draw(t, "ref"), Name: lawful.Draw(t, "name"), At: times.Draw(t, "at"), Settled: flag.Draw(t, "s"), Lost: flag.Draw(t, "l")}
			if flag.Draw(t, "moved") {
				k.New = id.Draw(t, "new")
			}
			return k
		})).Draw(t, "kept"),
		Dropped: rapid.Custom(func(t *rapid.T) past.Dropped {
			if n := rapid.IntRange(0, 3).Draw(t, "n"); n > 0 {
				return past.Dropped{Count: n, Last: times.Draw(t, "last")}
			}
			return past.Dropped{}
		}).Draw(t, "dropped"),
	}
})

func TestFileHoldsTheWholeRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := records.Draw(t, "record")
		data := want.Encode()
		got, err := past.Decode(data, want.Digest())
		if err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("the record changed on its way through the file:\n%s", d)
		}
	})
}

func TestOnlyTheFileOfItsDigestIsRead(t *testing.T) {
	r := &past.Record{Young: []past.Young{{Name: "refs/heads/x", Seen: noon}}}
	data := r.Encode()
	for i := range data {
		data[i] ^= 1
		if _, err := past.Decode(data, r.Digest()); !errors.Is(err, past.ErrDamaged) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		data[i] ^= 1
	}
	if _, err := past.Decode(nil, r.Digest()); !errors.Is(err, past.ErrDamaged) {
		t.Errorf("empty: %v", err)
	}
	if r, err := past.Decode(nil, (&past.Record{}).Digest()); err != nil || r == nil {
		t.Errorf("nothing to remember: %v, %v", r, err)
	}
}

// Whoever makes a digest can make one of anything: what is no record is refused.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("young 1 refs/heads/x\n"))
	f.Add([]byte("tip 1 - 0000000000000000000000000000000000000001 refs/heads/x\nkept 1 lost - refs/gitmirror/kept/1/heads/x refs/heads/x\n"))
	f.Add([]byte("moved 1,2 refs/tags/x\ndropped 1 2\n"))
	f.Fuzz(func(t *testing.T, lines []byte) {
		data := append([]byte("# gitmirror past 1\n"), lines...)
		r, err := past.Decode(data, past.DigestOf(data))
		if err != nil {
			if !errors.Is(err, past.ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		again, err := past.Decode(r.Encode(), r.Digest())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r, again, cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
	})
}
