package world

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"gitmirror/internal/disk"
	"gitmirror/mirror/refs"
)

// activations are the generations that nodes have made live, and when.
type activations struct {
	mu   sync.Mutex
	list []activation
}

type activation struct {
	node, id   string // of the repository
	at         time.Time
	generation uint64
	digest     refs.Digest
}

// note takes in a candidate that is about to become what a copy has.
func (as *activations) note(by *Node, op disk.Op) {
	id, is := strings.CutSuffix(filepath.Base(filepath.Dir(op.Path)), ".git")
	if op.Name != "rename" || filepath.Base(op.Path) != "packed-refs" || !is {
		return
	}
	data, err := os.ReadFile(op.Path + ".candidate")
	if err != nil {
		return
	}
	table, err := refs.Decode(data)
	if err != nil {
		return
	}
	as.mu.Lock()
	defer as.mu.Unlock()
	as.list = append(as.list, activation{by.Name, id, time.Now(), table.Generation, table.Digest()})
}

// against says which of them were never published.
func (as *activations) against(log *chronicle) (flaws []string) {
	for _, a := range as.list {
		published := false
		for _, v := range log.rows[a.id] {
			published = published || v.row != nil && v.row.Generation == a.generation && refs.Digest(v.row.Digest) == a.digest
		}
		if !published {
			flaws = append(flaws, fmt.Sprintf("%s: %s makes a generation %d of %s live that was never published: %s", a.at.Format(time.TimeOnly), a.node, a.generation, a.id, a.digest))
		}
	}
	return flaws
}
