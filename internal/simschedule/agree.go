package main

import (
	"context"
	"errors"
	"fmt"

	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"gitmirror/internal/clock"
	"gitmirror/internal/egress"
	"gitmirror/internal/policy"
	"gitmirror/internal/upstream"
	"gitmirror/mirror"
	"gitmirror/mirror/git"
	"gitmirror/mirror/refs"
)

// settling is what is left out of the beginning: all are cloned then, which takes no time where it
// is foreseen, and much on a clock that is fast.
const settling = 2 * time.Hour

// agent is what the mirror calls itself, by which its checks are told from what git asks.
const agent = "gitmirror/agree"

// agree foresees how late the changes of n repositories are noticed, has them really pushed and
// mirrored, and prints both.
func agree(file string, over time.Duration, n int, speed float64) error {
	all, err := load(file, over)
	if err != nil {
		return err
	}
	t := all.busiest(n)
	t.counted = settling.Seconds()
	foreseen, err := product(t, 0)
	if err != nil {
		return err
	}
	fmt.Printf("%d repositories, %d changes in %s, %.0f times as fast: %s\n", len(t.repos), t.changes(), over, speed, time.Duration(float64(over)/speed).Round(time.Second))
	real, err := mirrored(t, speed)
	if err != nil {
		return err
	}
	for _, s := range []named{{"foreseen", foreseen}, {"seen", real}} {
		fmt.Printf("  %-10s mean %7.1fs   p50 %7.1fs   p95 %7.1fs   stale %6.2f%%   %6d polls, %5d changes\n", s.name, s.seen.mean(), s.seen.quantile(0.5), s.seen.quantile(0.95), 100*s.seen.stale(t), s.seen.polls, len(s.seen.delays))
	}
	fmt.Printf("  the mean is %+.1f %% of what is foreseen\n", 100*(real.mean()/foreseen.mean()-1))
	return nil
}

// fast is a clock that goes speed times as fast as time, from a moment on.
type fast struct {
	began, from time.Time
	speed       float64
}

func (f *fast) Now() time.Time {
	return f.from.Add(time.Duration(float64(time.Since(f.began)) * f.speed))
}

func (f *fast) AfterFunc(d time.Duration, do func()) clock.Timer {
	return timer{time.AfterFunc(f.real(d), do), f}
}

func (f *fast) real(d time.Duration) time.Duration { return time.Duration(float64(d) / f.speed) }

type timer struct {
	*time.Timer
	clock *fast
}

func (t timer) Reset(d time.Duration) bool { return t.Timer.Reset(t.clock.real(d)) }

// ledger is who publishes for the one node, and what it has published.
type ledger struct {
	mu     sync.Mutex
	rows   map[string]mirror.Assignment
	engine *mirror.Engine
}

func (l *ledger) Publish(_ context.Context, c mirror.Candidate) (mirror.CommitStatus, error) {
	l.mu.Lock()
	row := l.rows[c.Repo]
	row.Generation, row.Digest, row.PublicDigest, row.Refs, row.Head, row.Base = c.Generation, c.Digest, c.PublicDigest, c.Refs, c.Head, c.Base
	l.rows[c.Repo] = row
	l.mu.Unlock()
	go l.engine.Assign(row)
	return mirror.Committed, nil
}

func (l *ledger) Assignment(id string) (mirror.Assignment, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	row, ok := l.rows[id]
	return row, ok
}

func (l *ledger) For(string) mirror.Holders           { return mirror.Holders{} }
func (l *ledger) Logged(string) ([]refs.Change, bool) { return nil, false }

