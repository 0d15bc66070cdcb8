package api

import "time"

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
	Leaving bool       `json:"leaving"` // packs go as soon as nobody reads them any more
	Error   string     `json:"error"`   // what the last of it came to, empty where it was done
}
