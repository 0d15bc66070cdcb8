package fetch

import "time"

// What an upstream must do to be waited for: a server that trickles, or talks
// for ever, must not hold a slot.
const (
	enoughBytes = 1 << 10 // of a pack, within the stall time
	talkStalls  = 15      // stall times that words alone are taken for progress
)

// progress judges whether a fetch gets anywhere.
type progress struct {
	stall  time.Duration
	bytes  int64
	gained time.Time // when enough bytes had come
}

// stalled is asked now and then, with the bytes received so far and the time
// of the last word.
func (p *progress) stalled(now time.Time, bytes int64, lastWord time.Time) bool {
	if bytes-p.bytes >= enoughBytes {
		p.bytes, p.gained = bytes, now
	}
	last := p.gained
	if lastWord.After(last) && now.Sub(p.gained) < talkStalls*p.stall {
		last = lastWord
	}
	return now.Sub(last) > p.stall
}
