package sync

import (
	"context"
	"slices"

	"gitmirror/mirror/refs"
)

// Holder is a peer that holds a copy. Its calls end with ctx, and by themselves
// when the peer is silent.
type Holder interface {
	// Name is for people, and tells peers apart.
	Name() string
	// Generation is what the peer has, as it last reported.
	Generation() uint64
	// Table fetches the peer's live ref table if it is at least that
	// generation.
	Table(ctx context.Context, generation uint64) (*refs.Table, error)
	// Lost fetches the table of a lost generation that the peer has live or
	// keeps aside.
	Lost(ctx context.Context, generation uint64) (*refs.Table, error)
	// Past returns the file of what is remembered of a table, by its digest, or an
	// error that wraps ErrNoPast where the peer does not have it.
	Past(ctx context.Context, digest refs.Digest) ([]byte, error)
	// URL is where git fetches the peer's objects from.
	URL() string
	// Doubt tells the peer that what it sent is damaged: it looks at its copy
	// itself, and believes nobody.
	Doubt(ctx context.Context) error
}

// Locator tells who else holds copies, and what the log says of them. It does
// not block.
type Locator interface {
	For(repo string) Holders
	// Logged returns how the refs of the published generation's base became its
	// own, if the log still has all of it.
	Logged(repo string) ([]refs.Change, bool)
}

// Holders are the other nodes with a copy of a repository.
type Holders struct {
	Live     []Holder   // can be asked, the best first
	Expected []Expected // are down, but not for so long that they are given up
}

// Expected is a holder that may come back.
type Expected struct {
	Name       string
	Generation uint64
}

// may tells whether a holder of at least that generation is live or expected.
func (hs Holders) may(generation uint64) bool {
	return slices.ContainsFunc(hs.Live, func(h Holder) bool { return h.Generation() >= generation }) ||
		slices.ContainsFunc(hs.Expected, func(x Expected) bool { return x.Generation >= generation })
}
