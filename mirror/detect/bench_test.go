package detect_test

import (
	"fmt"
	"sync/atomic"
	"testing"
)

// BenchmarkUnchanged is a check that finds nothing, of an answer with so many refs. The
// server is in the same process, and repeats its answer.
func BenchmarkUnchanged(b *testing.B) {
	for _, refs := range []int{10, 10_000} {
		b.Run(fmt.Sprint(refs), func(b *testing.B) {
			var shown atomic.Value
			shown.Store(branches(refs, oidA))
			c, url := client(b, &shown)
			seen, err := c.Check(b.Context(), url, prefixes, 0)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if r, err := c.Check(b.Context(), url, prefixes, seen.Fingerprint); err != nil || !r.Unchanged {
					b.Fatal(err)
				}
			}
		})
	}
}
