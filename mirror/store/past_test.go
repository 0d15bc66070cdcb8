package store_test

import (
	"path/filepath"
	"testing"

	"gitmirror/mirror/past"
	"gitmirror/mirror/refs"
)

// The file of the past is there before the table that names it is live, and those of
// earlier tables go with it.
func TestPastComesAndGoesWithItsTable(t *testing.T) {
	root := t.TempDir()
	s := reopen(t, root)
	r := ensure(t, s)
	files := func() int {
		found, err := filepath.Glob(filepath.Join(r.Dir(), "past.*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	var last refs.Digest
	for n := uint64(1); n <= 5; n++ {
		record := &past.Record{Dropped: past.Dropped{Count: int(n)}}
		table := generation(n, "refs/heads/main")
		table.Past = record.Digest()
		if err := r.Prepare(table, record.Encode()); err != nil {
			t.Fatal(err)
		}
		if r.LivePast() != last {
			t.Error("a candidate's past is live before its table")
		}
		if data, err := r.Past(table.Past); err != nil || string(data) != string(record.Encode()) {
			t.Errorf("%q, %v", data, err)
		}
		r = ensure(t, reopen(t, root)) // what a crash would find
		activate(t, r, table)
		if last = r.LivePast(); last != table.Past {
			t.Errorf("live is the past %s, want %s", last, table.Past)
		}
		if files() != 1 {
			t.Errorf("%d files of the past after generation %d, want 1", files(), n)
		}
	}
	if _, err := r.Past(refs.Digest{1}); err == nil {
		t.Error("a past that was never written can be read")
	}
}
