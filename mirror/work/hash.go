package work

import (
	"encoding/binary"
	"hash/maphash"

	"gitmirror/mirror/refs"
)

// Hash is equal for equal assignments, and hardly ever for others.
func (a *Assignment) Hash(seed maphash.Seed) uint64 {
	h := hasher{}
	h.SetSeed(seed)
	h.words(a.ID, a.Name, string(a.Role), string(a.Head))
	h.list(a.URLs)
	a.Policy.Hash(&h.Hash)
	h.numbers(uint64(a.Refs), uint64(a.Fallback), a.Epoch, a.Generation, a.Word)
	h.yes(a.Remembers, a.Paused, a.Approved != nil)
	h.digests(a.Digest, a.PublicDigest)
	h.generations(a.Base)
	h.numbers(uint64(len(a.Lost)), uint64(len(a.Pins)), uint64(len(a.Released)))
	h.generations(a.Lost...)
	for _, p := range a.Pins {
		h.words(p.Ref, p.OID)
	}
	for _, r := range a.Released {
		h.words(r.Ref, r.OID)
		if h.yes(r.Upstream != nil); r.Upstream != nil {
			h.words(*r.Upstream)
		}
	}
	if p := a.Approved; p != nil {
		h.digests(p.Observed, p.Losses)
		h.numbers(uint64(p.Count), uint64(len(p.First)))
		for _, c := range p.First {
			h.words(c.Ref, c.Old, c.New, string(c.Kind))
		}
	}
	return h.Sum64()
}

// hasher takes values so that no two sequences of them look alike.
type hasher struct{ maphash.Hash }

func (h *hasher) words(list ...string) {
	for _, s := range list {
		h.numbers(uint64(len(s)))
		_, _ = h.WriteString(s)
	}
}

func (h *hasher) list(list []string) {
	h.numbers(uint64(len(list)))
	h.words(list...)
}

func (h *hasher) numbers(list ...uint64) {
	var b [8]byte
	for _, n := range list {
		binary.LittleEndian.PutUint64(b[:], n)
		_, _ = h.Write(b[:])
	}
}

func (h *hasher) yes(list ...bool) {
	for _, b := range list {
		if b {
			_ = h.WriteByte(1)
		} else {
			_ = h.WriteByte(0)
		}
	}
}

func (h *hasher) digests(list ...refs.Digest) {
	for _, d := range list {
		_, _ = h.Write(d[:])
	}
}

func (h *hasher) generations(list ...Generation) {
	for _, g := range list {
		h.numbers(g.Number)
		h.digests(g.Digest)
	}
}
