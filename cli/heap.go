package cli

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A node lets garbage of enoughGarbage come together, or of leastPercent of what it needs where that is
// more. Go's own rule is as much as is needed: of a large table, nearly all of which stays, that is memory for nothing.
const (
	enoughGarbage = 48 << 20 // bytes
	leastPercent  = 25
	usualPercent  = 100
)

// garbagePercent is how much garbage may come together, for so many bytes that are needed.
func garbagePercent(live uint64) int {
	return int(min(max(enoughGarbage*100/max(live, 1), leastPercent), usualPercent))
}

// tendHeap keeps to that until ctx ends. It looks once a second, since an import may bring hundreds of megabytes in some.
func tendHeap(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	is := usualPercent
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		metrics.Read(live)
		percent := garbagePercent(live[0].Value.Uint64())
		if diff := percent - is; diff > -is/10 && diff < is/10 {
			continue // it stops the world, for a moment
		}
		debug.SetGCPercent(percent)
		is = percent
	}
}
