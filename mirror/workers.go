package mirror

import (
	"context"
	"sync"
)

// workers are goroutines that come and go while the engine runs. The zero workers take
// none.
type workers struct {
	mu    sync.Mutex
	ctx   context.Context // of the engine, nil before it runs
	group sync.WaitGroup
}

func (w *workers) begin(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ctx = ctx
}

// Go runs f, unless the engine does not.
func (w *workers) Go(f func(ctx context.Context)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ctx := w.ctx; ctx != nil && ctx.Err() == nil {
		w.group.Go(func() { f(ctx) })
	}
}

// Wait returns when all have ended.
func (w *workers) Wait() { w.group.Wait() }
