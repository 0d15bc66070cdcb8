package schedule

import (
	"testing"
	"time"
)

// While a host rests, it may say, to a check that was under way or that somebody asked for, that it
// wants more: the longer of the two counts.
func TestARestIsAsLongAsTheLongestThatWasAsked(t *testing.T) {
	w := newWorld()
	t.Cleanup(w.stop)
	for _, id := range []string{"a", "b"} {
		a := owned(id, "host")
		w.holds(a)
		w.assign(a)
	}
	if w.at("a") == nil || w.at("b") == nil {
		t.Fatal("both are to be looked at")
	}
	w.end("a", w.tooMuch(10*time.Second))
	w.end("b", w.tooMuch(30*time.Minute)) // it was under way
	if got := w.Resting("a"); got < 30*time.Minute {
		t.Errorf("the host is left alone for %s, it wants 30m", got)
	}
}