// mirrored has an engine mirror the repositories of a trace while somebody pushes to them.
func mirrored(t *trace, speed float64) (*seen, error) {
	dir, err := os.MkdirTemp("", "gitmirror-agree-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	up, err := upstream.Serve(filepath.Join(dir, "upstream"), "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer up.Close()
	repos := make([]*upstream.Repo, len(t.repos))
	for i, h := range t.repos {
		if repos[i], err = up.Repo(fmt.Sprintf("repo%d.git", i)); err != nil {
			return nil, err
		}
		if err := push(repos[i], t, h[:h.after(0)]); err != nil {
			return nil, err
		}
	}

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	runner, err := git.New(ctx, git.Config{Home: filepath.Join(dir, "home")})
	if err != nil {
		return nil, err
	}
	allowed, err := egress.NewPolicy([]string{"127.0.0.0/8"})
	if err != nil {
		return nil, err
	}
	now := &fast{began: time.Now(), from: t.begin, speed: speed}
	l := &ledger{rows: map[string]mirror.Assignment{}}
	if l.engine, err = mirror.New(ctx, mirror.Config{
		Dir: filepath.Join(dir, "node"), StartID: "agree", Git: runner, Egress: allowed, Publisher: l, Locator: l, Rows: l,
		Changed: func(string) {}, Agent: agent, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})), Clock: now,
	}); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- l.engine.Run(ctx) }()
	now.began = time.Now()
	for i := range repos {
		id := fmt.Sprintf("repo%d", i)
		row := mirror.Assignment{ID: id, Name: id, URLs: []string{up.URL(id + ".git")}, Role: mirror.Owner, Epoch: 1, Policy: policy.Policy{Replicas: 1, RefPrefixes: []string{"refs/heads/"}}}
		l.mu.Lock()
		l.rows[id] = row
		l.mu.Unlock()
		l.engine.Assign(row)
	}
	pushed, err := pushes(repos, t, now)
	for id := range l.rows {
		if s, _ := l.engine.Status(id); s.Generation == 0 || s.Failure != nil {
			err = errors.Join(err, fmt.Errorf("%s is at generation %d: %v", id, s.Generation, s.Failure))
		}
	}
	stop()
	if err := <-ended; err != nil {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	return witnessed(up, t, now, pushed), nil
}

// pushes makes the changes of a trace when they are to be, until it ends, and returns when each
// was made.
func pushes(repos []*upstream.Repo, t *trace, now *fast) ([]history, error) {
	pushed := make([]history, len(repos))
	failed := make(chan error, len(repos))
	var all sync.WaitGroup
	for i, h := range t.repos {
		all.Go(func() {
			for _, at := range h[h.after(0):] {
				time.Sleep(now.real(t.begin.Add(time.Duration(at * float64(time.Second))).Sub(now.Now())))
				if err := push(repos[i], t, history{at}); err != nil {
					failed <- err
					return
				}
				pushed[i] = append(pushed[i], now.Now().Sub(t.begin).Seconds())
			}
		})
	}
	all.Wait()
	time.Sleep(now.real(t.end.Sub(now.Now())))
	select {
	case err := <-failed:
		return nil, err
	default:
		return pushed, nil
	}
}

// push commits at the times of some changes.
func push(r *upstream.Repo, t *trace, changes history) error {
	return r.Edit(func(e *upstream.Edit) {
		for _, at := range changes {
			e.At(t.begin.Add(time.Duration(at * float64(time.Second))))
			e.Commit("main", "change", map[string]string{"at": fmt.Sprint(at)})
		}
	})
}

// witnessed is what the checks have noticed that upstream was asked for.
func witnessed(up *upstream.Server, t *trace, now *fast, pushed []history) *seen {
	s := &seen{counted: t.counted}
	last := make([]float64, len(pushed))
	for _, r := range up.Requests() {
		var i int
		if _, err := fmt.Sscanf(r.Repo, "repo%d.git", &i); err != nil || r.Kind != upstream.KindCheck || !strings.HasSuffix(r.Agent, agent) {
			continue
		}
		at := now.from.Add(time.Duration(float64(r.At.Sub(now.began)) * now.speed)).Sub(t.begin).Seconds()
		s.poll(pushed[i], last[i], at)
		last[i] = at
	}
	for i, h := range pushed {
		s.notice(h[h.after(last[i]):], t.length())
	}
	return s
}
