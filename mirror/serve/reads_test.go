package serve_test

import (
	"net/http"
	"sync/atomic"
	"testing"
)

// reading notes, whenever something is written of a pack, whether the one who makes it counts
// as a reader of the copy.
type reading struct {
	http.ResponseWriter
	note func()
}

func (r reading) Write(p []byte) (int, error) {
	r.note()
	return r.ResponseWriter.Write(p)
}

func (r reading) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Whose pack is being made reads the copy, so that no pack goes that git may have open, and not
// a moment longer.
func TestAPackThatIsMadeIsRead(t *testing.T) {
	g := newRig(t)
	g.publish(t, nil, sample)
	before := g.live.Moment()
	var noted, unread atomic.Int64
	g.answers(func(w http.ResponseWriter) http.ResponseWriter {
		began := g.live.Moment()
		return reading{w, func() {
			if noted.Add(1); g.live.Moment() > began && !g.live.ReadSince(g.live.Moment()) {
				unread.Add(1)
			}
		}}
	})
	if out, err := try(t, t.TempDir(), "clone", "-q", "--mirror", g.url, "c"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if noted.Load() == 0 || unread.Load() > 0 || g.live.Moment() == before {
		t.Errorf("written %d times, %d of them while nobody was a reader", noted.Load(), unread.Load())
	}
	if g.live.ReadSince(g.live.Moment()) {
		t.Error("somebody reads after the answer's end")
	}
}
