package source_test

import (
	"testing"

	"pgregory.net/rapid"

	"gitmirror/source"
)

// As many are told as may be, each as it is and in order; and a file tells no more than another only where that has no
// more to tell.
func TestSomeFlaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []source.Flaw
		has := map[string]int{}
		for i, n := range rapid.SliceOfN(rapid.IntRange(1, 30), 0, 10).Draw(t, "files") {
			file := string(rune('a' + i))
			for line := range n {
				all = append(all, source.Flaw{File: file, Line: line})
			}
			has[file] = n
		}
		most := rapid.IntRange(0, 60).Draw(t, "most")
		some := source.Some(all, most)
		if len(some) != min(len(all), most) {
			t.Fatalf("%d of %d are told, %d may be", len(some), len(all), most)
		}
		told := map[string]int{}
		for i, f := range some {
			if f.Line != told[f.File] || i > 0 && f.File < some[i-1].File {
				t.Errorf("%v behind %v", f, some[max(i-1, 0)])
			}
			told[f.File]++
		}
		for a := range has {
			for b := range has {
				if told[a] > told[b]+1 && told[b] < has[b] {
					t.Errorf("%d of %s are told, and %d of %s, which has %d", told[a], a, told[b], b, has[b])
				}
			}
		}
	})
}
