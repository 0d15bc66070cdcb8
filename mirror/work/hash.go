package work

import "hash/maphash"

// Hash is equal for equal assignments, and hardly ever for others.
func (a *Assignment) Hash(seed maphash.Seed) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	put(&h, a.ID, a.Name, string(a.Role), string(a.Head))
	put(&h, a.URLs...)
	put(&h, a.Policy.Prefixes...)
	put(&h, a.Policy.Accept...)
	put(&h, int64(a.Policy.Interval), a.Policy.MaxSize, a.Policy.MaxObject, int64(a.Refs))
	put(&h, a.Epoch, a.Generation, a.Word)
	put(&h, a.Paused, a.Remembers, a.Approved != nil)
	put(&h, a.Digest, a.PublicDigest)
	put(&h, a.Base)
	put(&h, a.Lost...)
	put(&h, a.Pins...)
	for _, r := range a.Released {
		put(&h, r.Ref, r.OID)
		if put(&h, r.Upstream != nil); r.Upstream != nil {
			put(&h, *r.Upstream)
		}
	}
	if p := a.Approved; p != nil {
		put(&h, p.Observed, p.Losses)
		put(&h, p.Count)
		put(&h, p.First...)
	}
	return h.Sum64()
}

func put[T comparable](h *maphash.Hash, list ...T) {
	maphash.WriteComparable(h, len(list))
	for _, v := range list {
		maphash.WriteComparable(h, v)
	}
}
