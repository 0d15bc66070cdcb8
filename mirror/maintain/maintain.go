// Package maintain keeps the copies of a node quick to read and small, and finds out those
// that cannot be read: it joins packs, leaves out what nothing leads to, makes the charts that
// readers find their way by, and has copies verified.
//
// One loop does it, one copy at a time: what gains most for each second of work comes first,
// and after work it rests for as long. It begins nothing while clients wait, or while the disk
// is nearly full.
//
// It promises that nothing goes which a tip leads to that the live table has, or had within a
// day, or which a candidate or a table that was set aside needs, whoever reads, fetches or
// prepares meanwhile: before a pack goes, what is left is proved by itself, in a view that has
// nothing else; then readers that are at it are waited for. A crash at any point leaves a copy
// that is whole, and nothing that stays for good.
package maintain

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"gitmirror/internal/clock"
	"gitmirror/internal/disk"
	"gitmirror/mirror/space"
	"gitmirror/mirror/store"
)

// Verdict is what a test of a copy came to.
type Verdict int

// The verdicts.
const (
	Unknown Verdict = iota // it came to nothing
	Nothing                // there was nothing to test
	Whole
	Broken // it is out of service, or will be
)

// Copies tests copies, and takes those out of service that cannot be read.
type Copies interface {
	// Read reads all of a copy.
	Read(ctx context.Context, r *store.Repo) Verdict
	// Check looks at each of its objects, and at what it is found by.
	Check(ctx context.Context, r *store.Repo) Verdict
	// Suspect has a copy tested soon that a job has stumbled over. It does not block.
	Suspect(r *store.Repo, err error)
}

// Meter is told what was done. It does not block.
type Meter interface {
	// Maintained is told of a job that has ended, whether it did what it was to, and how many
	// bytes of packs were deleted.
	Maintained(job Job, failed bool, took time.Duration)
	// Freed is told how many bytes of packs were deleted.
	Freed(bytes int64)
}

// Config is what a Maintainer needs.
type Config struct {
	Clock   clock.Clock
	Disk    *disk.Disk // that the store is on
	Store   *store.Store
	Objects Objects
	Jobs    []Job // that are done here; default all
	Copies  Copies
	Space   *space.Guard
	// Busy tells whether clients wait for a place: then nothing is begun.
	Busy func() bool
	// Changed is told the id of a copy of which something is found. It must not block.
	Changed func(id string)
	Meter   Meter
	Random  func() float64 // from 0 to 1; default math/rand
	Log     *slog.Logger
}

// Maintainer maintains the copies of a node.
type Maintainer struct {
	cfg  Config
	wake chan struct{}
	turn time.Duration // see turnFor

	mu    sync.Mutex
	began bool
	cares map[string]*care
	early map[string][]Job // that were asked for before a copy was taken notice of
}

// care is what is known of a copy.
type care struct {
	repo   *store.Repo
	record Record
	phase  float64 // from 0 to 1: where in the times of all this one has its own

	surveyed   bool
	generation uint64 // that was live when it was
	survey     survey
	readAt     time.Time // when it is due
	checkAt    time.Time
	again      map[Job]time.Time // not before, because it failed or was put off
	waits      map[Job]Waits     // for what it was put off the last time
	failed     map[Job]int       // times in a row
	leaving    *departure
	hidden     int // packs that were hidden, when it was looked last

	doing    Job
	since    time.Time
	wanted   []Job          // by somebody who asked
	anew     bool           // what is done was asked for since it began, and has that before it
	failures map[Job]string // of those that failed the last time
}

// New returns a Maintainer. Nothing is done before Run.
func New(cfg Config) *Maintainer {
	if cfg.Random == nil {
		cfg.Random = rand.Float64
	}
	if cfg.Jobs == nil {
		cfg.Jobs = Jobs
	}
	return &Maintainer{cfg: cfg, wake: make(chan struct{}, 1), turn: turnFor, cares: map[string]*care{}, early: map[string][]Job{}}
}

const (
	// lookEvery is how often it is looked for work, and lookSpread how much later at most.
	lookEvery  = time.Minute
	lookSpread = 10 * time.Second
	// noticeEvery is how often it is looked, while there is work, for copies that have come.
	noticeEvery = 10 * time.Second
	// retry is after how long a job that failed is tried again first, and then twice as long
	// each time.
	retry    = 10 * time.Minute
	retryMax = 24 * time.Hour
	// tooLate is how long a verification may be overdue before it comes first.
	tooLate = 24 * time.Hour
)

