package past_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gitmirror/mirror/past"
	"gitmirror/mirror/refs"
)

var noon = time.Unix(1_700_000_000, 0).UTC()

func at(t time.Time) refs.LogTime { return refs.LogTime{Now: t, DatesHold: true} }

// shelf is a table's kept refs with what is remembered of them.
type shelf struct {
	table  *refs.Table
	record *past.Record
}

func newShelf() *shelf { return &shelf{&refs.Table{}, &past.Record{}} }

func (s *shelf) keep(at refs.LogTime, gone ...past.Gone) {
	next := s.record.Clone()
	s.table = &refs.Table{Refs: past.Keep(s.table, s.record, gone, next, at)}
	s.record = next
}

func (s *shelf) names() (list []string) {
	for _, r := range s.table.Refs {
		list = append(list, r.Name)
	}
	return list
}

func oid(n int) string { return fmt.Sprintf("%040x", n) }

func gone(ref string, n int) past.Gone {
	return past.Gone{Change: refs.Change{Ref: ref, Old: oid(n), Kind: refs.Deleted}}
}

func TestLostTipsAreKeptForThirtyDays(t *testing.T) {
	s := newShelf()
	s.keep(at(noon), gone("refs/heads/topic", 1))
	if d := cmp.Diff([]string{"refs/gitmirror/kept/1700000000/heads/topic"}, s.names()); d != "" {
		t.Fatal(d)
	}
	if k := s.record.KeptAs(s.names()[0]); k.Name != "refs/heads/topic" || !k.At.Equal(noon) {
		t.Errorf("it is remembered as %+v", k)
	}
	s.keep(at(noon.Add(past.KeepFor)))
	if len(s.names()) != 1 {
		t.Errorf("after exactly %s %d tips are kept, want 1", past.KeepFor, len(s.names()))
	}
	s.keep(at(noon.Add(past.KeepFor + time.Second)))
	if len(s.names()) != 0 {
		t.Errorf("after more than %s still kept: %v", past.KeepFor, s.names())
	}
}

func TestForeignPrivateRefsDoNotExpire(t *testing.T) {
	s := newShelf()
	for _, n := range []string{"refs/gitmirror/kept/soon/heads/x", "refs/gitmirror/pins/x"} {
		s.table.Refs = append(s.table.Refs, refs.Ref{Name: n, OID: oid(1)})
	}
	if s.keep(at(noon.Add(100 * past.KeepFor))); len(s.names()) != 2 {
		t.Errorf("kept %v, want both", s.names())
	}
}

// What an earlier release kept has no record: it expires by the date in its name.
func TestTipsKeptByAnEarlierReleaseExpire(t *testing.T) {
	s := newShelf()
	s.table.Refs = []refs.Ref{{Name: "refs/gitmirror/kept/1700000000/heads/topic", OID: oid(1)}}
	s.keep(at(noon.Add(past.KeepFor)))
	if k := s.record.KeptAs("refs/gitmirror/kept/1700000000/heads/topic"); k.Name != "refs/heads/topic" {
		t.Errorf("it is remembered as %+v", k)
	}
	if s.keep(at(noon.Add(past.KeepFor + time.Second))); len(s.names()) != 0 {
		t.Errorf("kept %v", s.names())
	}
}

// A clock that is 31 days ahead expires nothing while the log's dates do not hold.
func TestNothingExpiresWhileDatesDoNotHold(t *testing.T) {
	s := newShelf()
	s.keep(at(noon), gone("refs/heads/topic", 1))
	if s.keep(refs.LogTime{Now: noon.Add(31 * 24 * time.Hour)}); len(s.names()) != 1 {
		t.Errorf("kept %v, want the tip", s.names())
	}
	if s.keep(at(noon.Add(31 * 24 * time.Hour))); len(s.names()) != 0 {
		t.Errorf("kept %v, want nothing", s.names())
	}
}

