package membership

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// However often a start fails, because a port is taken or git is missing, the
// directory knows the run that its row has, and is not taken for a copy of itself.
func TestFailedStartsDoNotForgetTheRunOfTheRow(t *testing.T) {
	dir := t.TempDir()
	id, err := LoadIdentity(nil, dir, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := id.Begin("in the row", Place{}); err != nil {
		t.Fatal(err)
	}
	if err := id.Confirm("in the row"); err != nil {
		t.Fatal(err)
	}
	for i := range maxRuns + 7 { // without the fsyncs
		id.Runs = append(id.Runs, fmt.Sprint("failed ", i))
	}
	for i := range 10 {
		if _, err := id.Begin(fmt.Sprint("start ", i), Place{}); err != nil {
			t.Fatal(err)
		}
		if id, err = LoadIdentity(nil, dir, 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(id.Runs) > maxRuns || !slices.Contains(id.Runs, "in the row") || !slices.Contains(id.Runs, "start 9") {
		t.Errorf("%d runs, the first %q and the last %q", len(id.Runs), id.Runs[0], id.Runs[len(id.Runs)-1])
	}
}

// Whatever bit of node.json is another, no other node comes of it: it is refused, or still
// says what it said. One without a digest, as it was written before, is read.
func TestABitOfNodeJSONIsAnother(t *testing.T) {
	dir := t.TempDir()
	id, err := LoadIdentity(nil, dir, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := id.Enter("a cluster", false); err != nil {
		t.Fatal(err)
	}
	if _, err := id.Begin("a run", Place{Name: "n1"}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "node.json")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	said := func(id *Identity) string {
		data, err := json.Marshal(id)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	refused := 0
	for i := range 8 * len(whole) {
		data := slices.Clone(whole)
		data[i/8] ^= 1 << (i % 8)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		switch is, err := LoadIdentity(nil, dir, 1, nil); {
		case err != nil:
			refused++
		case said(is) != said(id):
			t.Errorf("bit %d: %s", i, data)
		}
	}
	if refused < 7*len(whole) {
		t.Errorf("%d of %d are refused", refused, 8*len(whole))
	}
	before := whole[:strings.Index(string(whole), sealKey)]
	if err := os.WriteFile(path, append(before, "\n}\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if is, err := LoadIdentity(nil, dir, 1, nil); err != nil || said(is) != said(id) {
		t.Errorf("one of before: %+v, %v", is, err)
	}
}
