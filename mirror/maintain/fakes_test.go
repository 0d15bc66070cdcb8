package maintain

import (
	"context"
	"strings"

	"gitmirror/mirror/store"
)

// held are objects whose packs are never done with.
type held struct {
	Objects
	begun chan struct{}
}

func (h held) Join(ctx context.Context, _ *store.Staging, _ string, _, _ []string) error {
	close(h.begun)
	<-ctx.Done()
	return ctx.Err()
}

// broken are objects that cannot be packed.
type broken struct{ Objects }

func (broken) Join(context.Context, *store.Staging, string, []string, []string) error {
	return errMemory
}

// during has something else happen while a copy is gathered.
type during struct {
	Objects
	meanwhile func()
}

func (d during) Gather(ctx context.Context, st *store.Staging, tips []string) error {
	d.meanwhile()
	return d.Objects.Gather(ctx, st, tips)
}

// unproved are objects of which it cannot be found out whether what would be left is whole.
type unproved struct{ Objects }

func (u unproved) Connected(ctx context.Context, dir string, tips, whole []string) error {
	if strings.Contains(dir, "/staging/") && len(whole) > 0 {
		return errMemory
	}
	return u.Objects.Connected(ctx, dir, tips, whole)
}
