package fsm

import "time"

const (
	// jump is how far log time may move between two entries before it is taken
	// for a clock that was wrong, or a cluster that was away.
	jump = time.Hour

	// jumpCaution is how long after a jump nothing is given up because of its
	// date: the date may be the wrong one.
	jumpCaution = 24 * time.Hour
)

// tell moves log time to what an entry says. Steps back are held off, so that
// events stay in order; a jump of more than an hour, to either side, is
// followed and noted. It never shows the zero time, and never goes where a date
// cannot be written any more.
func (t *tables) tell(atMS int64) {
	const year9999 = 253_402_300_799_999
	at := max(min(atMS, year9999), 1)
	distance := at - t.nowMS
	switch {
	case t.nowMS == 0:
		t.nowMS = at
	case distance > jump.Milliseconds() || distance < -jump.Milliseconds():
		t.nowMS, t.jumpedMS = at, at
	default:
		t.nowMS = max(t.nowMS, at)
	}
}

// datesHold tells whether something may be given up because of its date.
func (t *tables) datesHold() bool {
	return t.jumpedMS == 0 || t.nowMS-t.jumpedMS >= jumpCaution.Milliseconds()
}

// Now is log time: what the newest entry said. It is zero before the first.
func (v *View) Now() time.Time { return fromMS(v.tables.nowMS) }

// DatesHold tells whether something may be given up because of its date: not
// within a day of log time after the clock of the log jumped by more than an
// hour.
func (v *View) DatesHold() bool { return v.tables.datesHold() }
