package agent

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// group is a raft group as the agent sees it.
type group struct {
	mu     sync.Mutex
	led    bool
	behind error // of CatchUp
}

func (g *group) Led() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.led
}

func (g *group) CatchUp(context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.behind
}

func (g *group) set(led bool, behind error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.led, g.behind = led, behind
}

// A node that hears of no leader for a while does not ask upstreams, until it does, and has
// learned what it missed.
func TestANodeWithoutALeaderIsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		g := &group{}
		w.agent.cfg.Leader = g
		go func() { _ = w.agent.heed(t.Context()) }()
		for _, step := range []struct {
			led    bool
			behind error
			after  time.Duration
			alone  bool
		}{
			{led: true, after: time.Minute},
			{led: false, after: aloneAfter - 2*aloneTick}, // an election
			{led: true, after: 2 * aloneTick},
			{led: false, after: aloneAfter - 2*aloneTick},
			{led: false, after: 4 * aloneTick, alone: true},
			{led: false, after: time.Hour, alone: true},
			{led: true, behind: context.DeadlineExceeded, after: time.Minute, alone: true},
			{led: true, after: 2 * aloneTick},
		} {
			was, turns := w.agent.Alone()
			g.set(step.led, step.behind)
			time.Sleep(step.after)
			synctest.Wait()
			if w.disk.isAlone() != step.alone {
				t.Fatalf("%+v: the mirror is told %v", step, !step.alone)
			}
			turned := false
			select {
			case <-turns:
				turned = true
			default:
			}
			if is, _ := w.agent.Alone(); is != step.alone || turned != (was != is) {
				t.Fatalf("%+v: others are told %v, turned %v", step, is, turned)
			}
		}
	})
}
