package maintain

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// A gather whose packs cannot go has failed: it is tried again later each time, and said until it
// has been done, whatever else was done meanwhile.
func TestADepartureThatFailsIsAFailure(t *testing.T) {
	g := newRig(t)
	for range 6 {
		g.push("main", 100)
	}
	objects, meter := g.cfg.Objects, &failing{}
	g.cfg.Objects, g.cfg.Meter = unproved{objects}, meter
	for i, pause := range []time.Duration{retry, 2 * retry, 4 * retry} {
		g.tend(Gather)
		c := g.cares["01REPO"]
		if again := c.again[Gather].Sub(g.clock.Now()); again != pause || c.failed[Gather] != i+1 || meter.failed != i+1 {
			t.Errorf("after %d failures again in %s; %+v, %d were told", i+1, again, c.failed, meter.failed)
		}
		g.clock.Advance(pause)
		g.tend(Read)
		if s := g.Status("01REPO"); !strings.Contains(s.Failure, "gather: packs stay") || !strings.Contains(s.Failure, "no memory") || s.Leaving {
			t.Errorf("%+v", s)
		}
	}
	end := g.copy.Read() // by an older chart
	g.cfg.Objects = objects
	g.tend(Join)
	g.cares["01REPO"].leaving = &departure{job: Gather, waits: true, after: g.copy.Moment(), since: g.clock.Now()}
	g.clock.Advance(departFor + time.Second)
	g.depart(t.Context())
	if s := g.Status("01REPO"); s.Leaving || !strings.Contains(s.Failure, errAwaited.Error()) {
		t.Errorf("after six hours: %+v", s)
	}
	end()
	g.cfg.Meter = g
	g.jobs = nil
	g.tend(Gather)
	if s := g.Status("01REPO"); s.Failure != "" || g.packs() != 1 || !slices.Equal(g.jobs, []Job{Gather}) || len(g.cares["01REPO"].again)+len(g.cares["01REPO"].failed) > 0 {
		t.Errorf("%+v, %d packs, %v", s, g.packs(), g.jobs)
	}
	g.whole()
}

// A copy of which everything turns out to be needed is not gathered over and over.
func TestWhatIsAllNeededIsGatheredOnce(t *testing.T) {
	g := newRig(t)
	g.push("main", 100)
	g.look()
	c := g.cares["01REPO"]
	g.remember(c, Record{Read: epoch, Checked: epoch, Bytes: 10 << 20, Used: 1 << 20})
	c.readAt, c.checkAt = epoch.Add(time.Hour), epoch.Add(time.Hour)
	if found, job := g.next(t.Context()); found != c || job != Gather {
		t.Fatalf("%v, %s", found, job)
	}
	g.tend(Gather)
	if n := g.Packs(); n != 1 {
		t.Errorf("%d packs are counted", n)
	}
	if found, job := g.next(t.Context()); found != nil || c.record.Pruned != epoch {
		t.Errorf("again %s; %+v", job, c.record)
	}
	g.whole()
}
