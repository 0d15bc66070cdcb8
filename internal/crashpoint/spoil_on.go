//go:build crashpoint

package crashpoint

import (
	"bytes"
	"os"
	"strings"
	"sync"
)

var spoil = sync.OnceValues(func() (from, to string) {
	from, to, _ = strings.Cut(os.Getenv("GITMIRROR_TEST_SPOIL"), "/")
	return from, to
})

// Spoil returns an entry as a node sees it whose memory is not to be trusted: with
// GITMIRROR_TEST_SPOIL=FROM/TO, two words of one length, each FROM is a TO.
func Spoil(entry []byte) []byte {
	from, to := spoil()
	if from == "" || len(from) != len(to) {
		return entry
	}
	return bytes.ReplaceAll(entry, []byte(from), []byte(to))
}
