package api

import (
	"context"
	"net/http"
	"time"
)

// Upkeep is how a node keeps its copy, by its own word: what is null was not so far.
type Upkeep struct {
	Read      *time.Time `json:"read"`      // when all of it was read and walked through, and was whole
	Checked   *time.Time `json:"checked"`   // when git fsck found nothing wrong with any object
	Tidied    *time.Time `json:"tidied"`    // when its packs were put in order
	Collected *time.Time `json:"collected"` // when what nothing leads to went
	Bytes     int64      `json:"bytes"`     // of packs, when they were weighed last; 0 for never
	Used      int64      `json:"used"`      // of them, by what must stay
	// Doing is what the node does with it now: read, check, weigh, join, gather or chart; empty
	// for nothing.
	Doing   string     `json:"doing"`
	Since   *time.Time `json:"since"`   // it is
	Waiting []string   `json:"waiting"` // what was asked for, and is not done
	// WaitsFor is what keeps the first of that from being done, in words: ForRoom or another; empty for
	// nothing, and from nodes that do not say it.
	WaitsFor string `json:"waits_for"`
	Leaving  bool   `json:"leaving"` // packs go as soon as nobody reads them any more
	Error    string `json:"error"`   // what the last of it came to, empty where it was done
}

// ForRoom is what work waits for that cannot be done while the node's disk is nearly full, or fails.
const ForRoom = "room on the disk"

// Work is what may be asked for of all copies of a repo.
type Work string

// The kinds of work.
const (
	Verify  Work = "verify" // all of a copy is read, and each object checked
	Collect Work = "gc"     // its packs become one, without what nothing leads to
)

// Asked says which nodes were asked for work on their copies of a repo, and how those were before.
type Asked struct {
	Repo   string      `json:"repo"`
	Copies []AskedCopy `json:"copies"`
}

// AskedCopy is one of them.
type AskedCopy struct {
	Node   string  `json:"node"`
	Upkeep *Upkeep `json:"upkeep"` // as it was; null where the node was not reached
	Error  string  `json:"error"`  // why it does nothing, empty where it does
}

// Maintain has the nodes that hold a repo work on their copies. It does not wait for that: how far
// it is, the copies of the repo say.
func (c *Client) Maintain(ctx context.Context, name string, work Work) (*Asked, error) {
	var a Asked
	return &a, c.do(ctx, call{method: http.MethodPost, path: "repos/" + escapeName(name) + ":" + string(work), harmless: true, out: &a})
}
