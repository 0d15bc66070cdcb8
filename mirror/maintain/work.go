package maintain

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"gitmirror/internal/crashpoint"
	"gitmirror/mirror/git"
	"gitmirror/mirror/space"
	"gitmirror/mirror/store"
)

// Why a job is left for later that has not failed.
var (
	errUnfit  = errors.New("the disk is nearly full")
	errBusy   = errors.New("a run is under way")
	errNeeded = errors.New("a table that has come meanwhile needs them")
)

// do does one job, and takes account of it, unless packs are to go that it has replaced: then
// it has ended when they have.
func (m *Maintainer) do(ctx context.Context, c *care, job Job) {
	began := m.cfg.Clock.Now()
	m.mu.Lock()
	c.doing, c.since, c.anew = job, began, false
	m.mu.Unlock()
	m.changed(c)
	err := m.work(ctx, c, job)
	took := m.cfg.Clock.Now().Sub(began)
	m.mu.Lock()
	c.doing, c.surveyed = "", false
	asked := slices.Contains(c.wanted, job)
	if again := c.anew && err == nil; !putOff(err) && !again {
		c.wanted = slices.DeleteFunc(slices.Clone(c.wanted), func(j Job) bool { return j == job })
	}
	m.mu.Unlock()
	if d := c.leaving; d != nil && err == nil {
		d.job, d.asked, d.took = job, asked, took
		m.changed(c)
		return
	}
	m.ended(ctx, c, job, took, err)
}

// putOff tells whether a job was left for later.
func putOff(err error) bool {
	return errors.Is(err, errUnfit) || errors.Is(err, errBusy) || errors.Is(err, errNeeded)
}

// ended takes account of a job. What fails is tried again, later each time.
func (m *Maintainer) ended(ctx context.Context, c *care, job Job, took time.Duration, err error) {
	now := m.cfg.Clock.Now()
	aborted := ctx.Err() != nil || putOff(err) || errors.Is(err, store.ErrGone)
	m.mu.Lock()
	c.waits[job] = waitsFor(err)
	switch {
	case err == nil:
		delete(c.failed, job)
		delete(c.again, job)
		delete(c.failures, job)
	case aborted:
		c.again[job] = now.Add(lookEvery)
	default:
		c.failed[job]++
		c.again[job] = now.Add(min(retry<<min(c.failed[job]-1, 10), retryMax))
		c.failures[job] = fmt.Sprintf("%s: %v", job, err)
	}
	m.mu.Unlock()
	m.changed(c)
	if aborted {
		return
	}
	m.cfg.Meter.Maintained(job, err != nil, took)
	if err != nil && stumbled(job, err) {
		m.cfg.Copies.Suspect(c.repo, err)
	}
	if err != nil {
		m.cfg.Log.Warn("a copy cannot be maintained", "repo", c.repo.Name(), "job", string(job), "err", err)
		return
	}
	m.cfg.Log.Debug("a copy was maintained", "repo", c.repo.Name(), "job", string(job), "took", took)
}

// stumbled tells whether a job failed over what it read of the copy, which may be shown as ready until
// it is read the next time. A test of the copy has its own verdict.
func stumbled(job Job, err error) bool {
	return job != Read && job != Check && (git.Judged(err) || errors.Is(err, errIndex))
}

// errUntested says that a verification came to nothing.
var errUntested = errors.New("it could not be tested")

