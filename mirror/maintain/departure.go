package maintain

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gitmirror/mirror/store"
)

// departure is packs of a copy that are to go. Those who read by an older chart, which names
// them, are waited for first; then nobody may be building, while what would be left is
// proved. Both may last, and nothing else waits for it.
type departure struct {
	packs []string
	loose []string
	after store.Moment // of readers that have the older chart, where waits
	waits bool
	proof bool     // they have what others lack: what is left has to be proved
	whole []string // tips that are known to be whole without them
	since time.Time
	job   Job  // that has replaced them
	asked bool // by somebody
	took  time.Duration
}

const (
	// departFor is how long a departure may take. What is to go then goes the next time.
	departFor = 6 * time.Hour
	// departEvery is how long it takes until one is tried again.
	departEvery = 2 * time.Second
	// turnFor is how long those who build are waited for at a time: others of the copy wait too.
	turnFor = 10 * time.Second
	// proofFor is how long a proof may keep those who build waiting.
	proofFor = time.Minute
)

// errAwaited says that packs could not go within departFor.
var errAwaited = errors.New("those who read or fetch were waited for in vain")

// depart goes on with the departures, and buries what is hidden.
func (m *Maintainer) depart(ctx context.Context) {
	for _, c := range m.all() {
		if ctx.Err() != nil {
			return
		}
		if c.leaving != nil || c.hidden > 0 {
			m.departOne(ctx, c)
		}
	}
}

func (m *Maintainer) departOne(ctx context.Context, c *care) {
	if d := c.leaving; d != nil {
		done, err := m.goOn(ctx, c, d)
		if err == nil && !done && m.cfg.Clock.Now().Sub(d.since) > departFor {
			err = errAwaited
		}
		if err != nil {
			c.repo.Spare(d.packs)
			err = fmt.Errorf("packs stay that are of no use: %w", err)
		}
		if done || err != nil {
			m.ended(ctx, c, d.job, d.took, err)
			if putOff(err) && d.asked {
				m.want(c, d.job)
			}
			m.setLeaving(c, nil)
		}
	}
	left, freed, err := c.repo.Bury()
	c.hidden = left
	if freed > 0 {
		m.cfg.Meter.Freed(freed)
	}
	if err != nil {
		m.cfg.Log.Warn("packs that are of no use cannot be deleted", "repo", c.repo.Name(), "left", left, "err", err)
	}
}

func (m *Maintainer) setLeaving(c *care, d *departure) {
	m.mu.Lock()
	c.leaving, c.surveyed = d, false
	m.mu.Unlock()
	m.changed(c)
}

// goOn takes a departure as far as it can be taken now.
func (m *Maintainer) goOn(ctx context.Context, c *care, d *departure) (done bool, err error) {
	r := c.repo
	if d.waits && r.ReadSince(d.after) {
		return false, nil
	}
	release, err := r.Acquire()
	if err != nil {
		return true, nil // it has left this node
	}
	defer release()
	if !d.proof {
		return true, r.Hide(d.packs)
	}
	turn, cancel := context.WithTimeout(ctx, m.turn)
	defer cancel()
	return r.Still(turn, func() error {
		ctx, cancel := context.WithTimeout(ctx, proofFor)
		defer cancel()
		return m.leave(ctx, c, d)
	})
}

// leave proves that what is left has all that must stay, and then has the rest go. Nobody
// builds meanwhile: no table comes that needs more.
func (m *Maintainer) leave(ctx context.Context, c *care, d *departure) error {
	r := c.repo
	t, err := m.tips(ctx, r)
	if err != nil {
		return err
	}
	packs, err := r.Packs()
	if err != nil {
		return err
	}
	var stay []string
	var bytes int64
	for _, p := range packs {
		stay, bytes = append(stay, p.Name), bytes+p.Bytes
	}
	if err := m.proved(ctx, r, stay, t.all, d.whole); errors.Is(err, ErrAbsent) && len(without(t.all, d.whole)) > 0 {
		return fmt.Errorf("%w: %w", errNeeded, err)
	} else if err != nil {
		return fmt.Errorf("without them it would not be whole: %w", err)
	}
	if err := r.Hide(d.packs); err != nil {
		return err
	}
	if err := r.DropLoose(d.loose); err != nil {
		return err
	}
	m.gathered(c, bytes)
	return nil
}