// One ref is rewritten again and again within a second, and one has a name at
// the bound: every tip has a name of its own.
func TestNoKeptTipReplacesAnother(t *testing.T) {
	long := "refs/heads/" + strings.TrimSuffix(strings.Repeat(strings.Repeat("n", 199)+"/", 5), "/")
	if !refs.ValidName(long) {
		t.Fatalf("%d bytes should be lawful", len(long))
	}
	s := newShelf()
	want := map[string]bool{}
	for i := range 4 {
		var lost []past.Gone
		for k, ref := range []string{"refs/heads/topic", long} {
			want[oid(10*i+k)] = true
			lost = append(lost, gone(ref, 10*i+k))
		}
		s.keep(at(noon), lost...)
	}
	got := map[string]bool{}
	for i, r := range s.table.Refs {
		got[r.OID] = true
		if !refs.ValidName(r.Name) || r.Public() || i > 0 && s.table.Refs[i-1].Name >= r.Name {
			t.Errorf("unlawful kept ref %q", r.Name)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("kept tips:\n%s", d)
	}
	if _, err := refs.Decode(s.table.Encode()); err != nil {
		t.Error(err)
	}
	if _, err := past.Decode(s.record.Encode(), s.record.Digest()); err != nil {
		t.Error(err)
	}
}

// Several refs leave one tip, within a second in which each has left another.
func TestOneTipOfManyNames(t *testing.T) {
	s := newShelf()
	list := func(n int, same bool) (lost []past.Gone) {
		for i := range 5 {
			tip := n
			if !same {
				tip += i
			}
			lost = append(lost, gone(fmt.Sprintf("refs/heads/b%d", i), tip))
		}
		return lost
	}
	s.keep(at(noon), list(10, false)...)
	s.keep(at(noon), list(99, true)...)
	if err := s.table.Check(); err != nil || len(s.table.Refs) != 10 {
		t.Errorf("%d kept, %v", len(s.table.Refs), err)
	}
}

func TestOneKeptEntryForOneNameAndObject(t *testing.T) {
	s := newShelf()
	for i := range 5 {
		s.keep(at(noon.Add(time.Duration(i)*time.Hour)), gone("refs/heads/topic", 1))
	}
	if d := cmp.Diff([]string{"refs/gitmirror/kept/1700014400/heads/topic"}, s.names()); d != "" {
		t.Errorf("deleted five times: %s", d)
	}
}

// A branch that is forced every minute for a month leaves all of its last day, one
// an hour of the week, one a day of the month: and its last tip however old.
func TestTipsOfOneNameAreThinned(t *testing.T) {
	s := newShelf()
	s.keep(at(noon.Add(-20*24*time.Hour)), gone("refs/heads/old", 1))
	n := 100
	for m := -25 * 24 * 60; m <= 0; m += 30 {
		n++
		s.keep(at(noon.Add(time.Duration(m)*time.Minute)), gone("refs/heads/topic", n))
	}
	ages := map[string]int{}
	for _, k := range s.record.Kept {
		switch age := noon.Sub(k.At); {
		case k.Name == "refs/heads/old":
			ages["old"]++
		case age <= 24*time.Hour:
			ages["day"]++
		case age <= 7*24*time.Hour:
			ages["week"]++
		default:
			ages["month"]++
		}
	}
	if ages["old"] != 1 || ages["day"] != 49 || ages["week"] < 144 || ages["week"] > 145 || ages["month"] < 17 || ages["month"] > 19 {
		t.Errorf("kept %v, want the old branch's only tip, all 49 of the day, one an hour, one a day", ages)
	}
	if s.record.Dropped.Count != 0 {
		t.Errorf("thinning counts as %+v", s.record.Dropped)
	}
}

// A flood of tips of refs that were never settled costs only such; the last tip of
// each settled name, and what was lost of it, stays.
func TestAFloodOfTipsCostsNoneThatCounts(t *testing.T) {
	s := newShelf()
	lost := gone("refs/heads/main", 1)
	lost.Settled, lost.Lost = true, true
	last := gone("refs/heads/release", 2)
	last.Settled = true
	s.keep(at(noon), lost, last)
	var flood []past.Gone
	for i := range past.MostKept + 500 {
		flood = append(flood, gone("refs/heads/junk", 1000+i))
	}
	other := gone("refs/heads/main", 3)
	other.Settled = true
	s.keep(at(noon.Add(time.Hour)), append(flood, other)...)
	s.keep(at(noon.Add(2*time.Hour)), gone("refs/heads/main", 4))
	have := map[string]bool{}
	for _, r := range s.table.Refs {
		have[r.OID] = true
	}
	for _, n := range []int{1, 2, 3, 4} {
		if !have[oid(n)] {
			t.Errorf("tip %d is gone", n)
		}
	}
	if d := s.record.Dropped; len(have) > past.MostKept+10 || d.Count < 490 || d.Last.Before(noon) {
		t.Errorf("%d are kept, and it says %+v of what went early", len(have), d)
	}
}

// Where a settled ref stood for a day stays for a month, however often it moves before
// and after, to and fro or on.
func TestWhatStoodForADayIsKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newShelf()
		now, tip, since := noon, 1, noon
		stood := map[int]time.Time{} // tips, and when they were left
		for range rapid.IntRange(1, 60).Draw(t, "moves") {
			unit := rapid.SampledFrom([]time.Duration{time.Minute, time.Hour, 20 * time.Hour}).Draw(t, "unit")
			now = now.Add(unit * time.Duration(rapid.IntRange(1, 3).Draw(t, "pause")))
			g := gone("refs/heads/main", tip)
			g.Settled = true
			if now.Sub(since) >= 24*time.Hour {
				stood[tip] = now
			}
			s.keep(at(now), g)
			next := rapid.IntRange(1, 8).Draw(t, "to")
			if next == tip {
				next++
			}
			tip, since = next, now
			have := map[string]bool{}
			for _, r := range s.table.Refs {
				have[r.OID] = true
			}
			for n, left := range stood {
				if now.Sub(left) < past.KeepFor && !have[oid(n)] {
					t.Fatalf("tip %d, which had stood for a day and was left at %s, is not kept at %s", n, left, now)
				}
			}
		}
	})
}