func (m *Maintainer) work(ctx context.Context, c *care, job Job) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer m.watch(ctx, cancel, c.repo, job)()
	switch job {
	case Read:
		return m.verify(ctx, c, m.cfg.Copies.Read, func(rec *Record, now time.Time) { rec.Read = now })
	case Check:
		return m.verify(ctx, c, m.cfg.Copies.Check, func(rec *Record, now time.Time) { rec.Checked = now })
	}
	release, err := c.repo.Acquire()
	if err != nil {
		return err
	}
	defer release()
	defer c.repo.Read()()
	switch job {
	case Weigh:
		err = m.weigh(ctx, c)
	case Join:
		err = m.join(ctx, c)
	case Gather:
		err = m.gather(ctx, c)
	case Chart:
		err = m.chart(ctx, c.repo)
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

const watchEvery = 5 * time.Second

// watch ends a job when the copy is about to be taken away, and one that writes when the disk
// is nearly full, until it is called itself.
func (m *Maintainer) watch(ctx context.Context, cancel context.CancelCauseFunc, r *store.Repo, job Job) (end func()) {
	done, parting, look := make(chan struct{}), r.Parting(), make(chan struct{}, 1)
	timer := m.cfg.Clock.AfterFunc(watchEvery, func() { look <- struct{}{} })
	go func() {
		defer close(done)
		defer timer.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-parting:
				cancel(store.ErrGone)
			case <-look:
				if job.writes() && m.cfg.Space.Now().State != space.Well {
					cancel(errUnfit)
				}
				timer.Reset(watchEvery)
			}
		}
	}()
	return func() {
		cancel(nil)
		<-done
	}
}

// verify has a copy tested, and notes when it was found whole. Who tests it deals with what is
// broken.
func (m *Maintainer) verify(ctx context.Context, c *care, test func(context.Context, *store.Repo) Verdict, note func(*Record, time.Time)) error {
	switch test(ctx, c.repo) {
	case Unknown:
		return errUntested
	case Whole:
		now := m.cfg.Clock.Now()
		rec := c.record
		note(&rec, now)
		m.remember(c, rec)
		if c.due(now); !slices.Contains(m.cfg.Jobs, Weigh) {
			return nil
		}
		return m.weighedAnew(ctx, c)
	}
	c.readAt = m.cfg.Clock.Now().Add(readEvery)
	return nil
}

// weighedAnew has a copy weighed that is another than the one that was weighed last.
func (m *Maintainer) weighedAnew(ctx context.Context, c *care) error {
	release, err := c.repo.Acquire()
	if err != nil {
		return err
	}
	defer release()
	defer c.repo.Read()()
	roots, err := c.repo.Roots()
	if err != nil {
		return err
	}
	packs, err := c.repo.Packs()
	if err != nil || load(packs, roots) == c.record.Load {
		return err
	}
	return m.weigh(ctx, c)
}

// load is a number for what there is to weigh: the same packs and tips have the same.
func load(packs []store.Pack, roots *store.Roots) uint64 {
	h := fnv.New64a()
	for _, p := range packs {
		fmt.Fprintln(h, p.Name)
	}
	for _, oid := range roots.All() {
		fmt.Fprintln(h, oid)
	}
	return h.Sum64()
}

// weigh finds out how much of a copy is used.
func (m *Maintainer) weigh(ctx context.Context, c *care) error {
	roots, err := c.repo.Roots()
	if err != nil {
		return err
	}
	tips, err := m.tipsOf(ctx, c.repo, roots)
	if err != nil {
		return err
	}
	packs, err := c.repo.Packs()
	if err != nil {
		return err
	}
	rec := c.record
	if rec.Used, err = m.cfg.Objects.Used(ctx, c.repo.Dir(), tips.all); err != nil {
		return err
	}
	rec.Bytes = 0
	for _, p := range packs {
		rec.Bytes += p.Bytes
	}
	rec.Load = load(packs, roots)
	m.remember(c, rec)
	return nil
}

// tips are what must stay readable of a copy.
type tips struct {
	all  []string
	live []string
}

// tips reads them. Of those that the live table does not have, a copy that was made anew may
// lack some, or what they lead to: what is not here cannot be lost. Where it is not known whether
// it is, nothing is done.
func (m *Maintainer) tips(ctx context.Context, r *store.Repo) (tips, error) {
	roots, err := r.Roots()
	if err != nil {
		return tips{}, err
	}
	return m.tipsOf(ctx, r, roots)
}

