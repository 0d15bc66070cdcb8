package lister

import (
	"context"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm"
	"gitmirror/fsm/command"
	"gitmirror/internal/oneline"
	"gitmirror/source/forge/client"
)

// How often the table is told how far a listing has come: most are over before the first time.
const (
	firstCourse = 2 * time.Second
	nextCourse  = 10 * time.Second
)

// course is how far a listing has come. A nil one is of nothing.
type course struct {
	mu     sync.Mutex
	began  time.Time
	forge  client.Progress
	claims int // that were added, changed or taken
	told   *command.Course
	waits  chan struct{} // something is waited for from now on: the forge's limit, or that it does better
	over   context.CancelFunc
	ended  chan struct{} // nothing is told any more
}

func newCourse() *course { return &course{began: time.Now(), waits: make(chan struct{}, 1)} }

func (c *course) changed(n int) {
	if c != nil {
		c.mu.Lock()
		c.claims += n
		c.mu.Unlock()
	}
}

// progress notes what a client tells.
func (c *course) progress(p client.Progress) {
	c.mu.Lock()
	began := c.forge.Until.IsZero() && !p.Until.IsZero() || c.forge.Trouble == "" && p.Trouble != ""
	c.forge = p
	c.mu.Unlock()
	if began {
		select {
		case c.waits <- struct{}{}:
		default:
		}
	}
}

// end has nothing told any more. It blocks for what is being told.
func (c *course) end() {
	if c != nil && c.over != nil {
		c.over()
		<-c.ended
	}
}

// now is what the table is to be told; nil where that is what it was told, but for the time.
func (c *course) now() *command.Course {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := &command.Course{Pages: uint32(c.forge.Pages), Found: uint32(c.forge.Repos), Changed: uint32(c.claims), Trouble: oneline.Clip(c.forge.Trouble, 300)}
	if !c.forge.Until.IsZero() {
		next.RestMs = max(time.Until(c.forge.Until).Milliseconds(), 1)
	}
	if was := c.told; was != nil && was.GetPages() == next.GetPages() && was.GetFound() == next.GetFound() && was.GetChanged() == next.GetChanged() && was.GetTrouble() == next.GetTrouble() && (was.GetRestMs() > 0) == (next.GetRestMs() > 0) {
		return nil
	}
	c.told = proto.Clone(next).(*command.Course)
	next.RanMs = time.Since(c.began).Milliseconds()
	return next
}

// ends has the table told that this node lists nothing of a source, where it says otherwise: an earlier run of the
// node said so, or a listing of this one came to nothing. It is for who knows that none is under way here. It returns
// how long until it wants to try again; 0 where it is done.
func (l *Lister) ends(ctx context.Context, view *fsm.View, t target) (next time.Duration) {
	if n := view.NodeByID(l.cfg.Self); n == nil || t.src.Told() != n.Num || t.src.Removing {
		return 0
	}
	if err := l.propose(ctx, t, &command.Listing{Course: &command.Course{}}); err != nil {
		l.log.Debug("that nothing is listed is not written down", "source", t.src.Name, "err", err)
		return stumble
	}
	return 0
}

// telling has the table told how far a listing has come, until what it returns is called, or the listing is
// said to be done.
func (l *Lister) telling(ctx context.Context, t target) (end func()) {
	ctx, t.course.over = context.WithCancel(ctx)
	t.course.ended = make(chan struct{})
	go func() {
		defer close(t.course.ended)
		timer := time.NewTimer(firstCourse)
		defer timer.Stop()
		for {
			select {
			case <-timer.C:
			case <-t.course.waits:
			case <-ctx.Done():
				return
			}
			if !l.cfg.State.View().KnowsCourse() {
				return
			}
			if now := t.course.now(); now != nil && ctx.Err() == nil {
				if err := l.propose(ctx, t, &command.Listing{Course: now}); err != nil {
					l.log.Debug("how far a listing has come is not written down", "source", t.src.Name, "err", err)
				}
			}
			timer.Reset(nextCourse)
		}
	}()
	return t.course.end
}
