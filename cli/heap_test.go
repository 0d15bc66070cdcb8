package cli

import (
	"runtime/metrics"
	"testing"
)

func TestHowMuchGarbageMayComeTogether(t *testing.T) {
	for live, want := range map[uint64]int{0: 100, 4 << 20: 100, 48 << 20: 100, 96 << 20: 50, 192 << 20: 25, 1 << 40: 25} {
		if got := garbagePercent(live); got != want {
			t.Errorf("%d bytes: %d %%, want %d", live, got, want)
		}
	}
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	if metrics.Read(sample); sample[0].Value.Kind() != metrics.KindUint64 {
		t.Error("this Go does not tell what is live")
	}
}
