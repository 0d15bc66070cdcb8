package cluster

import (
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"pgregory.net/rapid"
)

// Whatever is appended, also behind a gap that a snapshot fills, cut off and appended anew: what raft
// reads is what the disk has, and no more is in memory than may be.
func TestTheLatestEntriesAreThoseOfTheDisk(t *testing.T) {
	const most = 1000
	rapid.Check(t, func(rt *rapid.T) {
		s := mustOpen(t, filled(t, 0))
		defer s.Close()
		s.serve(func() uint64 { return 0 })
		s.recent.most = most
		var model []*raft.Log
		next := func() uint64 {
			if len(model) == 0 {
				return 1
			}
			return model[len(model)-1].Index + 1
		}
		size := func() (n int) {
			for _, e := range s.recent.entries {
				n += len(e.Data)
			}
			return n
		}
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				var entries []*raft.Log
				from := next() + rapid.SampledFrom([]uint64{0, 0, 0, 1, 7}).Draw(t, "gap")
				for range rapid.IntRange(1, 3).Draw(t, "entries") {
					data := make([]byte, rapid.SampledFrom([]int{1, 300, most, most + 1}).Draw(t, "size"))
					data[0] = byte(len(model))
					entries = append(entries, &raft.Log{Index: from + uint64(len(entries)), Term: 1, Type: raft.LogCommand, Data: data, AppendedAt: time.Unix(0, 0)})
					model = append(model, entries[len(entries)-1])
				}
				if err := s.StoreLogs(entries); err != nil {
					t.Fatal(err)
				}
			},
			"cut the end off": func(t *rapid.T) {
				if len(model) < 2 {
					t.Skip("nothing to cut off")
				}
				from := rapid.IntRange(1, len(model)-1).Draw(t, "from")
				if err := s.DeleteRange(model[from].Index, next()-1); err != nil {
					t.Fatal(err)
				}
				model = model[:from]
			},
			"": func(t *rapid.T) {
				if n := size(); n != s.recent.size || n > most || len(s.recent.entries) > recentEntries {
					t.Fatalf("%d entries of %d bytes, counted as %d", len(s.recent.entries), n, s.recent.size)
				}
				for _, want := range model {
					var got raft.Log
					if err := s.GetLog(want.Index, &got); err != nil || got.Index != want.Index || !slices.Equal(got.Data, want.Data) {
						t.Fatalf("entry %d: %d, %d bytes, %v; want %d bytes", want.Index, got.Index, len(got.Data), err, len(want.Data))
					}
				}
				if s.recent.find(next()) != nil || s.recent.find(0) != nil {
					t.Fatal("what is not there is found")
				}
				if n := len(model); n > 0 && len(model[n-1].Data) <= most && s.recent.size > 0 && s.recent.find(next()-1) != model[n-1] {
					t.Fatalf("the latest entry is read from the disk")
				}
			},
		})
	})
}
