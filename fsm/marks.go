package fsm

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/bits"

	"gitmirror/fsm/snapshot"
)

// Machines that applied the same log have the same table. Whether they do is
// seen without sending it: each remembers the digest of its table at certain
// indexes, its marks, and those of two machines at one index must be equal.

const (
	// MarkEvery is the distance of marks in the log.
	MarkEvery = 1000
	// MarksKept is how many are remembered.
	MarksKept = 16
)

// Mark is the digest of the table after every command with an index up to
// Index, a multiple of MarkEvery. It is known as soon as a command with that
// index or a later one has been applied, and part of snapshots.
type Mark struct {
	Index  uint64
	Digest TableDigest
}

// TableDigest is a digest of everything in the table but events and remembered
// requests, of which it only covers how many events there were.
type TableDigest [16]byte

// String is the digest in hex.
func (d TableDigest) String() string { return hex.EncodeToString(d[:]) }

// Marks are the latest marks, oldest first.
func (v *View) Marks() []Mark { return v.tables.marks }

// Digest is the digest of the table as it is.
func (v *View) Digest() TableDigest { return v.tables.digest() }

// markBefore sets the marks between the last command and the next, at index:
// nothing has changed up to them.
func (t *tables) markBefore(index uint64) {
	next := t.index - t.index%MarkEvery + MarkEvery
	if next >= index {
		return
	}
	digest := t.digest()
	last := (index - 1) - (index-1)%MarkEvery
	if span := uint64((MarksKept - 1) * MarkEvery); last-next > span {
		next = last - span
	}
	for ; next <= last; next += MarkEvery {
		t.mark(Mark{Index: next, Digest: digest})
	}
}

// markAt sets the mark of the command that was just applied, if it has one.
func (t *tables) markAt(index uint64) {
	if index%MarkEvery == 0 {
		t.mark(Mark{Index: index, Digest: t.digest()})
	}
}

func (t *tables) mark(m Mark) {
	t.marks = append(t.marks[max(0, len(t.marks)+1-MarksKept):], m) // views share the old ones, which stay as they are
}

// digest adds to the sums of the rows, those in the trash and the claims too, what is little enough to
// be summed up each time.
func (t *tables) digest() TableDigest {
	total := t.rows.plus(t.trash.sum).plus(t.sources.sum()).plus(t.claims.sum).plus(sumOf(marshal(nil, metaRecord(t))))
	for _, n := range t.nodes.sorted {
		total = total.plus(sumOf(marshal(nil, nodeRecord(n))))
	}
	var d TableDigest
	binary.BigEndian.PutUint64(d[:], total.high)
	binary.BigEndian.PutUint64(d[8:], total.low)
	return d
}

// sum is a number of 128 bits. The sum of a set of hashes does not depend on
// their order, and follows a change of one by a subtraction and an addition.
type sum struct{ high, low uint64 }

func (s sum) plus(o sum) sum {
	low, carry := bits.Add64(s.low, o.low, 0)
	high, _ := bits.Add64(s.high, o.high, carry)
	return sum{high, low}
}

func (s sum) minus(o sum) sum {
	low, borrow := bits.Sub64(s.low, o.low, 0)
	high, _ := bits.Sub64(s.high, o.high, borrow)
	return sum{high, low}
}

// sumOfRow hashes a row as snapshots write it, with its policy in the place of
// the policy's number there. The row is not remembered with its hash: one that
// was changed where it must not be leaves a trace in the sum.
func sumOfRow(r *Repo) sum {
	var buf [1024]byte
	return sumOf(append(appendRepo(buf[:0], r, 0), r.Policy.record...))
}

func sumOf(b []byte) sum {
	h := sha256.Sum256(b)
	return sum{binary.BigEndian.Uint64(h[:]), binary.BigEndian.Uint64(h[8:])}
}

func markRecords(marks []Mark) []*snapshot.Mark {
	list := make([]*snapshot.Mark, len(marks))
	for i, m := range marks {
		list[i] = &snapshot.Mark{Index: m.Index, Digest: m.Digest[:]}
	}
	return list
}
