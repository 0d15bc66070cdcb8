package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"gitmirror/internal/upstream"
)

// packs counts the packs of a copy that was synced many times, a push each, and those that there
// were meanwhile.
func (m *mirrors) packs(ctx context.Context) error {
	fmt.Printf("Packs after %d syncs of one repo, each of a push; a sync brings one\n", m.syncs)
	up, err := upstream.Serve(filepath.Join(m.dir, "pushed"), "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer up.Close()
	r, err := up.Repo("p")
	if err != nil {
		return err
	}
	push := func(i int) error {
		return r.Edit(func(e *upstream.Edit) {
			e.Commit("main", fmt.Sprint(i), map[string]string{fmt.Sprintf("d%d/f%d", i%9, i%97): fmt.Sprint(i)})
		})
	}
	if err := push(0); err != nil {
		return err
	}
	p, err := m.single(ctx, "packs")
	if err != nil {
		return err
	}
	defer p.Kill()
	if err := p.add(ctx, up.URL("p"), "p", "8h"); err != nil {
		return err
	}
	if err := p.ready(ctx, 1); err != nil {
		return err
	}
	most, now := 0, 0
	count := func() error {
		now, _, err = packsOf(filepath.Join(p.Dir, "repos"))
		most = max(most, now)
		return err
	}
	began := time.Now()
	before, err := p.cpu()
	if err != nil {
		return err
	}
	for i := range m.syncs {
		if err := push(i + 1); err != nil {
			return err
		}
		if _, err := p.client.Sync(ctx, "p", time.Minute); err != nil {
			return err
		}
		if err := count(); err != nil {
			return err
		}
	}
	took, atEnd := time.Since(began), now
	for range 90 { // it is looked for work once in some 70 s
		wait(ctx, time.Second)
		if err := count(); err != nil {
			return err
		}
	}
	after, err := p.cpu()
	if err != nil {
		return err
	}
	fmt.Printf("  %d syncs within %s, for %.1f s of CPU; most packs at a time %d, at the last sync %d, a minute and a half later %d\n",
		m.syncs, took.Round(time.Second), (after - before).Seconds(), most, atEnd, now)
	return ctx.Err()
}
