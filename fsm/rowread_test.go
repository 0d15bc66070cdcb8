package fsm

import (
	"bytes"
	"slices"
	"testing"
	"unique"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"gitmirror/fsm/snapshot"
)

func newRowReader(policies ...*Policy) *rowReader {
	return &rowReader{heads: map[string]unique.Handle[string]{}, policies: policies, shared: new(interner)}
}

// checkDecoding wants each row back from its record, sharing what it shares.
func checkDecoding(t rapid.TB, v *View) {
	v.Repos("", func(r *Repo) bool {
		got, err := newRowReader(r.Policy).read(appendRepo(nil, r, 1))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(appendRepo(nil, got, 1), appendRepo(nil, r, 1)) {
			t.Fatalf("read %+v %+v, not %+v %+v", got, got.Rarely, r, r.Rarely)
		}
		if (got.Rarely == ordinary) != (r.Rarely == ordinary) || got.urlsFromName != r.urlsFromName {
			t.Fatalf("row %s shares other things than before", r.Name)
		}
		return true
	})
}

func TestRowsAreReadAsTheyWereWritten(t *testing.T) { checkDecoding(t, everything(t).state.View()) }

// In whatever order fields come, more than once, cut, or with what is unknown among them,
// rows are read as the generated code reads them.
func TestRowsAreReadAsTheGeneratedCodeDoesIt(tt *testing.T) {
	m := everything(tt)
	var fields [][]byte // of all rows
	policy := new(Policy)
	m.state.View().Repos("", func(r *Repo) bool {
		b, _ := protowire.ConsumeBytes(appendRepo(nil, r, 1)[1:])
		return eachField(b, func(f field) error {
			fields = append(fields, slices.Clone(f.all))
			return nil
		}) == nil
	})
	for num := range protowire.Number(40) {
		fields = append(fields, protowire.AppendVarint(protowire.AppendTag(nil, num+1, protowire.VarintType), 1),
			protowire.AppendString(protowire.AppendTag(nil, num+1, protowire.BytesType), "\xff"))
	}
	rapid.Check(tt, func(t *rapid.T) {
		body := bytes.Join(rapid.SliceOfN(rapid.SampledFrom(fields), 0, 12).Draw(t, "fields"), nil)
		if rapid.IntRange(0, 9).Draw(t, "cut") == 0 && len(body) > 0 {
			body = body[:len(body)-1]
		}
		// What a row must have.
		body = protowire.AppendVarint(protowire.AppendTag(body, 5, protowire.VarintType), 1)
		body = protowire.AppendString(protowire.AppendTag(body, 1, protowire.BytesType), "r")
		body = protowire.AppendString(protowire.AppendTag(body, 3, protowire.BytesType), "https://h/x")
		body = protowire.AppendString(protowire.AppendTag(body, 4, protowire.BytesType), "h/x")
		record := protowire.AppendBytes([]byte{rowTag}, body)
		row, err := newRowReader(policy).read(record)
		var want snapshot.Record
		if wantErr := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(record, &want); wantErr != nil {
			if err == nil {
				t.Fatalf("read %+v, the generated code says %v", row, wantErr)
			}
			return
		}
		if len(want.GetRepo().Urls) != len(want.GetRepo().UrlKeys) || slices.ContainsFunc(want.GetRepo().Copies, func(c *snapshot.Copy) bool {
			_, known := parseCopyState(c.State)
			return !known
		}) {
			if err == nil {
				t.Fatalf("read %+v", row)
			}
			return
		}
		if err != nil {
			t.Fatalf("%v, the generated code reads %v", err, &want)
		}
		for _, d := range []*[]byte{&want.GetRepo().Digest, &want.GetRepo().RefsDigest, &want.GetRepo().BaseDigest} {
			*d = padded(*d)
		}
		for _, g := range want.GetRepo().Lost {
			g.Digest = padded(g.Digest)
		}
		if h := want.GetRepo().Hold; h != nil {
			h.Observed, h.Losses = padded(h.Observed), padded(h.Losses)
		}
		if a := want.GetRepo().Approved; a != nil {
			a.Observed, a.Losses = padded(a.Observed), padded(a.Losses)
		}
		if got := appendRepo(nil, row, 1); !bytes.Equal(got, marshal(nil, &want)) {
			t.Fatalf("read %x, the generated code %x", got, marshal(nil, &want))
		}
	})
}

// padded is a digest as it is in a row.
func padded(b []byte) []byte {
	var d Digest
	copy(d[:], b)
	return digestBytes(d)
}