func (m *Maintainer) tipsOf(ctx context.Context, r *store.Repo, roots *store.Roots) (t tips, err error) {
	t.live = roots.Tips()
	if t.all = roots.All(); len(t.all) == len(t.live) {
		return t, nil
	}
	here, err := m.connected(ctx, r.Dir(), roots.Others, t.live)
	if err != nil {
		return t, err
	}
	t.all = append(slices.Clone(t.live), here...)
	slices.Sort(t.all)
	t.all = slices.Compact(t.all)
	return t, nil
}

// connected returns those tips that are here with all they lead to.
func (m *Maintainer) connected(ctx context.Context, dir string, some, whole []string) ([]string, error) {
	if len(some) == 0 {
		return nil, nil
	}
	switch err := m.cfg.Objects.Connected(ctx, dir, some, whole); {
	case err == nil:
		return some, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case !errors.Is(err, ErrAbsent):
		return nil, fmt.Errorf("find out which tips are here: %w", err)
	}
	if len(some) == 1 {
		return nil, nil
	}
	first, err := m.connected(ctx, dir, some[:len(some)/2], whole)
	if err != nil {
		return nil, err
	}
	second, err := m.connected(ctx, dir, some[len(some)/2:], whole)
	return append(slices.Clone(first), second...), err
}

// join makes one pack of those that are too many, and folds in what is loose.
func (m *Maintainer) join(ctx context.Context, c *care) error {
	r := c.repo
	s, err := m.surveyOf(r)
	if err != nil {
		return err
	}
	loose, err := r.Loose()
	if err != nil {
		return err
	}
	var names []string
	var size int64
	charted := false
	if objects, _ := s.sums(); len(s.packs) > bound(objects) {
		for _, p := range s.toJoin() {
			names, size, charted = append(names, p.name), size+p.bytes, charted || p.charted
		}
	}
	if len(names) == 0 && len(loose) == 0 {
		return nil
	}
	made, err := m.make(r, size, func(st *store.Staging) error {
		return m.cfg.Objects.Join(ctx, st, r.Dir(), names, loose)
	})
	if err != nil {
		return err
	}
	if err := r.DropLoose(loose); err != nil {
		return err
	}
	gone := without(names, made)
	m.joinedIn(r, gone, made)
	rec := c.record
	rec.Tended = m.cfg.Clock.Now()
	m.remember(c, rec)
	return m.replace(ctx, c, &departure{packs: gone}, charted)
}

// gather makes one pack of all that must stay, and has the others go.
func (m *Maintainer) gather(ctx context.Context, c *care) error {
	r := c.repo
	packs, loose, roots, err := m.standing(ctx, r)
	if err != nil {
		return err
	}
	t, err := m.tipsOf(ctx, r, roots)
	if err != nil || len(t.live) == 0 {
		return err
	}
	var names []string
	var size int64
	for _, p := range packs {
		names, size = append(names, p.Name), size+p.Bytes
	}
	made, err := m.make(r, size, func(st *store.Staging) error { return m.cfg.Objects.Gather(ctx, st, t.all) })
	if err != nil {
		return err
	}
	if err := m.proved(ctx, r, made, t.all, nil); err != nil {
		return fmt.Errorf("the new pack is not whole: %w", err)
	}
	m.gatheredIn(r, made, t.all)
	gone := without(names, made)
	if len(gone) == 0 {
		m.gathered(c, size) // all of it is needed, whatever was weighed before
		return nil
	}
	return m.replace(ctx, c, &departure{packs: gone, loose: loose, whole: t.all, proof: true}, true)
}

// gathered notes that a copy has what must stay, and nothing else, in so many bytes of packs.
func (m *Maintainer) gathered(c *care, bytes int64) {
	rec := c.record
	rec.Pruned = m.cfg.Clock.Now()
	rec.Tended, rec.Bytes, rec.Used = rec.Pruned, bytes, bytes
	m.remember(c, rec)
}

