package world

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/internal/atomicfile"
	"gitmirror/mirror/refs"
)

// A candidate is as old as when its owner has made it, whoever writes it later.
func TestCandidatesAreDated(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		c := candidates{made: map[string]time.Time{}}
		table := &refs.Table{Generation: 2, Candidate: "waits", Head: refs.Symbolic("refs/heads/main")}
		began := time.Now()
		for _, dir := range dirs {
			if err := atomicfile.Write(newPlatter(c.note, new(ice)).disk(), filepath.Join(dir, "packed-refs.candidate"), table.Encode(), 0o644); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		if at := c.madeAt("waits"); !at.Equal(began) {
			t.Errorf("made at %s, want %s", at, began)
		}
		if at := c.madeAt("another"); !at.IsZero() {
			t.Errorf("one that was not seen was made at %s", at)
		}
	})
}
