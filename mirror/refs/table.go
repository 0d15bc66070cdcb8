// Package refs holds what one generation of a mirror shows: an immutable,
// sorted table of refs with HEAD, its digest, its file form and the
// difference between two of them. It touches no disk and trusts no name.
package refs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Private is the namespace of our own refs. Nothing in it is taken from an
// upstream, nothing in it is advertised to a client.
const Private = "refs/gitmirror/"

// Ref is one name and the object it points to.
type Ref struct {
	Name   string
	OID    string // hex
	Peeled string // what an annotated tag leads to in the end; empty otherwise
}

// Public tells whether clients see the ref.
func (r Ref) Public() bool { return !strings.HasPrefix(r.Name, Private) }

// Head is where HEAD is: "ref: refs/heads/main" (the target may be unborn), an
// object id when it is detached, or empty.
type Head string

// Symbolic returns the Head that points to a ref.
func Symbolic(target string) Head { return Head("ref: " + target) }

// Target is the ref HEAD points to, or "".
func (h Head) Target() string {
	t, ok := strings.CutPrefix(string(h), "ref: ")
	if !ok {
		return ""
	}
	return t
}

// Digest identifies the content of a table: the first 20 bytes of a SHA-256.
type Digest [20]byte

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// IsZero tells a digest that was never computed.
func (d Digest) IsZero() bool { return d == Digest{} }

// ParseDigest reads the hex form.
func ParseDigest(s string) (Digest, bool) {
	var d Digest
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(d) {
		return d, false
	}
	copy(d[:], b)
	return d, true
}

// Table is one generation's refs. It is immutable once built: share it freely.
type Table struct {
	Generation uint64 // 0: nothing was ever published
	Candidate  string // the id it was prepared under
	Head       Head
	Refs       []Ref  // sorted bytewise by name, names unique
	Past       Digest // of what is remembered of them, see package past; zero for nothing
}

// Check tells what keeps the table from being read back: names that are unlawful, twice
// there, or out of order.
func (t *Table) Check() error {
	for i, r := range t.Refs {
		if !ValidName(r.Name) || i > 0 && t.Refs[i-1].Name >= r.Name {
			return fmt.Errorf("%.120q is unlawful, or not in its place", r.Name)
		}
	}
	return nil
}

// Find returns the ref of that name.
func (t *Table) Find(name string) (Ref, bool) {
	i, ok := slices.BinarySearchFunc(t.Refs, name, func(r Ref, n string) int { return strings.Compare(r.Name, n) })
	if !ok {
		return Ref{}, false
	}
	return t.Refs[i], true
}

// HeadOID is the object HEAD leads to, or "" when it is unborn or absent.
func (t *Table) HeadOID() string {
	if target := t.Head.Target(); target != "" {
		r, _ := t.Find(target)
		return r.OID
	}
	return string(t.Head)
}

// PublicRefs counts the refs clients see.
func (t *Table) PublicRefs() int {
	n := 0
	for _, r := range t.Refs {
		if r.Public() {
			n++
		}
	}
	return n
}

// Digest covers everything in the table: SHA-256 over the line
// "<head> HEAD\n", where there is a HEAD, "<oid> <name>\n" for each ref in
// order, and "<digest> past\n" where something is remembered.
func (t *Table) Digest() Digest { return t.digest(func(Ref) bool { return true }, t.Past) }

// PublicDigest covers what clients see, HEAD included: equal public digests
// mean equal answers to git ls-remote.
func (t *Table) PublicDigest() Digest { return t.digest(Ref.Public, Digest{}) }

func (t *Table) digest(include func(Ref) bool, past Digest) Digest {
	h := sha256.New()
	var line []byte
	if t.Head != "" {
		line = append(append(line[:0], t.Head...), " HEAD\n"...)
		h.Write(line)
	}
	for _, r := range t.Refs {
		if include(r) {
			line = append(append(line[:0], r.OID...), ' ')
			line = append(append(line, r.Name...), '\n')
			h.Write(line)
		}
	}
	if !past.IsZero() {
		h.Write([]byte(past.String() + " past\n"))
	}
	var d Digest
	copy(d[:], h.Sum(nil))
	return d
}

// Sort orders refs as a table wants them.
func Sort(list []Ref) {
	slices.SortFunc(list, func(a, b Ref) int { return strings.Compare(a.Name, b.Name) })
}
