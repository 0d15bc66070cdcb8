package descriptors_test

import (
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/internal/descriptors"
)

func TestWhoTricklesIsSilent(t *testing.T) {
	for name, c := range map[string]struct {
		bytes  int // a second
		silent bool
	}{"says nothing": {0, true}, "a byte now and then": {1, true}, "a heartbeat": {300, false}} {
		synctest.Test(t, func(t *testing.T) {
			var p descriptors.Pace
			p.Begin()
			for i := range 60 {
				time.Sleep(time.Second)
				p.Moved(c.bytes)
				if d := p.Silent(); i < 8 && d != 0 {
					t.Errorf("%s: silent after %d s", name, i+1)
				} else if i >= 15 && (d > 0) != c.silent {
					t.Fatalf("%s: silent for %s after %d s", name, d, i+1)
				}
			}
		})
	}
}

// More than half of the limit stays with everything else.
func TestSharesLeaveHalf(t *testing.T) {
	for _, limit := range []uint64{256, 1024, 4096, 65_536, 1 << 20} {
		s := descriptors.Share(limit)
		if all := s.Public + 3*s.Beside + s.Peers + s.Unidentified + s.Streams; uint64(all) > limit/2 {
			t.Errorf("of %d, %d may be connections", limit, all)
		}
	}
}
