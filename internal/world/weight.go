package world

import "runtime"

// Weigh is a step in which nothing happens: the world is weighed.
const Weigh = "weigh"

// Weight is what a world takes of the process that it is in, where that has nothing else.
type Weight struct {
	Bytes      uint64 // of memory that is in use
	Goroutines int
}

func weight() Weight {
	for range 2 { // what is pooled goes with the second
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Weight{m.HeapAlloc, runtime.NumGoroutine()}
}
