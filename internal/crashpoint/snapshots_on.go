//go:build crashpoint

package crashpoint

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// Snapshots is how often raft's log is put into a snapshot, where GITMIRROR_TEST_SNAPSHOTS=EVERY/ENTRIES
// says so: often enough for a test to meet one.
func Snapshots() (every time.Duration, entries uint64) {
	text, count, _ := strings.Cut(os.Getenv("GITMIRROR_TEST_SNAPSHOTS"), "/")
	every, err := time.ParseDuration(text)
	if _, serr := fmt.Sscan(count, &entries); err != nil || serr != nil {
		return 0, 0
	}
	return every, entries
}
