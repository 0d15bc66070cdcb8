package fsm

import (
	"time"

	"gitmirror/fsm/snapshot"
)

// What records of several tables have in common, both ways.

func failureRecord(f *Failure) *snapshot.Failure {
	if f == nil {
		return nil
	}
	return &snapshot.Failure{Class: f.Class, Message: f.Message, SinceMs: toMS(f.Since), Parked: f.Parked}
}

func failureOf(f *snapshot.Failure) *Failure {
	if f == nil {
		return nil
	}
	return &Failure{Class: f.GetClass(), Message: f.GetMessage(), Since: fromMS(f.GetSinceMs()), Parked: f.GetParked()}
}

// toMS is 0 for the zero time, which the clock of the log never shows.
func toMS(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMS(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return atTime(ms)
}

func digestBytes(d Digest) []byte {
	if d.IsZero() {
		return nil
	}
	return d[:]
}

// digestFrom is the digest a record has, zero for none.
func digestFrom(b []byte) (d Digest) {
	copy(d[:], b)
	return d
}
