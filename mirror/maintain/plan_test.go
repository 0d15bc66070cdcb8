package maintain

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever sizes packs have: once those that are too many are one, no more than the bound are
// left, each has twice as many objects as the next smaller one, and those that stay as they are
// have more than all that were joined.
func TestWhatIsJoinedLeavesAProgression(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s survey
		sizes := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(1, 10), rapid.IntRange(1, 3000), rapid.IntRange(1, 5_000_000)), 1, 60).Draw(t, "objects")
		for i, n := range sizes {
			s.packs = append(s.packs, pack{name: fmt.Sprint(i), objects: n})
		}
		joined := s.toJoin()
		if len(joined) == 1 {
			t.Fatalf("one pack is joined with nothing")
		}
		sum, left := 0, []int{}
		for _, p := range s.packs {
			if slices.Contains(joined, p) {
				sum += p.objects
			} else {
				left = append(left, p.objects)
			}
		}
		if sum > 0 {
			left = append(left, sum)
		}
		slices.Sort(left)
		total := 0
		for i, n := range left {
			if total += n; i > 0 && n < 2*left[i-1] {
				t.Fatalf("left are %v", left)
			}
		}
		if len(left) > bound(total) {
			t.Fatalf("%d packs are left of %d objects: %v; the bound is %d", len(left), total, left, bound(total))
		}
		if again := (&survey{packs: rename(left)}).toJoin(); len(again) > 0 {
			t.Fatalf("%v would be joined again: %v", left, again)
		}
	})
}

func rename(sizes []int) (packs []pack) {
	for i, n := range sizes {
		packs = append(packs, pack{name: fmt.Sprint(i), objects: n})
	}
	return packs
}

func TestBound(t *testing.T) {
	for objects, want := range map[int]int{0: 3, 5: 3, 999: 3, 1000: 3, 2000: 4, 4095: 5, 1_000_000: 12, 10_000_000: 16} {
		if got := bound(objects); got != want {
			t.Errorf("%d objects in %d packs, want %d", objects, got, want)
		}
	}
}

// A copy that gets a pack with each of many syncs never has many, and each object is written
// anew only a few times.
func TestManySyncsMakeFewPacks(t *testing.T) {
	s, written, total, most := survey{packs: []pack{{name: "first", objects: 20_000}}}, 0, 20_000, 0
	for i := range 5000 {
		s.packs = append(s.packs, pack{name: fmt.Sprint(i), objects: 5})
		total += 5
		most = max(most, len(s.packs))
		if len(s.packs) <= bound(total) {
			continue
		}
		joined := s.toJoin()
		sum := 0
		for _, p := range joined {
			sum += p.objects
		}
		s.packs = append(slices.DeleteFunc(s.packs, func(p pack) bool { return slices.Contains(joined, p) }), pack{name: fmt.Sprint("joined", i), objects: sum})
		written += sum
	}
	if most > 12 || written > 100*5*5000 {
		t.Errorf("%d packs, and %d objects were written for %d that came", most, written, 5*5000)
	}
	t.Logf("at most %d packs; %d objects written for %d that came", most, written, 5*5000)
}

func TestTasks(t *testing.T) {
	few, many := rename([]int{5, 5}), rename([]int{5, 5, 5, 5, 5})
	big := rename([]int{50_000})
	charted := []pack{{name: "0", objects: 50_000, charted: true}}
	for _, c := range []struct {
		what   string
		survey survey
		record Record
		want   []Job
	}{
		{"nothing", survey{}, Record{}, nil},
		{"few packs", survey{packs: few}, Record{}, nil},
		{"many packs", survey{packs: many}, Record{}, []Job{Join}},
		{"loose objects", survey{packs: few, loose: 1}, Record{}, []Job{Join}},
		{"large without charts", survey{packs: big}, Record{}, []Job{Chart}},
		{"large with charts", survey{packs: charted, charts: true}, Record{}, nil},
		{"large with charts of something else", survey{packs: big, charts: true}, Record{}, []Job{Chart}},
		{"waste", survey{packs: few}, Record{Bytes: 1 << 20, Used: 1 << 19}, []Job{Gather}},
		{"little waste", survey{packs: few}, Record{Bytes: 1 << 20, Used: 1<<20 - 1<<15}, nil},
		{"growth", survey{packs: []pack{{bytes: 10 << 20}}}, Record{Bytes: 1 << 20, Used: 1 << 20}, []Job{Weigh}},
	} {
		var got []Job
		for _, task := range c.survey.tasks(c.record) {
			got = append(got, task.job)
			if task.gain <= 0 || task.cost <= 0 {
				t.Errorf("%s: %+v", c.what, task)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
}
