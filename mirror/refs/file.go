package refs

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gitmirror/mirror/wire"
)

// A table's file is a packed-refs file that git reads as its own. Git ignores
// traits it does not know in the header line, so ours carries what git has no
// place for: with HEAD, generation and digest in the same file, one rename
// makes all of a generation visible, and a damaged file knows it is.
//
//	# pack-refs with: peeled fully-peeled sorted gitmirror generation=7 candidate=01J… digest=9f… head=ref:refs/heads/main
//	<oid> refs/heads/main
//	<oid> refs/tags/v1
//	^<oid the tag leads to>
const header = "# pack-refs with: peeled fully-peeled sorted gitmirror "

// ErrDamaged reports a file whose content does not match its digest, or that
// is no ref table at all.
var ErrDamaged = errors.New("damaged ref table")

// Encode returns the table's file form.
func (t *Table) Encode() []byte {
	var b bytes.Buffer
	b.Grow(len(header) + 200 + 100*len(t.Refs))
	fmt.Fprintf(&b, "%sgeneration=%d candidate=%s digest=%s head=%s \n",
		header, t.Generation, t.Candidate, t.Digest(), strings.Replace(string(t.Head), "ref: ", "ref:", 1))
	for _, r := range t.Refs {
		b.WriteString(r.OID)
		b.WriteByte(' ')
		b.WriteString(r.Name)
		b.WriteByte('\n')
		if r.Peeled != "" {
			b.WriteByte('^')
			b.WriteString(r.Peeled)
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

// Decode reads a file written by Encode and verifies its digest.
func Decode(data []byte) (*Table, error) {
	t := &Table{}
	s := bufio.NewScanner(bytes.NewReader(data))
	s.Buffer(nil, 1<<16)
	if !s.Scan() {
		return nil, fmt.Errorf("%w: empty", ErrDamaged)
	}
	digest, err := t.readHeader(s.Text())
	if err != nil {
		return nil, err
	}
	for s.Scan() {
		line := s.Text()
		if peeled, ok := strings.CutPrefix(line, "^"); ok {
			if len(t.Refs) == 0 || !wire.IsOID(peeled) {
				return nil, fmt.Errorf("%w: line %.80q", ErrDamaged, line)
			}
			t.Refs[len(t.Refs)-1].Peeled = peeled
			continue
		}
		oid, name, ok := strings.Cut(line, " ")
		if !ok || !wire.IsOID(oid) || !ValidName(name) {
			return nil, fmt.Errorf("%w: line %.80q", ErrDamaged, line)
		}
		if n := len(t.Refs); n > 0 && t.Refs[n-1].Name >= name {
			return nil, fmt.Errorf("%w: %q is out of order", ErrDamaged, name)
		}
		t.Refs = append(t.Refs, Ref{Name: name, OID: oid})
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if got := t.Digest(); got != digest {
		return nil, fmt.Errorf("%w: digest %s, header says %s", ErrDamaged, got, digest)
	}
	return t, nil
}

// ReadHeader reads a file's first line alone: what generation it is, without
// its refs. The digest is the header's word.
func ReadHeader(firstLine string) (*Table, Digest, error) {
	t := &Table{}
	d, err := t.readHeader(strings.TrimSuffix(firstLine, "\n"))
	return t, d, err
}

func (t *Table) readHeader(line string) (Digest, error) {
	traits, ok := strings.CutPrefix(line, header)
	if !ok {
		return Digest{}, fmt.Errorf("%w: header %.80q", ErrDamaged, line)
	}
	var digest Digest
	var haveDigest bool
	for trait := range strings.FieldsSeq(traits) {
		key, value, _ := strings.Cut(trait, "=")
		switch key {
		case "generation":
			n, err := strconv.ParseUint(value, 10, 64)
			if err != nil {
				return Digest{}, fmt.Errorf("%w: generation %q", ErrDamaged, value)
			}
			t.Generation = n
		case "candidate":
			t.Candidate = value
		case "digest":
			digest, haveDigest = ParseDigest(value)
		case "head":
			t.Head = Head(strings.Replace(value, "ref:", "ref: ", 1))
		}
	}
	if !haveDigest {
		return Digest{}, fmt.Errorf("%w: header without digest", ErrDamaged)
	}
	return digest, nil
}
