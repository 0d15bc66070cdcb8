package refs

import "time"

// LogTime is what the log says the time is, and whether something may be given up
// because of its date: a clock that was wrong a moment ago must cost nothing.
type LogTime struct {
	Now       time.Time
	DatesHold bool
}
