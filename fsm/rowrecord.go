package fsm

import (
	"fmt"
	"maps"
	"slices"

	"github.com/tidwall/btree"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/snapshot"
	"gitmirror/internal/asciifold"
)

var repoPart = part{
	name: "repos",
	// Each policy comes before the first row that has it.
	write: func(c *Capture, w *recordWriter) {
		policies, rows := map[*Policy]uint32{}, 0
		defer func() { // a snapshot that nobody can read is worse than none: the log is cut off behind it
			if all := c.view.tables.byID.Len(); w.err == nil && rows != all {
				w.err = fmt.Errorf("%d rows of %d have a name of their own", rows, all)
			}
		}()
		c.view.tables.byName.Scan(func(row *Repo) bool {
			rows++
			if policies[row.Policy] == 0 {
				policies[row.Policy] = uint32(len(policies) + 1)
				w.write(policyRecord(policies[row.Policy], row.Policy.Policy))
			}
			w.repo(row, policies[row.Policy])
			return w.err == nil
		})
	},
	read:    reads((*snapshot.Record).GetPolicy, (*builder).addPolicy), // rows have a way of their own, see builder.add
	count:   func(t *tables, _ *btree.BTreeG[*request]) int { return t.byID.Len() },
	counted: func(end *snapshot.End) *uint64 { return &end.Repos },
}

// Rows are encoded by hand: each change of one is summed up, and there may be a million to
// write down, which takes a quarter of the time that reflection takes. A test compares the
// bytes with those of the generated code, whose deterministic form this is.

// appendRepo appends the record of a row.
func appendRepo(b []byte, r *Repo, policy uint32) []byte {
	var buf [512]byte
	w := wire(buf[:0])
	w.text(1, r.ID)
	w.text(2, r.Name)
	w.urls(3, 4, r)
	w.number(5, uint64(policy))
	if len(r.Labels) > 0 {
		w.labels(6, r.Labels)
	}
	w.flag(8, r.Removed)
	w.number(9, uint64(r.Owner))
	w.number(10, r.Epoch)
	w.number(11, r.Generation)
	w.digest(12, r.Digest)
	w.digest(13, r.RefsDigest)
	w.number(14, uint64(r.Refs))
	w.text(15, r.Head())
	w.text(16, r.candidate)
	if r.Error != nil {
		w.message(17, failureRecord(r.Error))
	}
	if r.Hold != nil {
		w.message(18, holdRecord(r.Hold))
	}
	for _, c := range r.Copies {
		w.copy(19, c)
	}
	w.number(20, uint64(r.addedMS))
	w.number(21, uint64(r.changedMS))
	w.number(22, r.Version)
	w.number(23, r.baseNumber)
	w.digest(24, r.baseDigest)
	w.number(25, r.event)
	for _, g := range r.Lost {
		w.message(26, &snapshot.Generation{Number: g.Number, Digest: digestBytes(g.Digest)})
	}
	if r.Approved != nil {
		w.message(27, approvalRecord(r.Approved))
	}
	for _, p := range r.Pins {
		w.message(28, &snapshot.Pin{Ref: p.Ref, Oid: p.OID})
	}
	for _, rel := range r.Released {
		w.message(29, releaseRecord(rel))
	}
	for _, a := range r.Aliases {
		w.item(30, a)
	}
	w.flag(31, r.Paused)
	if m := r.Moved; m != nil {
		w.message(32, &snapshot.Moved{From: m.From, To: m.To, SinceMs: toMS(m.Since)})
	}
	if f := r.Fallback; f != nil {
		w.message(33, &snapshot.Fallback{Url: f.URL, SinceMs: toMS(f.Since)})
	}
	if r.Sourced != nil {
		w.message(34, sourcedRecord(r.Sourced))
	}
	w.text(35, r.came)
	w.number(36, r.cameAt)
	b = protowire.AppendTag(b, 4, protowire.BytesType) // Record.repo
	return protowire.AppendBytes(b, w)
}

// wire is a message in the making. What has its default is not written, but for items of
// lists.
type wire []byte

func (w *wire) item(n protowire.Number, s string) {
	*w = protowire.AppendString(protowire.AppendTag(*w, n, protowire.BytesType), s)
}

func (w *wire) bytes(n protowire.Number, b []byte) {
	*w = protowire.AppendBytes(protowire.AppendTag(*w, n, protowire.BytesType), b)
}

func (w *wire) text(n protowire.Number, s string) {
	if s != "" {
		w.item(n, s)
	}
}

func (w *wire) number(n protowire.Number, v uint64) {
	if v != 0 {
		*w = protowire.AppendVarint(protowire.AppendTag(*w, n, protowire.VarintType), v)
	}
}

func (w *wire) flag(n protowire.Number, v bool) { w.number(n, protowire.EncodeBool(v)) }

func (w *wire) digest(n protowire.Number, d Digest) {
	if !d.IsZero() {
		w.bytes(n, d[:])
	}
}

// urls appends urls and keys. What the name says is spelt out here: most rows are such.
func (w *wire) urls(url, key protowire.Number, r *Repo) {
	if r.urlsFromName == urlsListed {
		for _, u := range r.urls {
			w.item(url, u)
		}
		for _, k := range r.urlKeys {
			w.item(key, k)
		}
		return
	}
	var buf [256]byte
	w.bytes(url, r.urlsFromName.append(buf[:0], r.Name))
	w.bytes(key, asciifold.Append(buf[:0], r.Name))
}

func (w *wire) labels(n protowire.Number, labels map[string]string) {
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		var label wire
		label.item(1, k)
		label.item(2, labels[k])
		w.bytes(n, label)
	}
}

func (w *wire) copy(n protowire.Number, c Copy) {
	var buf [40]byte
	one := wire(buf[:0])
	one.number(1, uint64(c.Node))
	one.text(2, c.State.String())
	one.number(3, c.Generation)
	w.bytes(n, one)
}

func (w *wire) message(n protowire.Number, m proto.Message) {
	w.bytes(n, marshal(nil, m))
}

// marshal appends the form that is the same wherever it is made.
func marshal(b []byte, m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(b, m)
	if err != nil {
		panic("fsm: " + err.Error()) // what was decoded can be encoded
	}
	return b
}

func holdRecord(h *Hold) *snapshot.Hold {
	return &snapshot.Hold{Reason: h.Reason, SinceMs: toMS(h.Since), Observed: digestBytes(h.Observed),
		Lost: h.Lost, Settled: h.Settled, First: h.First, Losses: digestBytes(h.Losses)}
}

func approvalRecord(a *Approval) *snapshot.Approval {
	return &snapshot.Approval{AtMs: toMS(a.At), Observed: digestBytes(a.Observed), Losses: digestBytes(a.Losses),
		Count: a.Count, First: a.First, Index: a.Index, Unpinned: a.Unpinned}
}

func releaseRecord(r Release) *snapshot.Release {
	return &snapshot.Release{Ref: r.Ref, Oid: r.OID, Upstream: r.Upstream, AtMs: toMS(r.At), Index: r.Index}
}