// A date that is wrong makes nothing else count for less.
func TestAWrongClockHidesNothingThatStood(t *testing.T) {
	s := newShelf()
	leave := func(at refs.LogTime, n int) {
		g := gone("refs/heads/main", n)
		g.Settled = true
		s.keep(at, g)
	}
	leave(refs.LogTime{Now: noon.Add(10 * 24 * time.Hour)}, 1)
	leave(at(noon.Add(30*time.Hour)), 2) // it had stood for as long
	leave(at(noon.Add(31*time.Hour)), 3)
	leave(at(noon.Add(32*time.Hour)), 4)
	s.keep(at(noon.Add(10 * 24 * time.Hour)))
	have := map[string]bool{}
	for _, r := range s.table.Refs {
		have[r.OID] = true
	}
	if !have[oid(2)] {
		t.Errorf("kept are %v", s.names())
	}
}

// A last tip of a settled name is none of the fifty thousand of names that never were;
// of what had stood, names that move each day give way to one that moved once.
func TestBoundsOfWhatIsKept(t *testing.T) {
	s := newShelf()
	settled := gone("refs/heads/main", 1)
	settled.Settled = true
	s.keep(at(noon), settled)
	var flood []past.Gone
	for i := range 50_010 {
		flood = append(flood, gone(fmt.Sprint("refs/heads/junk", i), 1000+i))
	}
	s.keep(at(noon.Add(time.Hour)), flood...)
	if r, ok := s.table.Find(s.record.Kept[0].Ref); !ok || len(s.table.Refs) != 50_001 || s.record.Dropped.Count != 10 {
		t.Errorf("%d are kept, %+v; %v", len(s.table.Refs), s.record.Dropped, r)
	}
	if _, found := s.table.Find("refs/gitmirror/kept/1700000000/heads/main"); !found {
		t.Error("the settled one is gone")
	}
	s = newShelf()
	s.keep(at(noon), settled)
	settled.Old = oid(2)
	s.keep(at(noon.Add(25*time.Hour)), settled) // and so the first is no last one
	for day := range 3 {
		var flood []past.Gone
		for i := range 40_000 {
			g := gone(fmt.Sprint("refs/heads/junk", i), 100_000*day+1000+i)
			g.Settled = true
			flood = append(flood, g)
		}
		s.keep(at(noon.Add(time.Duration(48+25*day)*time.Hour)), flood...)
	}
	if _, found := s.table.Find("refs/gitmirror/kept/1700000000/heads/main"); !found || len(s.table.Refs) > 100_000 || s.record.Dropped.Count == 0 {
		t.Errorf("main's is kept: %v; of %d, %+v", found, len(s.table.Refs), s.record.Dropped)
	}
}

func TestKeptProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newShelf()
		now, n := noon, 0
		latest := map[string]string{}
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 30*3600).Draw(t, "pause")) * time.Second)
			var lost []past.Gone
			for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 3, rapid.ID[string]).Draw(t, "names") {
				n++
				lost = append(lost, gone("refs/heads/"+name, n))
				latest["refs/heads/"+name] = oid(n)
			}
			s.keep(at(now), lost...)
		}
		have := map[string]bool{}
		for _, r := range s.table.Refs {
			k := s.record.KeptAs(r.Name)
			if k.Name == r.Name || now.Sub(k.At) > past.KeepFor {
				t.Fatalf("%s is kept, as %+v", r.Name, k)
			}
			have[k.Name+r.OID] = true
		}
		for _, k := range s.record.Kept {
			if _, found := s.table.Find(k.Ref); !found {
				t.Fatalf("%s is remembered, and not kept", k.Ref)
			}
		}
		for name, tip := range latest {
			if !have[name+tip] {
				t.Fatalf("the last tip of %s is gone", name)
			}
		}
	})
}
