// Package detect finds out whether an upstream's refs have changed, for almost nothing:
// what it shows is hashed and compared. Only an answer that differs is parsed.
package detect

import (
	"context"
	"hash/maphash"

	"gitmirror/mirror/remote"
	"gitmirror/mirror/wire"
)

// Fingerprint identifies an answer, zero none. It means something only in this
// process, for the URL and prefixes it was got with: it is a keyed hash, which
// costs a fraction of a cryptographic one, and nobody outside can aim at.
type Fingerprint uint64

var seed = maphash.MakeSeed()

// Result is what a check found.
type Result struct {
	Fingerprint Fingerprint
	Unchanged   bool          // the fingerprint is the one given
	Advert      *wire.Advert  // nil when unchanged
	Remote      remote.Remote // what was asked: objects are to be fetched where it was found
	answer      *remote.Answer
}

// Release gives back what the budget of answers has for the Advert: it is not used any
// more.
func (r Result) Release() {
	if r.answer != nil {
		r.answer.Close()
	}
}

// Upstreams are what is asked.
type Upstreams interface {
	Open(url string) remote.Remote
	// Forget has the server of a URL learned anew.
	Forget(url string)
}

// Client checks upstreams. It is safe for concurrent use.
type Client struct {
	upstreams Upstreams
}

// New returns a Client.
func New(upstreams Upstreams) *Client { return &Client{upstreams} }

// Forget has the next check ask the URL itself, whatever was learned of it before.
func (c *Client) Forget(upstream string) { c.upstreams.Forget(upstream) }

// limits are what one upstream may show.
var limits = wire.Limits{Refs: 200_000, Bytes: 32 << 20}

// Check asks upstream for the refs under prefixes, and HEAD. last is the
// fingerprint of the answer the caller has dealt with, zero for none. Errors
// are *failure.Error.
func (c *Client) Check(ctx context.Context, upstream string, prefixes []string, last Fingerprint) (_ Result, err error) {
	res := Result{Remote: c.upstreams.Open(upstream)}
	answer, err := res.Remote.LsRefs(ctx, prefixes)
	if err != nil {
		return Result{}, err
	}
	defer func() {
		if res.answer == nil {
			answer.Close()
		}
	}()
	var h maphash.Hash
	h.SetSeed(seed)
	if _, err := answer.WriteTo(&h); err != nil {
		return Result{}, err
	}
	if res.Fingerprint = Fingerprint(h.Sum64() | 1); res.Fingerprint == last {
		res.Unchanged = true
		return res, nil
	}
	if res.Advert, err = answer.Parse(ctx, limits); err != nil {
		return Result{}, err
	}
	res.answer = answer
	return res, nil
}