// Run works until ctx ends.
func (m *Maintainer) Run(ctx context.Context) {
	m.look()
	looked := m.cfg.Clock.Now()
	for rest := time.Duration(0); m.sleep(ctx, m.untilDeparture(rest)); {
		// Each pass over the copies is shorter than the work on one; of many that are done at once there are
		// as many.
		if now := m.cfg.Clock.Now(); now.Sub(looked) >= noticeEvery || m.missed() {
			m.look()
			looked = now
		}
		m.depart(ctx)
		c, job := m.next(ctx)
		if c == nil {
			rest = lookEvery + time.Duration(m.cfg.Random()*float64(lookSpread))
			continue
		}
		began := m.cfg.Clock.Now()
		m.do(ctx, c, job)
		m.depart(ctx)
		if rest = m.cfg.Clock.Now().Sub(began); m.wanted() {
			rest = 0 // people wait
		}
	}
}

// untilDeparture is a rest, or what is left of it until a departure is to be tried again.
func (m *Maintainer) untilDeparture(rest time.Duration) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.cares {
		if c.leaving != nil {
			return min(rest, departEvery)
		}
	}
	return rest
}

// sleep returns after d, or sooner when somebody asks for work; false when ctx ends.
func (m *Maintainer) sleep(ctx context.Context, d time.Duration) bool {
	over := make(chan struct{})
	t := m.cfg.Clock.AfterFunc(d, func() { close(over) })
	defer t.Stop()
	select {
	case <-over:
	case <-m.wake:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// look takes notice of copies that have come and gone. Those that are here at the start
// are due to be read: nobody knows what happened to the disk meanwhile. One that comes later
// was read when it was made, by those who made it.
func (m *Maintainer) look() {
	now := m.cfg.Clock.Now()
	repos := m.cfg.Store.Repos()
	here := make(map[string]*store.Repo, len(repos))
	var news []*care
	m.mu.Lock()
	began := m.began
	m.began = true
	for _, r := range repos {
		here[r.ID()] = r
		if c := m.cares[r.ID()]; c == nil || c.repo != r {
			news = append(news, &care{repo: r, phase: m.cfg.Random(), again: map[Job]time.Time{}, waits: map[Job]Waits{}, failed: map[Job]int{}, failures: map[Job]string{}})
		}
	}
	for id := range m.cares {
		if here[id] == nil {
			delete(m.cares, id)
		}
	}
	m.mu.Unlock()
	for _, c := range news {
		known := false
		m.mu.Lock()
		asked := len(m.early[c.repo.ID()]) > 0 // who asks wants it read now, whoever has made it
		m.mu.Unlock()
		if c.record, known = recordOf(c.repo); !known && began && !asked {
			c.record.Read, c.record.Checked = now, now
			m.remember(c, c.record)
		}
		c.due(now)
		if !began {
			c.readAt = now
		}
		m.mu.Lock()
		m.cares[c.repo.ID()] = c
		c.wanted = m.early[c.repo.ID()]
		delete(m.early, c.repo.ID())
		m.mu.Unlock()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for id := range m.early {
		if m.cfg.Store.Repo(id) == nil {
			delete(m.early, id)
		}
	}
}

// due works out when a copy is to be verified. One that has never been checked is so in the
// time that all have.
func (c *care) due(now time.Time) {
	c.readAt = c.record.Read.Add(readEvery - time.Duration(c.phase*float64(readSpread)))
	if c.record.Checked.IsZero() {
		if c.checkAt.IsZero() {
			c.checkAt = now.Add(time.Duration(c.phase * float64(checkEvery)))
		}
		return
	}
	c.checkAt = c.record.Checked.Add(checkEvery - time.Duration(c.phase*float64(checkSpread)))
}

// remember writes a record. One that cannot be written costs a verification too many.
func (m *Maintainer) remember(c *care, rec Record) {
	m.mu.Lock()
	c.record = rec
	m.mu.Unlock()
	if err := rec.write(c.repo); err != nil {
		m.cfg.Log.Debug("cannot remember the maintenance of a copy", "repo", c.repo.Name(), "err", err)
	}
	m.changed(c)
}

func (m *Maintainer) changed(c *care) {
	if m.cfg.Changed != nil {
		m.cfg.Changed(c.repo.ID())
	}
}

// next is what is to be done now, nil for nothing: what somebody has asked for, then what is
// too late, then what gains most for its time.
func (m *Maintainer) next(ctx context.Context) (best *care, job Job) {
	if m.cfg.Busy != nil && m.cfg.Busy() {
		return nil, ""
	}
	now := m.cfg.Clock.Now()
	roomy := m.cfg.Space.Now().State == space.Well
	var most float64
	better := func(c *care, rate float64) bool {
		return rate > most || rate == most && best != nil && best != c && c.before(best)
	}
	for _, c := range m.all() {
		if ctx.Err() != nil {
			return nil, ""
		}
		if c.leaving != nil {
			continue
		}
		for i, j := range m.asked(c) {
			if rate := 1e12 - float64(i); better(c, rate) && m.may(c, j, now, roomy) {
				best, job, most = c, j, rate
			}
		}
		m.survey(c)
		for _, t := range m.tasks(c, now) {
			rate := t.rate()
			if !t.since.IsZero() && now.Sub(t.since) > tooLate {
				rate += 1e6
			}
			if better(c, rate) && slices.Contains(m.cfg.Jobs, t.job) && m.may(c, t.job, now, roomy) {
				best, job, most = c, t.job, rate
			}
		}
	}
	return best, job
}

// may tells whether a job may be begun: neither has it been put off, nor has it no room.
func (m *Maintainer) may(c *care, j Job, now time.Time, roomy bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return c.may(j, now, roomy)
}

func (c *care) may(j Job, now time.Time, roomy bool) bool {
	return !now.Before(c.again[j]) && (roomy || !j.writes())
}

// wanted tells whether somebody has asked for what may be begun.
func (m *Maintainer) wanted() bool {
	now, roomy := m.cfg.Clock.Now(), m.cfg.Space.Now().State == space.Well
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.cares {
		for _, j := range c.wanted {
			if c.leaving == nil && c.may(j, now, roomy) {
				return true
			}
		}
	}
	return false
}

// missed tells whether somebody has asked for work on a copy that was not taken notice of yet.
func (m *Maintainer) missed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.early) > 0
}

func (m *Maintainer) asked(c *care) []Job {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(c.wanted)
}

// writes tells whether a job makes files, for which there has to be room.
func (j Job) writes() bool { return j == Join || j == Gather || j == Chart }

// all are the copies, in no order.
func (m *Maintainer) all() []*care {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]*care, 0, len(m.cares))
	for _, c := range m.cares {
		list = append(list, c)
	}
	return list
}

