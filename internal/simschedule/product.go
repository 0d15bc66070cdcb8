package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"gitmirror/internal/clock"
	"gitmirror/mirror/rhythm"
	"gitmirror/mirror/schedule"
	"gitmirror/mirror/work"
)

// host has all of them: a budget is of one.
const host = "upstream.example.org"

// simulation is what the scheduler works on: runs take no time, and find what the trace has.
type simulation struct {
	trace *trace
	clock *clock.Manual

	mu   sync.Mutex
	seen seen
	last map[string]float64 // when each was asked
}

// product has the product's scheduler follow a trace.
func product(t *trace, budget time.Duration) (*seen, error) {
	up := &simulation{trace: t, clock: clock.NewManual(t.begin), last: map[string]float64{}, seen: seen{counted: t.counted}}
	cfg := schedule.Config{
		Clock: up.clock, Runner: up, Rows: up, Disk: up, Memory: up, Changed: func(string) {},
		Checks: len(t.repos), ChecksPerHost: len(t.repos), Fetches: 1, FetchesPerHost: 1, Copies: 1,
	}
	if budget > 0 {
		cfg.Rate = func(string) float64 { return float64(len(t.repos)) / budget.Seconds() }
	}
	s := schedule.New(cfg)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { _ = s.Run(ctx) }()
	for i := range t.repos {
		a, _ := up.Assignment(fmt.Sprint(i))
		s.Assign(a)
	}
	for {
		for s.Running() > 0 {
			runtime.Gosched()
		}
		next, ok := up.clock.Next()
		switch {
		case ok && next.After(t.end):
			up.end()
			return &up.seen, nil
		case ok:
			up.clock.Advance(next.Sub(up.clock.Now()))
		default:
			runtime.Gosched() // it has not begun
		}
	}
}

// end notices what nobody has when the trace ends.
func (u *simulation) end() {
	for i, h := range u.trace.repos {
		u.seen.notice(h[h.after(u.last[fmt.Sprint(i)]):], u.trace.length())
	}
}

func (u *simulation) history(id string) history {
	var i int
	_, _ = fmt.Sscan(id, &i)
	return u.trace.repos[i]
}

func (u *simulation) Run(_ context.Context, t work.Task) work.Result {
	now := u.clock.Now()
	out := work.Result{Checked: true, CheckedAt: now, Judged: true}
	if !t.Ask {
		return work.Result{}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	h, at := u.history(t.ID), now.Sub(u.trace.begin).Seconds()
	news := u.seen.poll(h, u.last[t.ID], at)
	u.last[t.ID] = at
	out.Changed = len(news) > 0
	if t.Learn {
		news = h[h.after(at-rhythm.Window.Seconds()):h.after(at)]
		out.Learned = true
	}
	for _, c := range news {
		out.Commits = append(out.Commits, u.trace.begin.Add(time.Duration(c*float64(time.Second))))
	}
	return out
}

func (u *simulation) Assignment(id string) (work.Assignment, bool) {
	return work.Assignment{ID: id, Name: id, URLs: []string{"https://" + host + "/" + id}, Role: work.Owner, Epoch: 1, Generation: 1}, true
}

func (u *simulation) Held(string) schedule.Held {
	return schedule.Held{Any: true, Generation: 1}
}

func (u *simulation) Due(string) (work.Due, bool) { return work.Due{}, false }
func (u *simulation) Remember(string, work.Due)   {}
func (u *simulation) Forget(string)               {}
