package refs

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"gitmirror/mirror/wire"
)

// A table's file is a packed-refs file that git reads as its own. Git ignores
// traits it does not know in the header line, so ours carries what git has no
// place for: with HEAD, generation and digest in the same file, one rename
// makes all of a generation visible, and a damaged file knows it is. The digest
// names the content to other nodes; what it leaves out (the generation, peeled
// ids) would be as harmful when a bit of it flips, so lines is the CRC-32C of
// everything below the header and sum that of the header before it.
//
//	# pack-refs with: peeled fully-peeled sorted gitmirror generation=7 candidate=01J… digest=9f… head=ref:refs/heads/main lines=ab54d286 sum=77073096
//	<oid> refs/heads/main
//	<oid> refs/tags/v1
//	^<oid the tag leads to>
const header = "# pack-refs with: peeled fully-peeled sorted gitmirror "

// ErrDamaged reports a file whose content does not match its digest, or that
// is no ref table at all.
var ErrDamaged = errors.New("damaged ref table")

// Encode returns the table's file form.
func (t *Table) Encode() []byte {
	var lines bytes.Buffer
	lines.Grow(100 * len(t.Refs))
	for _, r := range t.Refs {
		lines.WriteString(r.OID)
		lines.WriteByte(' ')
		lines.WriteString(r.Name)
		lines.WriteByte('\n')
		if r.Peeled != "" {
			lines.WriteByte('^')
			lines.WriteString(r.Peeled)
			lines.WriteByte('\n')
		}
	}
	past := ""
	if !t.Past.IsZero() {
		past = " past=" + t.Past.String()
	}
	head := fmt.Sprintf("%sgeneration=%d candidate=%s digest=%s head=%s%s lines=%s", header, t.Generation, t.Candidate, t.Digest(),
		strings.Replace(string(t.Head), "ref: ", "ref:", 1), past, checksum(lines.Bytes()))
	out := fmt.Appendf(make([]byte, 0, len(head)+20+lines.Len()), "%s sum=%s \n", head, checksum([]byte(head)))
	return append(out, lines.Bytes()...)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) string { return fmt.Sprintf("%08x", crc32.Checksum(b, castagnoli)) }

// Decode reads a file written by Encode and verifies that not a bit of it has
// changed.
func Decode(data []byte) (*Table, error) {
	first, lines, _ := bytes.Cut(data, []byte("\n"))
	t := &Table{}
	h, err := t.readHeader(string(first))
	if err != nil {
		return nil, err
	}
	if got := checksum(lines); got != h.lines {
		return nil, fmt.Errorf("%w: lines have checksum %s, header says %q", ErrDamaged, got, h.lines)
	}
	s := bufio.NewScanner(bytes.NewReader(lines))
	for s.Scan() {
		if err := t.readLine(s.Text()); err != nil {
			return nil, err
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if got := t.Digest(); got != h.digest {
		return nil, fmt.Errorf("%w: digest %s, header says %s", ErrDamaged, got, h.digest)
	}
	return t, nil
}

func (t *Table) readLine(line string) error {
	n := len(t.Refs)
	if peeled, ok := strings.CutPrefix(line, "^"); ok {
		if n == 0 || t.Refs[n-1].Peeled != "" || !wire.IsOID(peeled) {
			return fmt.Errorf("%w: line %.80q", ErrDamaged, line)
		}
		t.Refs[n-1].Peeled = peeled
		return nil
	}
	oid, name, ok := strings.Cut(line, " ")
	if !ok || !wire.IsOID(oid) || !ValidName(name) {
		return fmt.Errorf("%w: line %.80q", ErrDamaged, line)
	}
	if n > 0 && t.Refs[n-1].Name >= name {
		return fmt.Errorf("%w: %q is out of order", ErrDamaged, name)
	}
	t.Refs = append(t.Refs, Ref{Name: name, OID: oid})
	return nil
}

// ReadHeader reads a file's first line alone: what generation it is, without
// its refs. The digest is the header's word.
func ReadHeader(firstLine string) (*Table, Digest, error) {
	t := &Table{}
	h, err := t.readHeader(strings.TrimSuffix(firstLine, "\n"))
	return t, h.digest, err
}

// sums is what a header says of the rest of the file.
type sums struct {
	digest Digest
	lines  string
}

func (t *Table) readHeader(line string) (h sums, err error) {
	traits, ok := strings.CutPrefix(line, header)
	covered, sum, summed := strings.Cut(line, " sum=")
	if !ok || !summed || strings.TrimSuffix(sum, " ") != checksum([]byte(covered)) {
		return sums{}, fmt.Errorf("%w: header %.80q", ErrDamaged, line)
	}
	for trait := range strings.SplitSeq(traits, " ") {
		key, value, _ := strings.Cut(trait, "=")
		ok := true
		switch key {
		case "generation":
			t.Generation, err = strconv.ParseUint(value, 10, 64)
			ok = err == nil
		case "candidate":
			t.Candidate = value
		case "digest":
			h.digest, ok = ParseDigest(value)
		case "head":
			t.Head = Head(strings.Replace(value, "ref:", "ref: ", 1))
			ok = t.Head.valid()
		case "past":
			t.Past, ok = ParseDigest(value)
		case "lines":
			h.lines = value
		}
		if !ok {
			return sums{}, fmt.Errorf("%w: %s %.80q", ErrDamaged, key, value)
		}
	}
	return h, nil
}

func (h Head) valid() bool {
	return h == "" || wire.IsOID(string(h)) || ValidName(h.Target())
}
