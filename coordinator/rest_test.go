package coordinator

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// slow is a world in which a look takes its time.
type slow struct {
	*world
	looks []time.Time
}

func (s *slow) Alive() map[string]bool {
	s.looks = append(s.looks, time.Now())
	time.Sleep(5 * time.Second)
	return s.world.Alive()
}

// However long a look took, for it may have been waiting, the next comes within seconds.
func TestALookThatTookLongIsNotRestedFromForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		s := &slow{world: w}
		w.c.cfg.Members = s
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := w.c.Lead(ctx); err != nil {
			t.Error(err)
		}
		for i := 1; i < len(s.looks); i++ {
			if rest := s.looks[i].Sub(s.looks[i-1]) - 5*time.Second; rest > lookRest+lookEvery {
				t.Errorf("a rest of %s", rest)
			}
		}
		if len(s.looks) < 8 {
			t.Errorf("%d looks in a minute", len(s.looks))
		}
	})
}
