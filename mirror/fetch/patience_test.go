package fetch

import (
	"testing"
	"time"
)

func TestPatience(t *testing.T) {
	const stall = time.Minute
	begin := time.Unix(1_700_000_000, 0)
	after := func(d time.Duration, bytesPerSecond float64, talks bool) bool {
		p := patience{stall: stall, gained: begin}
		for s := time.Duration(0); s <= d; s += time.Second {
			now, word := begin.Add(s), time.Time{}
			if talks {
				word = now
			}
			if p.stalled(now, int64(bytesPerSecond*s.Seconds()), word) {
				return true
			}
		}
		return false
	}
	for _, tc := range []struct {
		name   string
		d      time.Duration
		bytes  float64
		talks  bool
		stalls bool
	}{
		{"silent, within its time", stall, 0, false, false},
		{"silent", stall + 2*time.Second, 0, false, true},
		{"talking about it", 14 * stall, 0, true, false},
		{"talking for ever", 17 * stall, 0, true, true},
		{"downloading", 1000 * stall, 100, false, false},
		{"downloading and talking", 1000 * stall, 100, true, false},
		{"trickling", 3 * stall, 1, false, true},
		{"trickling and talking", 20 * stall, 0.9, true, true},
	} {
		if got := after(tc.d, tc.bytes, tc.talks); got != tc.stalls {
			t.Errorf("%s for %s: stalled %v, want %v", tc.name, tc.d, got, tc.stalls)
		}
	}
}

// An upstream that always sends a little, but never much, has an end.
func TestTheWholeFetchIsBoundedByItsBytes(t *testing.T) {
	begin := time.Unix(1000, 0)
	p := patience{stall: time.Minute, began: begin}
	for _, c := range []struct {
		after time.Duration
		bytes int64
		want  bool
	}{
		{14 * time.Minute, 0, false}, {16 * time.Minute, 0, true}, {16 * time.Minute, 400 << 10, false}, {18 * time.Minute, 400 << 10, true},
		{30 * time.Hour, 1 << 30, false}, {100 * time.Hour, 1 << 30, true},
	} {
		if got := p.tooLong(begin.Add(c.after), c.bytes); got != c.want {
			t.Errorf("%d bytes after %s: %v", c.bytes, c.after, got)
		}
	}
}

// An object that git lets through is found while it comes: no other begins, and more
// bytes come than it may have.
func TestAnObjectThatDoesNotEnd(t *testing.T) {
	const mib = 1 << 20
	l := Limits{Object: 1024 * mib}
	var g growing
	for _, c := range []struct {
		line     string
		received int64
		want     bool
	}{
		{"remote: Counting objects: 5, done.", 0, false}, {"Receiving objects:   0% (1/20)", mib, false}, {"Receiving objects:   5% (2/20), 1.00 MiB", 2 * mib, false},
		{"Receiving objects:   5% (2/20), 900.00 MiB", 900 * mib, false}, {"Receiving objects:   5% (2/20), 1.20 GiB", 1200 * mib, false},
		{"Receiving objects:  10% (3/20), 1.20 GiB", 1250 * mib, false}, {"Receiving objects:  10% (3/20), 2.30 GiB", 2400 * mib, false},
		{"Receiving objects:  10% (3/20), 2.60 GiB", 2600 * mib, true},
	} {
		if err := l.objectExceeded(&g, c.line, c.received); (err != nil) != c.want {
			t.Errorf("%d MiB, %s: %v", c.received/mib, c.line, err)
		}
	}
	if err := (Limits{}).objectExceeded(&g, "Receiving objects:  10% (3/20)", 1<<50); err != nil {
		t.Errorf("without a limit: %v", err)
	}
}
