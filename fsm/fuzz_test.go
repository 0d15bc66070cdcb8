package fsm

import (
	"bytes"
	"testing"
)

// FuzzApply: no entry makes Apply panic, and one that is fatal changes nothing.
func FuzzApply(f *testing.F) {
	f.Add([]byte(nil))
	for _, sample := range samples {
		data, err := Encode(sample, "r", epoch)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m := published1(t)
		before := m.snapshot()
		result := m.state.Apply(m.index+1, data)
		if result.Err == nil && result.Outcome == nil {
			t.Fatal("neither an outcome nor an error")
		}
		after := m.snapshot()
		if result.Err != nil && !bytes.Equal(before, after) {
			t.Fatalf("%v, but the state changed", result.Err)
		}
		if err := New().Restore(bytes.NewReader(after)); err != nil {
			t.Fatalf("the state cannot be restored: %v", err)
		}
	})
}

// FuzzRestore: no snapshot makes Restore panic, and one that is refused
// changes nothing.
func FuzzRestore(f *testing.F) {
	f.Add(encoded(f, New()))
	f.Add(lived(f).snapshot())
	f.Fuzz(func(t *testing.T, data []byte) {
		m := published1(t)
		before := m.snapshot()
		if err := m.state.Restore(bytes.NewReader(data)); err != nil && !bytes.Equal(before, m.snapshot()) {
			t.Fatalf("%v, but the state changed", err)
		}
	})
}
