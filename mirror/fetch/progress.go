package fetch

import (
	"slices"
	"strings"
	"time"

	"gitmirror/mirror/git"
)

// Phase is what a fetch is at.
type Phase string

// The phases, in the order in which a fetch goes through them.
const (
	Waiting   Phase = "waiting"   // for its turn: as many fetch as may
	Preparing Phase = "preparing" // the other side puts a pack together
	Receiving Phase = "receiving" // the pack comes
	Resolving Phase = "resolving" // the objects that came as differences are put together
	Checking  Phase = "checking"  // that nothing is missing, nor is what it must not be
)

var phases = []Phase{Waiting, Preparing, Receiving, Resolving, Checking}

// Progress is how far a fetch is. It never goes back while the fetch is one and the same.
type Progress struct {
	Phase Phase
	// Done of All objects are dealt with in this phase. All is 0 where nobody knows.
	Done, All int64
	Bytes     int64 // of packs that have come
	Rate      int64 // bytes a second, lately
}

// Observer makes a Progress of what is seen of a fetch now and then.
type Observer struct {
	now  Progress
	rate rate
}

// NewObserver returns one of a fetch that begins.
func NewObserver(began time.Time) *Observer {
	at := mark{at: began}
	return &Observer{now: Progress{Phase: Preparing}, rate: rate{at, at}}
}

// see takes what is seen.
func (o *Observer) see(at time.Time, s Sight) Progress {
	if s.Phase != "" {
		o.enter(s.Phase)
	}
	if s.All > 0 && s.Phase == o.now.Phase && s.Done >= o.now.Done {
		o.now.Done, o.now.All = s.Done, s.All
	}
	if o.now.Phase == Preparing || o.now.Phase == Receiving { // later there are files of git's own beside the pack
		o.now.Bytes = max(o.now.Bytes, s.Bytes)
	}
	o.now.Rate = o.rate.at(at, o.now.Bytes)
	return o.now
}

// enter goes on to a phase, never back.
func (o *Observer) enter(p Phase) {
	if slices.Index(phases, p) > slices.Index(phases, o.now.Phase) {
		o.now.Phase, o.now.Done, o.now.All = p, 0, 0
	}
}

// titles are what git calls the phases that it counts in.
var titles = map[Phase]string{Receiving: receiving, Resolving: resolving}

// said is what git's last line says of how far it is, with the bytes that are there. whole says
// that there is an index as well: git looks through what it has.
func said(line string, bytes int64, whole bool) Sight {
	s := Sight{Bytes: bytes}
	for phase, title := range titles {
		if strings.HasPrefix(line, title) {
			s.Phase = phase
		}
	}
	if count, counts := git.ReadCount(line); counts && s.Phase != "" && count.Title == titles[s.Phase] {
		s.Done, s.All = count.Done, count.All
	}
	if whole {
		s.Phase, s.Done, s.All = Checking, 0, 0
	}
	return s
}

// rateSpan is how long a rate looks back, at least.
const rateSpan = 3 * time.Second

type mark struct {
	at    time.Time
	bytes int64
}

// rate tells how many bytes a second have come lately: since the older of two marks.
type rate [2]mark

func (r *rate) at(now time.Time, bytes int64) int64 {
	if now.Sub(r[1].at) >= rateSpan {
		r[0], r[1] = r[1], mark{now, bytes}
	}
	took := now.Sub(r[0].at)
	if took <= 0 {
		return 0
	}
	return int64(float64(bytes-r[0].bytes) / took.Seconds())
}
