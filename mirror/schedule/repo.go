package schedule

import (
	"hash/maphash"
	"math"
	"time"
	"unique"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/rhythm"
	"gitmirror/mirror/work"
)

// Phase is what a repository is doing, as far as the schedule knows.
type Phase uint8

// A repository goes from Idle or Queued to Running, where places are taken by way of
// Waiting, and from Running to Idle or Queued.
const (
	Idle    Phase = iota // nothing is to be done until something changes
	Queued               // it runs when its time comes
	Waiting              // its time has come, and its lane or its host has no place
	Running
)

func (p Phase) String() string { return [...]string{"idle", "queued", "waiting", "running"}[p] }

// instant is a time, as the scheduler's clock counts from its beginning: a time of day
// that is set meanwhile moves nothing.
type instant int64

const never instant = math.MinInt64

func (i instant) add(d time.Duration) instant { return i + instant(d) }

// beats are the instants at which checks begin that come after a usual wait: so many of them are one
// waking of the processor, which costs more than a check. They are no further apart than a beatShare
// of the wait, and those of longer waits are among those of shorter ones.
const (
	beat      = 250 * time.Millisecond
	beatShare = 128
)

// onBeat is the nearest beat to i, of a wait.
func (i instant) onBeat(wait time.Duration) instant {
	d := beat
	for d > wait/beatShare && d > time.Millisecond {
		d /= 2
	}
	return (i + instant(d)/2) / instant(d) * instant(d)
}

// repo is what the schedule knows of one repository. There may be a million of them at
// rest, so it is small: what only a run needs is the run's.
type repo struct {
	id    string
	terms terms
	run   *run // under way, in the phase Running

	due   instant // while it is Queued
	pos   int32   // in the queue
	phase Phase

	assigned bool
	again    bool // something changed while it ran: run once more
	fetch    bool // the next run goes among those that fetch: there is something to bring
	forced   bool // the next run asks upstream whatever the time is
	wished   bool // it asks as soon as that may be asked
	checked  bool // upstream was asked since this node last became owner
	judged   bool // and gave an answer that hold is of
	broken   bool
	step     work.Step // what an owner that is behind does next

	failures uint16
	retries  uint16 // while it waits for the log or a peer, in a row

	learned  bool    // rhythm is of its history
	reserved bool    // its next check has a place in the budget of its host
	counted  counted // in what is spent of that
	slot     uint8   // where, of those whose intervals are learned

	rhythm    rhythm.Rhythm // by the scheduler's clock
	every     time.Duration // that it is left alone
	lastCheck instant
	nextCheck instant // when upstream is asked next, while this node owns it
	asOf      instant // when the last check began whose upshot is what is published
	recovery  *recovery
	news      *news // of the last runs; nil where all is well
}

// news is what the last runs came to.
type news struct {
	failure *failure.Error
	refused refused
	turn    turn
	hold    *work.Hold
	heard   uint64 // the newest word of a person that a check knew which succeeded
}

// last is what the last runs came to.
func (r *repo) last() news {
	if r.news == nil {
		return news{}
	}
	return *r.news
}

func (r *repo) note(n news) {
	if r.news = nil; n != (news{}) {
		r.news = &n
	}
}

// recovery is when an owner asks for lost generations next, and how often it has, in a
// row.
type recovery struct {
	next  instant
	asked int
}

// recovers is when lost generations are asked for next.
func (r *repo) recovers() instant {
	if r.recovery == nil {
		return never
	}
	return r.recovery.next
}

// terms are what the schedule depends on of an assignment.
type terms struct {
	owner      bool
	paused     bool
	lost       uint16
	digest     refs.Digest
	policy     uint64 // a hash
	epoch      uint64
	generation uint64
	interval   time.Duration // 0: learned
	word       uint64
	said       uint64                // a hash of what a person says: where upstream is, and what stays whatever that shows
	hosts      unique.Handle[string] // of its urls, with blanks between
	all        uint64                // a hash of the whole assignment
}

var seed = maphash.MakeSeed()

func termsOf(a *work.Assignment, all uint64) terms {
	t := terms{
		owner: a.Role == work.Owner, paused: a.Paused, lost: uint16(min(len(a.Lost), math.MaxUint16)), digest: a.Digest,
		policy: policyOf(a), epoch: a.Epoch, generation: a.Generation, interval: a.Policy.Interval, word: a.Word, hosts: hostsOf(a.URLs), all: all,
	}
	t.said = urlsOf(a)
	if len(a.Pins) > 0 {
		t.said ^= hashOf(a.Pins)
	}
	return t
}

func policyOf(a *work.Assignment) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	a.Policy.Hash(&h)
	return h.Sum64()
}

func urlsOf(a *work.Assignment) uint64 { return hashOf(a.URLs) }

func hashOf[T comparable](list []T) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, v := range list {
		maphash.WriteComparable(&h, v)
	}
	return h.Sum64() | 1
}

// mayTake tells whether what has failed with that class may be taken now that the
// policy is not what it was.
func (t terms) mayTake(class failure.Class, was terms) bool {
	return (class == failure.TooLarge || class == failure.Corrupt) && t.policy != was.policy
}

// names tells whether a table is the published one.
func (t terms) names(generation uint64, digest refs.Digest) bool {
	return t.generation == generation && t.digest == digest
}

// Held is what this node has of a repository.
type Held struct {
	Any        bool   // there is a place for it on the disk
	Generation uint64 // live, 0 for none
	Digest     refs.Digest
	Candidate  *work.Generation // that is prepared, while the log decides
	Fetching   bool             // a run is bringing objects
}

// reconciled tells whether the disk is where the assignment is.
func (t terms) reconciled(h Held) bool {
	return h.Candidate == nil && h.Generation == t.generation && h.Generation > 0
}

// behind tells whether the copy here is not what was published.
func (t terms) behind(h Held) bool {
	return t.generation > 0 && (h.Generation < t.generation || h.Generation == t.generation && h.Digest != t.digest)
}