// standing is what there is of a copy at a moment at which nobody builds: packs that a run has
// brought for a table that it has not prepared yet are not among them.
func (m *Maintainer) standing(ctx context.Context, r *store.Repo) (packs []store.Pack, loose []string, roots *store.Roots, err error) {
	turn, cancel := context.WithTimeout(ctx, m.turn)
	defer cancel()
	still, err := r.Still(turn, func() (err error) {
		if roots, err = r.Roots(); err != nil {
			return err
		}
		if packs, err = r.Packs(); err != nil {
			return err
		}
		loose, err = r.Loose()
		return err
	})
	if err == nil && !still {
		err = errBusy
	}
	return packs, loose, roots, err
}

// make has packs made and moved in, and returns their names. size is about how many bytes they
// have.
func (m *Maintainer) make(r *store.Repo, size int64, work func(*store.Staging) error) (made []string, err error) {
	if err := m.cfg.Space.RoomFor(size); err != nil {
		return nil, err
	}
	st, err := m.cfg.Store.Stage(r)
	if st != nil {
		defer func() { err = errors.Join(err, st.Remove()) }()
	}
	if err != nil {
		return nil, err
	}
	if err := work(st); err != nil {
		return nil, err
	}
	if made, err = st.Packs(); err != nil {
		return nil, err
	}
	crashpoint.Hit(crashpoint.PacksMade)
	return made, st.Adopt()
}

// proved returns an error when the packs alone have not all that the tips lead to, as far as
// whole does not lead to it.
func (m *Maintainer) proved(ctx context.Context, r *store.Repo, packs, tips, whole []string) (err error) {
	view, err := m.cfg.Store.View(r, packs)
	if view != nil {
		defer func() { err = errors.Join(err, view.Remove()) }()
	}
	if err != nil {
		return err
	}
	return m.cfg.Objects.Connected(ctx, view.Dir(), tips, whole)
}

// replace has packs leave that others have taken the place of. Charts that name them, or what
// they alone have, are made anew first.
func (m *Maintainer) replace(ctx context.Context, c *care, d *departure, charted bool) error {
	crashpoint.Hit(crashpoint.PacksGathered)
	if len(d.packs) == 0 {
		return nil
	}
	c.repo.Supersede(d.packs)
	if charted && c.repo.HasMaps() {
		if err := m.chart(ctx, c.repo); err != nil {
			if ctx.Err() != nil {
				c.repo.Spare(d.packs)
				return err
			}
			if derr := c.repo.DropMaps(); derr != nil {
				c.repo.Spare(d.packs)
				return errors.Join(err, derr)
			}
			m.cfg.Log.Warn("a copy goes without what its readers find their way by", "repo", c.repo.Name(), "err", err)
		}
		d.after, d.waits = c.repo.Moment(), true
	}
	crashpoint.Hit(crashpoint.PacksMapped)
	d.since = m.cfg.Clock.Now()
	m.setLeaving(c, d)
	return nil
}

// chart makes the charts of a copy that is large, and deletes those of one that is not.
func (m *Maintainer) chart(ctx context.Context, r *store.Repo) (err error) {
	roots, err := r.Roots()
	if err != nil {
		return err
	}
	s, err := m.surveyOf(r)
	if err != nil {
		return err
	}
	if objects, _ := s.sums(); objects < large {
		return r.DropMaps()
	}
	scratch, err := m.cfg.Store.Scratch()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.cfg.Store.Drop(scratch)) }()
	c := Map{Tips: roots.Tips()}
	var most int64 = -1
	for _, p := range s.packs {
		c.Packs = append(c.Packs, p.name)
		if p.bytes > most {
			c.Preferred, most = p.name, p.bytes
		}
	}
	for _, ref := range roots.Live.Refs {
		if ref.Public() {
			c.Public = append(c.Public, ref.OID)
		}
	}
	if err := m.cfg.Objects.Map(ctx, r.Dir(), scratch, c); err != nil {
		return errors.Join(fmt.Errorf("chart it: %w", err), r.SweepCharts())
	}
	crashpoint.Hit(crashpoint.ChartsMade)
	return nil
}

func without[T comparable](some, others []T) []T {
	return slices.DeleteFunc(slices.Clone(some), func(s T) bool { return slices.Contains(others, s) })
}
