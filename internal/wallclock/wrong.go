//go:build crashpoint

package wallclock

import (
	"os"
	"sync"
	"time"
)

// offset lets a test of the whole binary set one node's clock wrong.
var offset = sync.OnceValue(func() time.Duration {
	d, err := time.ParseDuration(os.Getenv("GITMIRROR_TEST_CLOCK"))
	if err != nil {
		return 0
	}
	return d
})