// before tells whether one was read longer ago than another.
func (c *care) before(other *care) bool {
	if !c.record.Read.Equal(other.record.Read) {
		return c.record.Read.Before(other.record.Read)
	}
	return c.repo.ID() < other.repo.ID()
}

// tasks are what is worth while for a copy, and which verifications are due: these also of one that cannot
// be looked at, which is how it is found out why.
func (m *Maintainer) tasks(c *care, now time.Time) (list []task) {
	if generation, _ := c.repo.Generation(); generation == 0 {
		return nil
	}
	if c.surveyed {
		list = c.survey.tasks(c.record)
	}
	objects, bytes := c.survey.sums()
	overdue := func(job Job, at time.Time, every time.Duration) {
		if !now.Before(at) {
			late := now.Sub(at).Hours() / every.Hours()
			list = append(list, task{job: job, gain: 0.1 + late, cost: seconds(objects, bytes), since: at})
		}
	}
	overdue(Read, c.readAt, readEvery)
	overdue(Check, c.checkAt, readEvery)
	return list
}

// survey looks at a copy's objects where its generation is another than when it was looked at last.
func (m *Maintainer) survey(c *care) {
	generation, _ := c.repo.Generation()
	if c.surveyed && c.generation == generation {
		return
	}
	release, err := c.repo.Acquire()
	if err != nil {
		return
	}
	defer release()
	s, err := m.surveyOf(c.repo)
	if err != nil {
		m.cfg.Log.Debug("a copy cannot be looked at", "repo", c.repo.Name(), "err", err)
		if errors.Is(err, errIndex) {
			m.cfg.Copies.Suspect(c.repo, err)
		}
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c.survey, c.surveyed, c.generation = s, true, generation
}

func (m *Maintainer) surveyOf(r *store.Repo) (s survey, err error) {
	packs, err := r.Packs()
	if err != nil {
		return s, err
	}
	charted, err := m.cfg.Objects.Mapped(r.Dir())
	if err != nil {
		charted = nil // it is made anew
	}
	s.charts = r.HasMaps() && err == nil
	for _, p := range packs {
		n, err := m.cfg.Objects.Count(r.Dir(), p.Name)
		if err != nil {
			return s, err
		}
		s.packs = append(s.packs, pack{p.Name, p.Bytes, n, slices.Contains(charted, p.Name)})
	}
	loose, err := r.Loose()
	s.loose = len(loose)
	return s, err
}
