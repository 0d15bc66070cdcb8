package mirror

import (
	"context"
	"fmt"
	"sync"
)

// proveAll tests at start what is on the disk: that the tips of each table are
// there.
func (p *prover) proveAll(ctx context.Context) {
	var tests sync.WaitGroup
	defer tests.Wait()
	for _, r := range p.store.Repos() {
		if ctx.Err() != nil {
			return
		}
		if p.running.Acquire(ctx, 1) != nil { // one waits, not all
			return
		}
		p.running.Release(1)
		tests.Go(func() {
			p.reindex(ctx, r)
			p.prove(ctx, r, p.tipsThere)
		})
	}
}

// tipsThere returns an error when a tip is missing. That git could not be asked
// says nothing of the copy.
func (p *prover) tipsThere(ctx context.Context, dir string, oids []string) error {
	missing, err := p.objects.Absent(ctx, dir, oids)
	if err == nil && len(missing) > 0 {
		return fmt.Errorf("%d objects that its refs name are missing, %s the first of them", len(missing), missing[0])
	}
	return nil
}
