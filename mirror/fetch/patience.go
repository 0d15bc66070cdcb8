package fetch

import "time"

// What an upstream must do to be waited for: a server that trickles, or talks
// for ever, must not hold a slot.
const (
	enoughBytes = 1 << 10 // of a pack, within the stall time
	talkStalls  = 15      // stall times that words alone are taken for progress
	leastRate   = 4 << 10 // bytes a second of all of a fetch, beyond that
)

// patience judges whether a fetch gets anywhere.
type patience struct {
	stall  time.Duration
	began  time.Time
	bytes  int64
	gained time.Time // when enough bytes had come
}

// stalled is asked now and then, with the bytes received so far and the time
// of the last word.
func (p *patience) stalled(now time.Time, bytes int64, lastWord time.Time) bool {
	if bytes-p.bytes >= enoughBytes {
		p.bytes, p.gained = bytes, now
	}
	last := p.gained
	if lastWord.After(last) && now.Sub(p.gained) < talkStalls*p.stall {
		last = lastWord
	}
	return now.Sub(last) > p.stall
}

// tooLong tells that a fetch has taken longer than it may for so many bytes: an upstream
// that sends a little all the time must end too.
func (p *patience) tooLong(now time.Time, bytes int64) bool {
	return now.Sub(p.began) > talkStalls*p.stall+time.Duration(bytes/leastRate)*time.Second
}
