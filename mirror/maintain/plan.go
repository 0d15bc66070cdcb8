package maintain

import (
	"cmp"
	"math/bits"
	"slices"
	"time"
)

// Job is a kind of work on one copy.
type Job string

// The jobs.
const (
	Read   Job = "read"   // all of it is read, and walked through
	Check  Job = "check"  // git fsck looks at each object
	Weigh  Job = "weigh"  // how much of it is used
	Join   Job = "join"   // small packs become one
	Gather Job = "gather" // what the tips lead to becomes one pack, and the rest goes
	Chart  Job = "chart"  // a multi-pack-index with bitmap, and a commit-graph
)

// Jobs are all of them.
var Jobs = []Job{Read, Check, Weigh, Join, Gather, Chart}

const (
	// smallPack is how many objects a pack has at least that is not joined with others
	// whatever their sizes.
	smallPack = 1000
	// large is from how many objects on a copy gets charts: below it a clone is quick without.
	large = 10_000
	// uncharted is what share of the objects may be in none.
	uncharted = 0.1

	// wasted is which share of what is used may be taken by what is not, and wastedLeast how
	// many bytes, before it is worth while to write all anew.
	wasted      = 0.1
	wastedLeast = 64 << 10
	// grown is by how much a copy has grown when it is weighed anew.
	grown      = 0.3
	grownLeast = 1 << 20

	readEvery  = 24 * time.Hour
	readSpread = 2 * time.Hour // of which up to so much is spared, so that copies do not all come at once
	// A copy is checked within thirty days.
	checkEvery  = 29 * 24 * time.Hour
	checkSpread = 7 * 24 * time.Hour
)

// pack is a pack, and what is known of it.
type pack struct {
	name    string
	bytes   int64
	objects int
	charted bool
}

// survey is what a copy's objects look like.
type survey struct {
	packs  []pack
	loose  int
	charts bool // there are some, whatever they name
}

func (s *survey) sums() (objects int, bytes int64) {
	for _, p := range s.packs {
		objects, bytes = objects+p.objects, bytes+p.bytes
	}
	return objects, bytes
}

// bound is how many packs a copy of so many objects may have: 3 + log2(objects/1000).
func bound(objects int) int {
	return 3 + max(0, bits.Len(uint(objects/1000))-1)
}

// toJoin are the packs that are to become one, so that what is left is a progression: each
// pack has twice as many objects as the one before, or more. Small ones are always among
// them: what is left has bound packs at most.
func (s *survey) toJoin() []pack {
	packs := slices.Clone(s.packs)
	slices.SortFunc(packs, func(a, b pack) int {
		return cmp.Or(cmp.Compare(a.objects, b.objects), cmp.Compare(a.name, b.name))
	})
	n := 0
	for i := len(packs) - 1; i > 0 && n == 0; i-- {
		if packs[i].objects < 2*packs[i-1].objects {
			n = i + 1
		}
	}
	small := 0
	for small < len(packs) && packs[small].objects < smallPack {
		small++
	}
	if small > 1 {
		n = max(n, small)
	}
	sum := 0
	for _, p := range packs[:n] {
		sum += p.objects
	}
	for n > 0 && n < len(packs) && packs[n].objects < 2*sum {
		sum += packs[n].objects
		n++
	}
	return packs[:n]
}

// task is a job that is worth while, and for what: gain in packs less, or what is as good, and
// cost in seconds, both roughly.
type task struct {
	job        Job
	gain, cost float64
	since      time.Time // overdue, zero where it never is
}

func (t task) rate() float64 { return t.gain / t.cost }

// Rough costs: what a disk, git's walk and a started child take.
const (
	bytesPerSecond   = 20 << 20
	objectsPerSecond = 100_000
	childSeconds     = 0.1
)

func seconds(objects int, bytes int64) float64 {
	return childSeconds + float64(objects)/objectsPerSecond + float64(bytes)/bytesPerSecond
}

// tasks are what is worth while now.
func (s *survey) tasks(r Record) (list []task) {
	objects, bytes := s.sums()
	if excess := len(s.packs) - bound(objects); excess > 0 || s.loose > 0 {
		joined, size := 0, int64(0)
		for _, p := range s.toJoin() {
			joined, size = joined+p.objects, size+p.bytes
		}
		list = append(list, task{job: Join, gain: float64(max(excess, 0)) + float64(s.loose)/100, cost: seconds(joined, size)})
	}
	if waste := r.Bytes - r.Used; r.Bytes > 0 && waste > wastedLeast && float64(waste) > wasted*float64(r.Used) {
		list = append(list, task{job: Gather, gain: float64(waste) / (1 << 20), cost: seconds(objects, bytes)})
	} else if growth := bytes - r.Bytes; r.Bytes > 0 && growth > grownLeast && float64(growth) > grown*float64(r.Bytes) {
		list = append(list, task{job: Weigh, gain: float64(growth) / (10 << 20), cost: seconds(objects, 0)})
	}
	if out := s.offChart(); objects >= large && (!s.charts || float64(out) > uncharted*float64(objects)) {
		list = append(list, task{job: Chart, gain: 1 + float64(out)/large, cost: seconds(2*objects, 0)})
	}
	return list
}

// offChart counts the objects that are in no pack of the multi-pack-index.
func (s *survey) offChart() (n int) {
	for _, p := range s.packs {
		if !p.charted {
			n += p.objects
		}
	}
	return n
}
